"""What docs/data-model.md says of the table, written from the code: the record classes and the queries."""

import inspect
import re
from pathlib import Path

from shared.store import contact_records, contacts, import_records, imports, queries, records
from shared.store.record import Record

PAGE = Path(__file__).parents[2] / "docs/data-model.md"
KEYS = ("PK", "SK", "GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK")
READERS = (queries, contacts, imports)
"""The modules that read the table: contacts and their imports have their own."""
NO_ACCESS = {"connect", "forget", "write", "add", "settled", "added", "room", "decide_page", "correct"}
"""What they offer beside reading."""


def chart():
    """One row for each kind of record, in the order of records.py: its keys as templates."""
    rows = [("kind", *KEYS), ("---",) * (1 + len(KEYS))]
    for record in kinds():
        keys = (f"`{record.keys[key]}`" if key in record.keys else "" for key in KEYS)
        rows.append((Record.kind.serialize(record), *keys))
    return _table(rows)


def kinds():
    """The kinds of records in the order of their modules, whichever was loaded first."""
    for module in (records, contact_records, import_records):
        for kind in vars(module).values():
            if inspect.isclass(kind) and issubclass(kind, Record) and kind.__module__ == module.__name__:
                yield kind


def access():
    """One row for each function that reads, by the number of its access pattern."""
    rows = [("", "function", "finds"), ("---",) * 3]
    rows += [(f"AP{number}", f"`{name}`", sentence) for number, name, sentence in patterns()]
    return _table(rows)


def patterns():
    """The access patterns: number, function, and the first sentence of its docstring."""
    for module in READERS:
        for name, function in vars(module).items():
            if not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            if name.startswith("_") or name in NO_ACCESS:
                continue
            found = re.match(r"AP(\d+): (.+)", (function.__doc__ or "").partition("\n")[0])
            assert found, f"{name} has no number: begin its docstring with AP and the next one"
            yield int(found[1]), name, found[2].replace("``", "`")


def filled(page):
    """The page with what stands between its markers written anew."""
    for marker, text in (("chart", chart()), ("access", access())):
        between = rf"(<!-- {marker} -->\n).*?(<!-- /{marker} -->)"
        page, count = re.subn(between, lambda found, text=text: f"{found[1]}{text}{found[2]}", page, flags=re.DOTALL)
        assert count == 1, f"docs/data-model.md has no place for the {marker}"
    return page


def _table(rows):
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |").replace("|  |", "| |") for row in rows)
