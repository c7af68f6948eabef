"""What callers get to see of money as JSON: checkouts, invoices, what is paid, given back, or due on cancelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.cancellation import Cancellation
from shared.domain.checkout import Checkout, CheckoutStatus, Offer
from shared.domain.invoice import Dispute, Invoice, InvoiceLine, InvoiceStatus
from shared.domain.money import Money, total
from shared.domain.refund import CreditNote, Refund, RefundStatus
from shared.domain.subscription import Subscription
from shared.edge.views import instant, item, money, period

if TYPE_CHECKING:
    from shared.edge import answers

_UNDER_WAY = {
    InvoiceStatus.OPEN: "What fell due before will still be charged: {}.",
    InvoiceStatus.ACTION_REQUIRED: "Charged as soon as the payer confirms it: {}.",
    InvoiceStatus.PROCESSING: (
        "A bank debit is on its way: cancelling neither stops nor refunds it. To give it back, refund it."
    ),
}
"""What is said of payments under way, by how far they are."""


def offer(made: Offer, loses_access: tuple[str, ...] = ()) -> answers.Offer:
    """A checkout before it is opened, and who loses their seat by it (R37)."""
    checkout_, bill = made
    return {
        "status": "preview",
        "replaces": checkout_.replaces,
        "due_now": money(made.due_now),
        "subscriptions": [_starting(each) for each in checkout_.subscriptions],
        "invoice": invoice(bill) if bill else None,
        "loses_access": list(loses_access),
    }


def checkout(
    entity: Checkout, bill: Invoice | None, client_secret: str | None = None, pay_page: str | None = None
) -> answers.Checkout:
    """A checkout as it stands, and what its payer must do next, if anything."""
    return {
        "id": entity.id,
        "status": entity.status.value,
        "expires_at": instant(entity.expires_at) if entity.status is CheckoutStatus.OPEN else None,
        "subscriptions": [_starting(each) for each in entity.subscriptions],
        "invoice": invoice(bill, pay_page) if bill else None,
        "payment": _paying(bill, client_secret, pay_page) if bill else None,
    }


def invoice(entity: Invoice, pay_page: str | None = None) -> answers.Invoice:
    """An invoice with its lines and how far it is paid."""
    return {
        "id": entity.id,
        "number": entity.id,
        "account": entity.account_id,
        "subscription": entity.subscription_id,
        "checkout": entity.checkout_id,
        "date": str(entity.date),
        "currency": entity.currency,
        "status": entity.status.value,
        "total": money(entity.total),
        "lines": [_line(line) for line in entity.lines],
        "paid_at": instant(entity.paid_at) if entity.paid_at else None,
        "refunded": money(Money(entity.refunded, entity.currency)),
        "disputes": [_dispute(each) for each in entity.disputes],
        "next_attempt_at": instant(entity.due_at) if entity.due_at else None,
        "past_due": entity.past_due,
        "giving_up": entity.giving_up is not None,
        "pay_page": pay_page,
        "error": _error(entity),
    }


def paying_invoice(entity: Invoice, client_secret: str | None, pay_page: str | None) -> answers.PayingInvoice:
    """An invoice that somebody asked to be charged now, and what its payer must do next, if anything."""
    return {**invoice(entity, pay_page), "payment": _paying(entity, client_secret, pay_page)}


def refund(note: CreditNote, payout: Refund) -> answers.Refund:
    """Money on its way back, and the credit note that it pays out."""
    failed: answers.Decline | None = None
    if payout.status is RefundStatus.FAILED and payout.error:
        failed = {"code": payout.error, "detail": payout.message}
    return {
        "id": payout.id,
        "invoice": payout.invoice_id,
        "status": payout.status.value,
        "amount": money(payout.amount),
        "credit_note": {
            "number": note.id,
            "date": str(note.date),
            "amount": money(note.amount),
            "reason": note.reason and note.reason.value,
        },
        "error": failed,
    }


def cancellation(it: Cancellation) -> answers.Cancellation:
    """R30, R86: what cancelling comes to, and what it does not touch."""
    return {
        "subscription": it.subscription.id,
        "status": it.subscription.status.value,
        "canceled_on": str(it.subscription.canceled_on),
        "charge": money(it.charge),
        "committed_until": str(it.committed_until) if it.committed_until else None,
        "payments_under_way": [_left(bill) for bill in it.under_way],
        "still_owed": [_left(bill) for bill in it.owed],
        "notice": _notice(it),
    }


def _left(bill: Invoice) -> answers.LeftInvoice:
    return {"invoice": bill.id, "amount": money(bill.total), "status": bill.status.value}


def _notice(it: Cancellation) -> str:
    """The same in sentences. Where nothing but debits is left, nothing will be charged that is not on its way."""
    told = [(said, [bill for bill in it.under_way if bill.status is each]) for each, said in _UNDER_WAY.items()]
    told.append(("Still owed, and charged by the next way to pay that is saved: {}.", [*it.owed]))
    only_debits = not it.owed and all(bill.status is InvoiceStatus.PROCESSING for bill in it.under_way)
    first = "Nothing is charged any more." if only_debits else "No further period is charged."
    if it.charge.amount:
        more = "nothing more" if only_debits else "no further period"
        first = f"The rest of the commitment, {it.charge}, is charged at once; {more} after that."
    named = [said.format(", ".join(f"{bill.id} ({bill.total})" for bill in left)) for said, left in told if left]
    return " ".join([first, *named])


def _starting(it: Subscription) -> answers.StartingSubscription:
    return {
        "id": it.id,
        "starts_as": it.status.value,
        "frequency": it.interval.value,
        "term": it.term.value,
        "payments": it.payments,
        "starts_on": str(it.anchor),
        "ends_on": str(it.ends_on) if it.ends_on else None,
        "cost": money(total((item.fee for item in it.items), it.currency)),
        "items": [item(each) for each in it.items],
    }


def _line(line: InvoiceLine) -> answers.Line:
    return {
        "description": line.description,
        "quantity": line.quantity,
        "amount": money(line.amount),
        "period": period(line.period) if line.period else None,
        "price": line.price,
        "kind": line.kind,
        "subscription": line.subscription_id,
    }


def _dispute(it: Dispute) -> answers.Dispute:
    return {"id": it.id, "status": it.status, "amount": money(it.amount)}


def _paying(bill: Invoice, client_secret: str | None, pay_page: str | None) -> answers.Paying:
    return {
        "status": bill.status.value,
        "action": bill.attempt.action if bill.attempt else None,
        "client_secret": client_secret,
        "pay_page": pay_page,
        "error": _error(bill),
    }


def _error(bill: Invoice) -> answers.Decline | None:
    attempt = bill.attempt
    if attempt is None or attempt.error is None:
        return None
    return {"code": attempt.error, "detail": attempt.message}
