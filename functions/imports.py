"""Imports of contacts: an address to upload a CSV file to, a dry run, the import, its progress, report and end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from shared import files
from shared.domain import contact_import
from shared.domain.changes import Changes
from shared.domain.contact_import import ContactImport
from shared.domain.errors import NotFound
from shared.edge import clock, import_views, imports, jobs, views
from shared.edge import contacts as edge
from shared.edge.api import Api, Decision, entry_point
from shared.edge.jobs import Job
from shared.edge.schemas import OpenImport, StartImport
from shared.edge.telemetry import logger, metrics
from shared.store import imports as stored
from shared.store import queries

if TYPE_CHECKING:
    from shared.edge import answers

ENOUGH_MILLISECONDS = 120_000
"""With less time left no further page is begun."""
api = Api()


@api.serve("POST /v1/accounts/{account}/contacts/imports", status=201)
def open_import(account: str, body: OpenImport) -> answers.Import:
    """Open an import: a file of so many bytes is uploaded with a PUT to the address in the answer, within an hour."""
    import_id = api.request_id("imp", account)

    def decide() -> Decision[dict[str, str]]:
        edge.situation(account, api.now)
        opened = contact_import.opened(account, import_id, body.bytes, stored.imports(account), api.now)
        return Decision(Changes(put=(opened,)), {"import": import_id})

    # The stored answer is the id: no signed address is kept, and a replay shows how far it is.
    return _shown(account, api.once(account, decide)["import"])


@api.serve("GET /v1/accounts/{account}/contact-imports")
def list_imports(account: str) -> answers.Page[answers.Import]:
    """The imports of an account of the last month, the newest first, 100 of them at most."""
    queries.account(account)
    known = [it for it in stored.imports(account) if it.expires_at > api.now]
    newest = sorted(known, key=lambda it: (it.created_at, it.id), reverse=True)
    return views.page(queries.Page(newest[: queries.MOST_LISTED], None), import_views.contact_import)


@api.serve("GET /v1/accounts/{account}/contacts/imports/{file}")
def get_import(account: str, file: str) -> answers.Import:
    """How far an import is, what it has come to, and its report of rejected rows."""
    return _shown(account, file)


@api.serve("POST /v1/accounts/{account}/contacts/imports/{file}/start")
def start_import(account: str, file: str, body: StartImport) -> answers.Import:
    """Begin to import the uploaded file; with ``dry_run`` only to say what that would come to and cost."""

    def decide() -> Decision[dict[str, str]]:
        edge.situation(account, api.now)
        it = _import(account, file)
        changes = contact_import.started(it, files.find(it.file), api.now, dry_run=body.dry_run)
        return Decision(changes, {"import": file})

    api.once(account, decide)
    it = _import(account, file)
    if it.due_at and it.due_at <= clock.now():  # nobody has it: perhaps a first request died before it was queued
        imports.start(account, file)
    return import_views.contact_import(it)


@api.serve("DELETE /v1/accounts/{account}/contacts/imports/{file}")
def stop_import(account: str, file: str) -> answers.Import:
    """Stop an import: what is imported stays, and the page that is being written is written to its end."""

    def decide() -> Decision[dict[str, str]]:
        return Decision(contact_import.stopped(_import(account, file)), {"import": file})

    api.once(account, decide)
    return _shown(account, file)


@logger.inject_lambda_context
@metrics.log_metrics
def sweep(_event: dict[str, Any], _context: Any) -> int:
    """Queue every import that is under way and that nobody goes on with."""
    return jobs.sweep("import", "IMPORT_QUEUE_URL")


@logger.inject_lambda_context
@metrics.log_metrics
def work(event: dict[str, Any], context: Any) -> Any:
    """Take imports on, page by page; only those that failed come back."""
    return jobs.work(event, partial(_go_on, context), imports.give_up)


def _go_on(context: Any, job: Job) -> None:
    done = imports.go_on(job.account_id, job.id, lambda: context.get_remaining_time_in_millis() > ENOUGH_MILLISECONDS)
    if not done:
        imports.start(job.account_id, job.id)


def _shown(account: str, import_id: str) -> answers.Import:
    return import_views.contact_import(_import(account, import_id))


def _import(account: str, import_id: str) -> ContactImport:
    """An import; none that is forgotten, though it may lie there for a while still."""
    it = stored.contact_import(account, import_id)
    if it.expires_at <= api.now:
        raise NotFound(f"There is no import {import_id!r}.", code="unknown_import")
    return it


handler = entry_point(api)
