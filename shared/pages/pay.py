"""The pay page of an invoice: what is owed for what, how far it is paid, and where it can be paid."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from shared.domain.account import Account, SellerEntity
from shared.domain.invoice import Invoice, InvoiceLine, InvoiceStatus
from shared.domain.outcome import microdeposits
from shared.domain.periods import Period, local_day
from shared.pages.frame import Html, day, element, fill, framed, joined


def pay_page(bill: Invoice, said: str | None, seller: SellerEntity, account: Account, publishable_key: str) -> Html:
    """An invoice as its payer sees it; with Stripe's Payment Element while there is something to pay.

    ``said`` is why the last payment failed, if one did.
    """
    form = Html()
    if bill.payable:
        form = element(f"Pay {bill.total}", kind="invoice", key=publishable_key, method=_to_confirm(bill))
    content = fill(
        "pay",
        seller=seller.name,
        number=bill.id,
        account=account.name,
        date=day(bill.date),
        standing=_standing(bill, said, seller.zone),
        lines=joined([_line(line) for line in bill.lines]),
        total=str(bill.total),
        element=form,
        contact=contact(seller),
    )
    return framed(f"Invoice {bill.id}", content)


def contact(seller: SellerEntity) -> Html:
    """Whom a customer asks about a bill (R11)."""
    return fill("contact", mailbox=seller.billing_mailbox) if seller.billing_mailbox else Html()


def _standing(bill: Invoice, said: str | None, zone: ZoneInfo) -> str:
    """How far it is paid, in words."""
    if bill.status is InvoiceStatus.PAID and bill.paid_at and bill.total.amount > 0:
        return f"Paid on {day(local_day(bill.paid_at, zone))}. Thank you."
    if bill.status is InvoiceStatus.PROCESSING:
        return "Your bank debit is on its way. That can take some days; there is nothing more to do."
    if not bill.payable:
        return "There is nothing to pay."
    if microdeposits(bill):
        return f"{bill.total} to pay, as soon as your bank account is confirmed. Stripe has written to you how."
    if bill.status is InvoiceStatus.ACTION_REQUIRED:
        return f"{bill.total} to pay. Your bank asks you to confirm it."
    return f"{bill.total} to pay." + (f" The last payment failed: {said}" if said else "")


def _to_confirm(bill: Invoice) -> str | None:
    """The saved card that its payer's bank asks about (3-D Secure)."""
    asked = bill.status is InvoiceStatus.ACTION_REQUIRED and not microdeposits(bill)
    return bill.live.payment_method if asked else None


def _line(line: InvoiceLine) -> Html:
    days = _days(line.period) if line.period else ""
    return fill("line", description=line.description, period=days, amount=line.amount.decimal)


def _days(period: Period) -> str:
    """The first and the last day: people do not count half-open."""
    return f"{day(period.start)} to {day(period.end - timedelta(days=1))}"
