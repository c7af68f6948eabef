"""Who counts as a marketing contact on which day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import UpdatePolicy
from shared.domain.checkout import LineItem
from shared.domain.contacts import Command, Contact, Today, Wish, next_update, plan
from shared.domain.periods import Interval
from tests.domain.examples import SEAT, bought, day, seat_price

MONTHLY = bought(LineItem(SEAT), on="2026-04-15").subscription
ANNUAL = bought(LineItem(SEAT, term=Interval.YEAR), on="2026-04-15").subscription
PAID_BY_THE_YEAR = bought(LineItem(seat_price("900.00", Interval.YEAR, id="year")), on="2026-04-15").subscription
MAY = Today(day("2026-05-15"), day("2026-06-01"))


def updates(subscription, after, count, policy=UpdatePolicy.MONTHLY):
    found = []
    on = day(after)
    for _ in range(count):
        on = next_update(subscription, policy, on)
        found.append(str(on))
    return found


def test_r49_bought_on_15_april_by_the_month_the_next_update_is_on_15_may():
    assert updates(MONTHLY, "2026-04-15", 3) == ["2026-05-15", "2026-06-15", "2026-07-15"]


@pytest.mark.parametrize("subscription", [ANNUAL, PAID_BY_THE_YEAR, None], ids=["annual", "paid by the year", "none"])
def test_r50_a_yearly_subscription_is_updated_on_the_first_of_each_month(subscription):
    assert updates(subscription, "2026-04-15", 3) == ["2026-05-01", "2026-06-01", "2026-07-01"]
    assert updates(subscription, "2026-12-01", 1) == ["2027-01-01"]


def test_f8_the_update_of_the_31st_is_the_last_of_a_shorter_month():
    monthly = bought(LineItem(SEAT), on="2026-01-31").subscription
    assert updates(monthly, "2026-01-31", 3) == ["2026-02-28", "2026-03-31", "2026-04-30"]


def test_f8_what_is_bought_by_the_week_is_updated_each_week():
    weekly = bought(LineItem(seat_price("30.00", Interval.WEEK)), on="2026-04-15").subscription
    assert updates(weekly, "2026-04-20", 2) == ["2026-04-22", "2026-04-29"]


def test_f13_a_seller_may_update_at_the_renewal_only():
    assert updates(ANNUAL, "2026-05-01", 2, UpdatePolicy.RENEWAL) == ["2027-04-15", "2028-04-15"]


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from([Interval.WEEK, Interval.MONTH, Interval.YEAR]),
       st.integers(0, 4000), st.sampled_from(UpdatePolicy))  # fmt: skip
def test_f8_the_next_update_is_the_first_boundary_after_a_day(anchor, term, later, policy):
    subscription = bought(LineItem(seat_price("30.00", term)), on=str(anchor)).subscription
    after = anchor + timedelta(days=later)
    found = next_update(subscription, policy, after)
    by_boundary = term is not Interval.YEAR or policy is UpdatePolicy.RENEWAL
    boundaries = {term.after(anchor, k) for k in range(700)}
    days = (after + timedelta(days=n) for n in range(1, 400))
    assert found == next(each for each in days if (each in boundaries if by_boundary else each.day == 1))


# -- what a request makes of them


def asked(*commands, found=(), room=None, today=MAY):
    known = {contact.id: contact for contact in found}
    return plan("acme", known, [Command(*each) for each in commands], today, room)


def contact(id_, since=None, until=None):
    return Contact("acme", id_, since and day(since), until and day(until))


def test_r40_a_contact_counts_or_it_does_not():
    assert [each.counts_on(day("2026-05-20")) for each in (
        contact("a", "2026-04-30"),
        contact("b"),
        contact("c", "2026-04-30", "2026-06-01"),
        contact("d", "2026-03-30", "2026-05-01"),
    )] == [True, False, True, False]  # fmt: skip


def becomes(made):
    """The contacts as they will be, ``None`` for one that is deleted, and by how much the numbers change."""
    return [change.after for change in made.changes], made.marketing(MAY.day), made.total


def test_r47_set_as_marketing_it_counts_at_once():
    made = asked(("a", Wish.MARKETING), ("b", Wish.NON_MARKETING))
    assert becomes(made) == ([contact("a", "2026-05-15"), contact("b")], 1, 2)


def test_r48_set_as_non_marketing_on_15_may_it_counts_until_1_june():
    made = asked(("a", Wish.NON_MARKETING), found=[contact("a", "2026-04-30")])
    assert becomes(made) == ([contact("a", "2026-04-30", "2026-06-01")], 0, 0)
    left = made.changes[0].after
    assert [left.counts_on(day(each)) for each in ("2026-05-15", "2026-05-31", "2026-06-01")] == [True, True, False]
    assert left.leaves_on(day("2026-05-31")) == day("2026-06-01")
    assert left.leaves_on(day("2026-06-01")) is None


def test_r46_what_is_non_marketing_stays_so_until_it_is_set_again():
    lapsed = contact("a", "2026-03-30", "2026-05-01")
    assert asked(("a", Wish.NON_MARKETING), found=[lapsed]).changes == ()
    assert becomes(asked(("a", Wish.MARKETING), found=[lapsed])) == ([contact("a", "2026-05-15")], 1, 0)


def test_d11_set_as_non_marketing_and_back_again_it_is_as_if_nothing_had_been():
    leaving = contact("a", "2026-04-30", "2026-06-01")
    assert becomes(asked(("a", Wish.MARKETING), found=[leaving])) == ([contact("a", "2026-04-30")], 0, 0)
    both = asked(("a", Wish.NON_MARKETING), ("a", Wish.MARKETING), found=[contact("a", "2026-04-30")])
    assert both.changes == (), "the last command wins"


def test_f13_set_as_non_marketing_twice_it_leaves_on_the_date_of_the_first():
    leaving = contact("a", "2026-04-30", "2026-05-20")
    assert asked(("a", Wish.NON_MARKETING), found=[leaving]).changes == ()


def test_r53_deleted_it_counts_no_more():
    known = [contact("a", "2026-04-30"), contact("b"), contact("c", "2026-04-30", "2026-06-01")]
    made = asked(*((id_, Wish.DELETE) for id_ in "abcd"), found=known)
    assert becomes(made) == ([None, None, None], -2, -3)
    assert [change.contact for change in made.changes] == known


def test_f12_beyond_the_maximum_further_contacts_become_non_marketing():
    known = [contact("a", "2026-04-30"), contact("b")]
    made = asked(*((id_, Wish.MARKETING) for id_ in "abcd"), found=known, room=1)
    assert becomes(made) == ([contact("b", "2026-05-15"), contact("c"), contact("d")], 1, 2)
    assert made.held_back == ("c", "d")


def test_f12_what_is_deleted_makes_room():
    known = [contact("a", "2026-04-30")]
    made = asked(("b", Wish.MARKETING), ("a", Wish.DELETE), ("b", Wish.MARKETING), found=known, room=0)
    assert becomes(made) == ([contact("b", "2026-05-15"), None], 0, 0)
    assert made.held_back == ()


HISTORY = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(Wish)), max_size=20)


@given(HISTORY, st.integers(0, 20), st.none() | st.integers(0, 4))
def test_a_request_comes_to_the_same_as_its_parts(history, cut, room):
    """However a list of commands is divided, the contacts and the counts are the same."""
    whole = asked(*history, room=room)
    first = asked(*history[:cut], room=room)
    halfway = {change.contact.id: change.after for change in first.changes}
    left = None if room is None else room - first.marketing(MAY.day)
    second = asked(*history[cut:], found=[each for each in halfway.values() if each], room=left)
    assert whole.marketing(MAY.day) == first.marketing(MAY.day) + second.marketing(MAY.day)
    assert whole.total == first.total + second.total
    after = halfway | {change.contact.id: change.after for change in second.changes}
    assert {each for each in after.values() if each} == {change.after for change in whole.changes}
