"""Contacts imported from a CSV file, with a report of what was rejected."""

from urllib.parse import parse_qs, urlsplit

import pytest

from infra.local import aws
from shared import files
from shared.domain.contact_import import LARGEST_FILE, MOST_OPEN
from shared.edge import import_pages, imports
from tests.edge.contact_world import named
from tests.edge.import_world import IMPORTS, ImportWorld, tally


@pytest.fixture
def world():
    return ImportWorld()


def test_a_file_of_contacts_is_imported(world):
    world.batch(marketing=["ann", "bob"])
    shown = world.imported("ann,true", "bob,false", "cyd,true", "dan,no", "eve,YES", "fay,0", "", "gil,1")
    assert shown["status"] == "done"
    assert tally(shown) == {"rows": 7, "rejected": 0, "new": 5, "marketing": 3, "leaving": 1, "held_back": 0}
    assert (shown["bytes_done"], shown["report"], shown["upload"]) == (shown["bytes"], None, None)
    assert world.contacts() == {
        "ann": "-", "bob": "2026-05-15", "cyd": "-", "dan": "", "eve": "-", "fay": "", "gil": "-",
    }  # fmt: skip
    assert world.usage()["live"] == {"marketing": 5, "total": 7}
    [told] = world.told("contacts.imported")
    assert (told["rows"], told["marketing"]) == (7, 3)


def test_rejected_rows_are_reported_with_their_line_and_reason(world):
    text = (
        b"\xef\xbb\xbfname;marketing;contact\r\n"
        b"Ann;true;ann\r\n"
        b"Bob;maybe;bob\r\n"
        b"Cyd;true;=cyd\r\n"
        b"Dan;true\r\n"
        b'"Eve;true;eve\r\n'
        b"\xff;true;fay\r\n"
        b'"Gil; the first";true;gil'
    )
    shown = world.imported(text=text)
    assert (shown["status"], shown["rows"], shown["rejected"], shown["new"]) == ("done", 7, 5, 2)
    assert world.cloud.files.get(shown["report"]).decode() == (
        "line,reason\n3,invalid_marketing\n4,invalid_contact\n5,missing_cells\n6,not_csv\n7,not_utf8\n"
    )
    assert world.contacts() == {"ann": "-", "gil": "-"}


def test_a_dry_run_writes_nothing_and_says_what_the_import_would_cost(world):
    world.batch(marketing=named(8))
    lines = [f"{name},true" for name in named(13, "new")]
    import_id = world.opened(*lines, "bad row")
    world.started(import_id, dry_run=True)
    before = world.contacts()
    world.cloud.drain()
    shown = world.shown(import_id)
    assert (shown["status"], tally(shown)["marketing"], shown["rejected"]) == ("checked", 13, 1)
    assert shown["outcome"] == {
        "marketing": 21, "tier": 10, "tier_after": 30,
        "charge": {"amount": "56.00", "currency": "USD"}, "costs_more": {"amount": "60.00", "currency": "USD"},
    }  # fmt: skip
    assert (world.contacts(), world.usage()["live"]["marketing"]) == (before, 8)
    assert world.started(import_id).status == 200
    world.cloud.drain()
    assert world.shown(import_id)["outcome"] is None
    world.on("2026-04-17T12:00:00Z")
    assert world.usage()["tier"] == 30
    assert world.invoices()[-1]["total"] == "56.00", "what the dry run had said"


def test_a_dry_run_within_the_tier_costs_nothing(world):
    shown = world.imported("ann,true", dry_run=True)
    assert shown["outcome"] == {"marketing": 1, "tier": 10, "tier_after": 10, "charge": None, "costs_more": None}


def test_f12_beyond_the_maximum_rows_are_held_back(world):
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 4})
    world.batch(marketing=["ann"])
    lines = ["ann,true", *(f"{name},true" for name in named(5)), "zoe,false"]
    assert tally(world.imported(*lines, dry_run=True))["held_back"] == 2
    shown = world.imported(*lines)
    assert tally(shown) == {"rows": 7, "rejected": 0, "new": 6, "marketing": 3, "leaving": 0, "held_back": 2}
    assert [id_ for id_, since in sorted(world.contacts().items()) if not since] == ["c0003", "c0004", "zoe"]
    assert len(world.told("contacts.maximum_reached")) == 1


@pytest.mark.parametrize(
    ("text", "error"),
    [(b"contact,marketing", None), (b"id,marketing\nann,true", "missing_columns")],
)
def test_a_file_without_rows_or_without_the_columns(world, text, error):
    shown = world.imported(text=text)
    assert (shown["error"], shown["status"]) == (error, "failed" if error else "done")
    assert world.contacts() == {}


def test_an_import_is_started_once_and_not_before_its_file_is_there(world):
    text = b"contact,marketing\nann,true\n"
    made = world.edit("POST", IMPORTS, {"bytes": len(text)}, key="open").json
    assert world.edit("POST", IMPORTS, {"bytes": len(text)}, key="open").json == made
    assert world.started(made["id"]).json["code"] == "nothing_uploaded"
    assert world.started("imp_none").json["code"] == "unknown_import"
    world.cloud.files.put(made["upload"], text + b"bob,true\n")
    assert world.started(made["id"]).json["code"] == "other_size"
    world.cloud.files.put(made["upload"], text)
    assert world.started(made["id"]).json["status"] == "running"
    assert world.started(made["id"]).json["code"] == "import_under_way"
    world.cloud.drain()
    assert world.started(made["id"]).json["code"] == "import_done"


