"""Imports of contacts in a box: a file uploaded, imported as far as it goes, killed on the way and taken up again."""

from contextlib import contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from infra.local.faults import Crash
from infra.local.invocations import Context, sqs_event
from shared.domain.periods import local_day
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
        self.cloud.drain()
        return self.shown(import_id)

    def shown(self, import_id):
        return self.edit("GET", f"{IMPORTS}/{import_id}").json

    def entities(self):
        """All contacts."""
        records = (Record.from_raw_data(item) for item in self.contents() if item["kind"]["S"] == "contact")
        return [record.to_entity() for record in records]

    def contacts(self):
        """Each contact with the day on which it leaves, ``-`` while it just counts, nothing if it never did."""
        return {it.id: str(it.until) if it.until else "-" if it.since else "" for it in self.entities()}

    @property
    def today(self):
        """The seller's day."""
        return local_day(self.cloud.now, ZoneInfo("America/New_York"))


def tally(shown):
    names = ("rows", "rejected", "new", "deleted", "marketing", "leaving", "held_back")
    return {name: shown[name] for name in names if shown[name] or name != "deleted"}


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
TALLY = {"rows": 60, "rejected": 2, "new": 45, "marketing": 39, "leaving": 11, "held_back": 0}


def die_after(world, pages):
    """A run that is killed after so many pages, and says nothing any more."""
    left = iter([900_000] * pages)

    def killed_then(_):
        if (time := next(left, None)) is None:
            raise Crash("out of memory")
        return time

    [message] = world.cloud.queues.receive("ImportQueue", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Context, "get_remaining_time_in_millis", killed_then)
        with pytest.raises(Crash):
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


def killed_at(world, nth, how):
    """Work dies at its n-th write from now, and is taken up again."""
    world.cloud.faults.arm("store.commit", how, after=nth)
    world.cloud.drain()
    run_again(world)


EXPECTED = (
    "done", TALLY, "line,reason\n32,missing_cells\n61,invalid_marketing\n", AFTER, {"marketing": 39, "total": 45},
)  # fmt: skip
