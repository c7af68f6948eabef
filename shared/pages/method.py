"""The update page of a subscription: what is charged at present, what is past due, where another way is saved."""

from __future__ import annotations

from typing import NamedTuple

from shared.domain.account import Account, PaymentMethod, SellerEntity
from shared.domain.invoice import AttemptState, Invoice, InvoiceStatus
from shared.domain.subscription import Subscription
from shared.pages.frame import Html, element, fill, framed, joined
from shared.pages.pay import contact


class Standing(NamedTuple):
    """How things are: what is charged at present, what is past due, and what became of the way just entered.

    ``owed`` is past due of the subscription alone, because whoever has the link
    sees it; ``elsewhere`` says that there is more, of others of the account.
    """

    method: PaymentMethod | None
    owed: list[Invoice]
    entered: str | None = None  # the status of its SetupIntent, in Stripe's words
    elsewhere: bool = False


def method_page(
    subscription: Subscription, seller: SellerEntity, account: Account, standing: Standing, publishable_key: str
) -> Html:
    """Where another way to pay is saved, one of those that the checkout accepted; it pays what is past due (F28)."""
    form = element(
        "Save",
        kind="method",
        key=publishable_key,
        currency=subscription.currency.lower(),
        types=" ".join(subscription.payment_methods),
    )
    content = fill(
        "method",
        seller=seller.name,
        account=account.name,
        items=", ".join(item.name for item in subscription.items),
        standing=_told(standing),
        owed=_owed(standing),
        element=form,
        contact=contact(seller),
    )
    return framed("Your way to pay", content)


def _told(standing: Standing) -> str:
    match standing.entered:
        case "processing" | "requires_action":
            return "What you entered has to be confirmed first. Until then nothing changes."
        case "requires_payment_method":
            return "What you entered could not be saved. Please try again."
    return f"Charged at present: {_named(standing.method)}." if standing.method else "Nothing is saved yet."


def _named(method: PaymentMethod) -> str:
    name = (method.brand or method.type).replace("_", " ")
    ending = f" ending in {method.last4}" if method.last4 else ""
    return f"{name[:1].upper()}{name[1:]}{ending}"


def _owed(standing: Standing) -> Html:
    saved = standing.entered == "succeeded"
    owed = [f"Invoice {bill.id}: {bill.total}" + (_becomes(bill) if saved else "") for bill in standing.owed]
    if standing.elsewhere:
        owed.append("What is past due of other subscriptions")
    if not owed:
        return Html()
    sentence = "It is charged for" if saved else "As soon as another one is saved, it is charged for"
    lines = joined([fill("owed_line", line=line) for line in owed])
    return fill("owed", sentence=f"{sentence} what is past due:", lines=lines)


def _becomes(bill: Invoice) -> str:
    """How far the charge by what was just saved has come."""
    match bill.status:
        case InvoiceStatus.PROCESSING:
            return ", the bank debit is on its way"
        case InvoiceStatus.ACTION_REQUIRED:
            return ", your bank asks you to confirm it"
    failed = bill.attempt and bill.attempt.state in (AttemptState.DECLINED, AttemptState.WAITING_FOR_PAYER)
    return ", declined. Please try another way to pay" if failed else ", is being charged"
