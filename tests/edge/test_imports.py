"""Contacts imported from a CSV file: page by page, resumed where it broke off, with a report of what was rejected."""

from contextlib import contextmanager
from datetime import timedelta

import pytest

from infra.local.faults import Crash
from infra.local.invocations import Context, sqs_event
from shared.edge import import_pages
from shared.store.record import Record
from tests.edge.contact_world import ContactWorld, named

IMPORTS = "/contacts/imports"


class ImportWorld(ContactWorld):
    def opened(self, *lines, text=None):
        """An import whose file is uploaded already."""
        content = text if text is not None else "\n".join(("contact,marketing", *lines)).encode()
        made = self.edit("POST", IMPORTS, {"bytes": len(content)}).json
        self.cloud.files.put(made["upload"], content)
        return made["id"]

    def started(self, import_id, **body):
        return self.edit("POST", f"{IMPORTS}/{import_id}/start", body)

    def imported(self, *lines, dry_run=False, text=None):
        """A file of these lines, imported as far as it goes."""
        import_id = self.opened(*lines, text=text)
        reply = self.started(import_id, dry_run=dry_run)
        assert reply.status == 200, reply.body
        self.cloud._drain()
        return self.shown(import_id)

    def shown(self, import_id):
        return self.edit("GET", f"{IMPORTS}/{import_id}").json

    def contacts(self):
        """Each contact with the day on which it leaves, ``-`` while it just counts, nothing if it never did."""
        records = (Record.from_raw_data(item) for item in self.contents() if item["kind"]["S"] == "contact")
        entities = [record.to_entity() for record in records]
        return {it.id: str(it.until) if it.until else "-" if it.since else "" for it in entities}


@pytest.fixture
def world():
    return ImportWorld()


def tally(shown):
    names = ("rows", "rejected", "new", "deleted", "marketing", "leaving", "held_back")
    return {name: shown[name] for name in names if shown[name] or name != "deleted"}


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
    world.cloud._drain()
    shown = world.shown(import_id)
    assert (shown["status"], tally(shown)["marketing"], shown["rejected"]) == ("checked", 13, 1)
    assert shown["outcome"] == {
        "marketing": 21, "tier": 10, "tier_after": 30,
        "charge": {"amount": "56.00", "currency": "USD"}, "costs_more": {"amount": "60.00", "currency": "USD"},
    }  # fmt: skip
    assert (world.contacts(), world.usage()["live"]["marketing"]) == (before, 8)
    assert world.started(import_id).status == 200
    world.cloud._drain()
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
    world.cloud._drain()
    assert world.started(made["id"]).json["code"] == "import_done"


def test_a_file_that_changes_in_the_middle_is_not_imported_further(world, small_pages):
    import_id = world.opened(*LINES)
    world.started(import_id)
    die_after(world, 2)
    changes(world, b"\ne0000,", b"\nf0000,")
    run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"], shown["rows"]) == ("failed", "file_changed", 16)
    assert world.started(import_id).status == 200, "from its beginning"
    run_again(world)
    assert world.shown(import_id)["status"] == "done"
    assert world.contacts() == {**{id_: day for id_, day in AFTER.items() if id_ != "e0000"}, "f0000": "-"}
    assert world.usage()["live"] == {"marketing": 39, "total": 45}


# -- killed in the middle


LINES = [
    *(f"{name},true" for name in named(30)),
    "bad",
    *(f"{name},false" for name in named(12)),
    *(f"{name},false" for name in named(6, "d")),
    "c0003,true",
    *(f"{name},true" for name in named(9, "e")),
    "worse,perhaps",
]
AFTER = {
    **dict.fromkeys(named(30), "-"), **dict.fromkeys(named(12), "2026-05-15"), "c0003": "-",
    **dict.fromkeys(named(6, "d"), ""), **dict.fromkeys(named(9, "e"), "-"),
}  # fmt: skip
TALLY = {"rows": 60, "rejected": 2, "new": 45, "marketing": 39, "leaving": 12, "held_back": 0}


@pytest.fixture
def small_pages(monkeypatch):
    """A page holds eight rows or so."""
    monkeypatch.setattr(import_pages, "PAGE", 90)


def die_after(world, pages):
    """A run that is killed after so many pages, and says nothing any more."""
    left = iter([900_000] * pages)

    def killed_then(_):
        if (time := next(left, None)) is None:
            raise Crash("out of memory")
        return time

    [message] = world.cloud.queues.receive("ImportQueue", 1)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
        patch.setattr(Context, "get_remaining_time_in_millis", killed_then)
        world.cloud.invoke("ImportsWorkFunction", sqs_event("ImportQueue", [message]))


