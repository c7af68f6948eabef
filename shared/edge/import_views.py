"""What callers get to see of an import of contacts as JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared import files
from shared.domain import tiers
from shared.domain.catalog import Price
from shared.domain.contact_import import ContactImport, ImportStatus
from shared.domain.counting import LiveCount
from shared.domain.money import Money, total
from shared.domain.subscription import Book, PendingInvoiceItem
from shared.domain.tiers import Tier
from shared.edge.contacts import Situation
from shared.edge.views import instant, money

if TYPE_CHECKING:
    from shared.edge import answers

_OPEN = (ImportStatus.AWAITING_UPLOAD, ImportStatus.CHECKED, ImportStatus.FAILED)


def contact_import(it: ContactImport, known: Situation, price: Price | None, live: LiveCount) -> answers.Import:
    """How far it is; after a dry run also what the import would come to."""
    checked = it.status is ImportStatus.CHECKED
    read = it.tally.rejected and it.status in (ImportStatus.CHECKED, ImportStatus.DONE)
    return {
        "id": it.id,
        "status": it.status.value,
        "created_at": instant(it.created_at),
        "upload": files.upload_address(it.file) if it.status in _OPEN else None,
        "bytes": it.size,
        "bytes_done": it.offset,
        "rows": it.tally.rows,
        "rejected": it.tally.rejected,
        "new": it.tally.new,
        "marketing": it.tally.marketing,
        "leaving": it.tally.leaving,
        "held_back": it.tally.held_back,
        "report": files.download_address(it.report()) if read else None,
        "error": it.error,
        "outcome": _outcome(it, known.tier, price, live, known) if checked else None,
    }


def _outcome(
    it: ContactImport, tier: Tier | None, price: Price | None, live: LiveCount, known: Situation
) -> answers.ImportOutcome:
    """What the count would be, and where it is more than the tier holds, what that would cost."""
    count = live.marketing + it.tally.marketing
    now = tier.limit if tier else None
    if tier is None or price is None or count <= tier.limit:
        return {"marketing": count, "tier": now, "tier_after": now, "charge": None, "costs_more": None}
    counted_on = known.today.day + timedelta(days=1)
    raised = tiers.upgrade(Book(tier.subscription), tier.item, price, count, counted_on)
    owed = [each.amount for each in raised.put if isinstance(each, PendingInvoiceItem)]
    after = Book(tier.subscription).after(raised).subscription
    larger = tiers.of([after])
    assert larger
    more: Money = after.fee - tier.subscription.fee
    return {
        "marketing": count,
        "tier": now,
        "tier_after": larger.limit,
        "charge": money(total(owed, after.currency)),
        "costs_more": money(more),
    }
