"""Links for payers: whoever has one may open it, and nobody can make one up."""

from datetime import date, timedelta

import pytest
from aws_lambda_powertools.utilities import parameters
from hypothesis import given
from hypothesis import strategies as st

from infra.local.cloud import SECRETS
from shared.domain.errors import NotFound
from shared.edge import links
from shared.edge.links import Kind, Link
from tests.world import World

TODAY = date(2026, 2, 7)
INVOICE = Link(Kind.INVOICE, "acme", "sub_1a-00001")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
days = st.dates(TODAY, TODAY + timedelta(days=400))
some_links = st.builds(Link, st.sampled_from(Kind), ids, ids, st.none() | days)


@pytest.fixture(scope="module", autouse=True)
def _world():
    """SSM is there, with the key of this machine."""
    World()


@pytest.fixture
def keys(monkeypatch):
    """Put other keys into SSM, and let the functions read them."""

    def keys(text):
        monkeypatch.setitem(SECRETS, "LinkKeysParameter", text)
        parameters.clear_caches()

    yield keys
    parameters.clear_caches()


def refused(token, today=TODAY):
    with pytest.raises(NotFound) as error:
        links.read(token, today)
    return error.value.code, str(error.value)


NOTHING = ("not_found", "There is nothing at this address.")


@given(some_links)
def test_what_was_written_is_what_is_read(link):
    assert links.read(links.write(link), TODAY) == link


@given(some_links)
def test_a_token_is_letters_that_an_address_can_hold(link):
    token = links.write(link)
    assert set(token) <= set(LETTERS)
    assert len(token) <= 250


@given(some_links, st.data())
def test_with_one_letter_changed_a_token_is_none(link, data):
    token = links.write(link)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(LETTERS).filter(lambda letter: letter != token[place]))
    assert refused(token[:place] + letter + token[place + 1 :]) == NOTHING


@given(some_links, st.integers(0, 250))
def test_with_something_missing_a_token_is_none(link, length):
    token = links.write(link)
    assert refused(token[: min(length, len(token) - 1)]) == NOTHING


@given(st.text(max_size=300) | st.text(LETTERS, max_size=300))
def test_what_was_made_up_is_none(token):
    assert refused(token) == NOTHING


@pytest.mark.parametrize("more", ["=", "==", "A", "AAAA", " ", "\n", "/", "."])
def test_with_something_added_a_token_is_none(more):
    assert refused(links.write(INVOICE) + more) == NOTHING


def test_a_token_can_be_opened_for_as_long_as_one_of_the_keys_has_signed_it(keys):
    keys("old")
    before = links.write(INVOICE)
    keys("new old")
    after = links.write(INVOICE)
    assert before != after, "the first one signs"
    assert [links.read(token, TODAY) for token in (before, after)] == [INVOICE, INVOICE]
    keys("new")
    assert links.read(after, TODAY) == INVOICE
    assert refused(before) == NOTHING


def test_a_key_is_not_part_of_another(keys):
    keys("a-key-of-links")
    token = links.write(INVOICE)
    for others in ("a-key-of-link", "a-key-of-linkss", "a-key of-links", "A-KEY-OF-LINKS"):
        keys(others)
        assert refused(token) == NOTHING


def test_a_link_to_an_update_page_opens_up_to_its_last_day():
    link = Link(Kind.METHOD, "acme", "sub_1a", TODAY)
    token = links.write(link)
    assert links.read(token, TODAY) == link
    assert refused(token, TODAY + timedelta(days=1)) == (
        "link_expired",
        "This link has run out. Please ask for a new one.",
    )


def test_a_link_to_a_pay_page_opens_for_good():
    assert links.read(links.write(INVOICE), TODAY + timedelta(days=10_000)) == INVOICE