def run_again(world):
    """The lease of who was killed ends, and a sweep finds the import."""
    world.cloud.advance(world.cloud.now + timedelta(minutes=31))


def changes(world, before, after):
    """The uploaded file is another one."""
    contents = world.cloud.files.contents
    [place] = [place for place in contents if place.endswith("contacts.csv")]
    assert before in contents[place]
    contents[place] = contents[place].replace(before, after)


@contextmanager
def broken_summary(world):
    """Something that no import can get past lies in the table."""
    [summary] = [item for item in world.contents() if item["kind"]["S"] == "contact_summary"]
    table, key = world.cloud.store.table("prorata"), (summary["PK"]["S"], summary["SK"]["S"])
    table.write(key, summary | {"counts_at": {"S": "never"}})
    yield
    table.write(key, summary)


def outcome(world, import_id):
    shown = world.shown(import_id)
    report = world.cloud.files.get(shown["report"]).decode()
    return shown["status"], tally(shown), report, world.contacts(), world.usage()["live"]


EXPECTED = (
    "done", TALLY, "line,reason\n32,missing_cells\n61,invalid_marketing\n", AFTER, {"marketing": 39, "total": 45},
)  # fmt: skip


def test_page_by_page_an_import_comes_to_the_same(world, small_pages):
    import_id = world.opened(*LINES)
    world.started(import_id)
    world.cloud._drain()
    assert outcome(world, import_id) == EXPECTED


def killed_at(world, nth, how):
    """Work dies at its n-th write from now, and is taken up again."""
    world.cloud.faults.arm("store.commit", how, after=nth)
    world.cloud._drain()
    run_again(world)


@pytest.mark.parametrize("how", ["crash_before", "crash_after"])
@pytest.mark.parametrize("nth", range(0, 90, 7))
def test_killed_at_any_write_an_import_resumes_to_the_same_result(world, small_pages, how, nth):
    """Every seventh write in turn is the one that the function dies at, before it or after it."""
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_at(world, nth, how)
    assert outcome(world, import_id) == EXPECTED


@pytest.mark.parametrize("nth", range(3, 60, 11))
def test_f12_killed_in_the_middle_the_same_rows_are_held_back(world, small_pages, nth):
    world.call("PUT", "/accounts/acme/usage/maximum", {"maximum": 25})
    import_id = world.opened(*LINES)
    world.started(import_id)
    killed_at(world, nth, "crash_before")
    shown = world.shown(import_id)
    assert (shown["status"], shown["marketing"], shown["held_back"]) == ("done", 25, 14)
    assert world.usage()["live"] == {"marketing": 25, "total": 45}
    assert sorted(id_ for id_, until in world.contacts().items() if until) == named(25)


def test_an_import_that_takes_longer_than_a_function_may_run_goes_on_in_another_message(world, small_pages):
    import_id = world.opened(*LINES)
    world.started(import_id)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        steps = iter([900_000, 0] * 40)
        patch.setattr(Context, "get_remaining_time_in_millis", lambda _: next(steps))
        for _ in range(20):
            [message] = world.cloud.queues.receive("ImportQueue", 1) or [None]
            if message is None:
                break
            world.cloud.queues.delete("ImportQueue", message)
            world.cloud.invoke("ImportsWorkFunction", sqs_event("ImportQueue", [message]))
            seen.append(world.shown(import_id)["bytes_done"])
    assert len(seen) > 5
    assert seen == sorted(seen), "progress is visible"
    assert outcome(world, import_id) == EXPECTED


def test_messages_that_come_twice_import_once(world, small_pages):
    import_id = world.opened(*LINES)
    world.started(import_id)
    [message] = world.cloud.queues.messages("ImportQueue")
    world.cloud.queues.double("ImportQueue", message)
    world.cloud._drain()
    assert outcome(world, import_id) == EXPECTED


def test_what_keeps_failing_is_told_and_can_be_started_again(world):
    import_id = world.opened("ann,true")
    world.started(import_id)
    with broken_summary(world):
        for _ in range(7):
            run_again(world)
    shown = world.shown(import_id)
    assert (shown["status"], shown["error"]) == ("failed", "internal_error")
    assert [alarm["code"] for alarm in world.told("alarm.raised")] == ["import_failed"]
    assert world.started(import_id).status == 200
    run_again(world)
    assert world.shown(import_id)["status"] == "done"
