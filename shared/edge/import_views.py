"""An import of contacts as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared import files
from shared.domain.contact_import import ContactImport, ImportStatus, Outcome
from shared.edge.views import instant, money

if TYPE_CHECKING:
    from shared.edge import answers


def contact_import(it: ContactImport) -> answers.Import:
    """How far it is; after a dry run also what the import would come to."""
    awaited = it.status is ImportStatus.AWAITING_UPLOAD
    reported = it.tally.rejected and it.status in (ImportStatus.CHECKED, ImportStatus.DONE)
    return {
        "id": it.id,
        "status": it.status.value,
        "stopping": it.stopping,
        "created_at": instant(it.created_at),
        "upload": files.upload_address(it.file, it.size) if awaited else None,
        "bytes": it.size,
        "bytes_done": it.offset,
        "rows": it.tally.rows,
        "rejected": it.tally.rejected,
        "new": it.tally.new,
        "deleted": it.tally.deleted,
        "marketing": it.tally.marketing,
        "leaving": it.tally.leaving,
        "held_back": it.tally.held_back,
        "report": files.download_address(it.report()) if reported else None,
        "error": it.error,
        "outcome": _outcome(it.outcome) if it.outcome else None,
    }


def _outcome(it: Outcome) -> answers.ImportOutcome:
    return {
        "marketing": it.marketing,
        "tier": it.tier,
        "tier_after": it.tier_after,
        "charge": money(it.charge) if it.charge else None,
        "costs_more": money(it.costs_more) if it.costs_more else None,
    }