def test_r53_a_row_can_delete(world):
    world.batch(marketing=["ann", "bob"])
    shown = world.imported("ann,delete", "cyd,true", "nobody,DELETE", "cyd,delete", "dan,false")
    assert tally(shown) == {
        "rows": 5, "rejected": 0, "new": 1, "deleted": 1, "marketing": -1, "leaving": 0, "held_back": 0,
    }  # fmt: skip
    assert (world.contacts(), world.usage()["live"]) == ({"bob": "-", "dan": ""}, {"marketing": 1, "total": 2})


def test_f12_a_row_that_deletes_makes_room(world):
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 2})
    world.batch(marketing=["ann", "bob"])
    shown = world.imported("cyd,true", "ann,delete", "dan,true", "bob,delete", "eve,true")
    assert (shown["held_back"], world.usage()["live"]["marketing"]) == (1, 2)
    assert world.contacts() == {"cyd": "", "dan": "-", "eve": "-"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_f12_beyond_a_maximum_that_is_exceeded_already_a_row_that_deletes_makes_no_room(world, dry_run):
    world.batch(marketing=["ann", "bob", "cyd"])
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 1})
    lines = ["ann,delete", "dan,true", "bob,delete", "cyd,delete", "eve,true", "fay,true"]
    shown = world.imported(*lines, dry_run=dry_run)
    assert (shown["held_back"], shown["marketing"]) == (2, -2)
    assert world.contacts() == (dict.fromkeys(("ann", "bob", "cyd"), "-") if dry_run else {
        "dan": "", "eve": "-", "fay": "",
    })  # fmt: skip


def test_cells_may_hold_line_breaks_and_the_header_other_delimiters(world):
    text = b'"Last, first";contact;marketing\n"A, B\nC";ann;true\n"x\neve;true;y";bob;true\n'
    shown = world.imported(text=text)
    assert (shown["rows"], shown["rejected"], world.contacts()) == (2, 0, {"ann": "-", "bob": "-"})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("contact,marketing\nann,true\n".encode("utf-16"), "not_utf8"),
        (b"contact,marketing\rann,true", "unknown_line_ends"),
    ],
)
def test_a_file_that_is_not_written_as_it_must_be_says_so(world, text, error):
    shown = world.imported(text=text)
    assert (shown["status"], shown["error"]) == ("failed", error)


@pytest.mark.parametrize("length", [70_000, 300_000, 600_000])
def test_a_line_that_is_too_long_is_rejected_and_the_others_are_imported(world, length):
    shown = world.imported("ann,true", "bob,true," + "x" * length, "cyd,true", "dan,true," + "x" * length)
    assert (shown["status"], shown["rows"], shown["rejected"]) == ("done", 4, 2)
    assert world.cloud.files.get(shown["report"]) == b"line,reason\n3,line_too_long\n5,line_too_long\n"
    assert world.contacts() == {"ann": "-", "cyd": "-"}


def test_all_rejected_rows_are_counted_and_not_too_many_reported(world, monkeypatch):
    monkeypatch.setattr(imports, "MOST_REJECTED", 10)
    monkeypatch.setattr(import_pages, "PAGE", 90)
    shown = world.imported(*["bad"] * 200, "ann,true")
    report = world.cloud.files.get(shown["report"]).decode().splitlines()
    assert (shown["rejected"], shown["status"], report[:2]) == (200, "done", ["line,reason", "2,missing_cells"])
    assert 10 < len(report) < 50


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_file_of_too_many_rows_says_so(world, monkeypatch, dry_run):
    monkeypatch.setattr(imports, "MOST_ROWS", 16)
    monkeypatch.setattr(import_pages, "PAGE", 90)
    assert world.imported(*(f"{name},true" for name in named(10)), dry_run=dry_run)["error"] is None
    shown = world.imported(*(f"{name},true" for name in named(40)), dry_run=dry_run)
    assert (shown["status"], shown["error"]) == ("failed", "too_many_rows")


def test_what_is_forgotten_is_not_shown_and_not_started_though_it_lies_there_still(world):
    import_id = world.opened("ann,true")
    world.on("2026-04-16T14:00:00Z")
    refused = [world.started(import_id), world.edit("GET", f"{IMPORTS}/{import_id}")]
    assert [(reply.status, reply.json["code"]) for reply in refused] == [(404, "unknown_import")] * 2


def test_the_upload_is_for_a_file_of_that_size_only(world, monkeypatch):
    for size, code in ((LARGEST_FILE + 1, "file_too_large"), (0, "invalid_body")):
        assert world.edit("POST", IMPORTS, {"bytes": size}).json["code"] == code
    made = world.edit("POST", IMPORTS, {"bytes": LARGEST_FILE}).json
    assert urlsplit(made["upload"]).path == f"/imports/acme/{made['id']}/contacts.csv"
    monkeypatch.setattr(aws, "answering", {})  # as at AWS, where requests are signed
    files.forget()
    signed = parse_qs(urlsplit(files.upload_address("contacts.csv", 17)).query)
    assert signed["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_what_is_imported_does_not_lie_there_any_longer(world):
    world.imported("ann,true")
    assert list(world.cloud.files.contents) == []


def test_so_many_imports_are_open_at_a_time_and_no_more(world):
    opened = [world.edit("POST", IMPORTS, {"bytes": 9}) for _ in range(MOST_OPEN + 1)]
    assert [reply.status for reply in opened] == [201] * MOST_OPEN + [409]
    assert opened[-1].json["code"] == "too_many_imports"
    world.on("2026-04-16T15:00:00Z")
    assert world.edit("POST", IMPORTS, {"bytes": 9}).status == 201, "what was never uploaded counts for a day"
