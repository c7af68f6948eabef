"""What a dry run would have made of the contacts so far: kept beside them, as nothing is written.

Of each contact there are eight bytes of a hash and what it would be: two of ten
million have the same hash once in some hundred thousand files. The draft is a
file of this machine, and lies in S3 while the dry run is handed over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory

from shared import files
from shared.domain.contact_import import ContactImport
from shared.domain.contacts import Change, Contact

_GONE, _NON_MARKETING, _MARKETING = 0, 1, 2
"""What a contact would be; any larger number is the day from which it does not count any more."""
_AT_ONCE = 500


class Draft:
    """The contacts that would have changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._table = sqlite3.connect(path, isolation_level=None)
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("CREATE TABLE IF NOT EXISTS seen (hash INTEGER PRIMARY KEY, becomes INTEGER)")

    def over(self, found: Mapping[str, Contact], account_id: str, ids: Iterable[str]) -> dict[str, Contact]:
        """The contacts as they would be."""
        after = dict(found)
        hashes = {_hash(id_): id_ for id_ in ids}
        for start in range(0, len(hashes), _AT_ONCE):
            sought = list(hashes)[start : start + _AT_ONCE]
            marks = ",".join("?" * len(sought))
            select = f"SELECT hash, becomes FROM seen WHERE hash IN ({marks})"  # noqa: S608 - question marks
            for hash_, becomes in self._table.execute(select, sought):
                after.pop(hashes[hash_], None)
                if becomes != _GONE:
                    after[hashes[hash_]] = _contact(account_id, hashes[hash_], becomes)
        return after

    def learn(self, changes: Iterable[Change]) -> None:
        """Note what a page would make of its contacts."""
        rows = ((_hash(change.contact.id), _becomes(change.after)) for change in changes)
        self._table.execute("BEGIN")
        self._table.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", rows)
        self._table.execute("COMMIT")

    def forget(self) -> None:
        """Nothing would have changed."""
        self._table.execute("DELETE FROM seen")

    def close(self) -> None:
        """It is whole on the disk then."""
        self._table.close()


@contextmanager
def of(it: ContactImport) -> Iterator[Draft]:
    """The draft of a dry run: what was handed over, or an empty one at its beginning."""
    with TemporaryDirectory() as place:
        path = Path(place) / "draft"
        if it.drafted:
            files.load(it.draft, path)
        with closing(Draft(path)) as draft:
            yield draft


def _hash(contact_id: str) -> int:
    return int.from_bytes(blake2b(contact_id.encode(), digest_size=8).digest(), "big", signed=True)


def _becomes(contact: Contact | None) -> int:
    if contact is None:
        return _GONE
    if contact.since is None:
        return _NON_MARKETING
    return contact.until.toordinal() if contact.until else _MARKETING


def _contact(account_id: str, contact_id: str, becomes: int) -> Contact:
    if becomes == _NON_MARKETING:
        return Contact(account_id, contact_id)
    return Contact(account_id, contact_id, date.min, None if becomes == _MARKETING else date.fromordinal(becomes))
