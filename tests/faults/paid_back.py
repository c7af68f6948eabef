"""What must hold of money on its way back: refunds in the table, and refunds at Stripe."""

from collections import Counter
from typing import Any

UNDER_WAY = ("requested", "pending")


def heard(watch: Any, new: Any) -> None:
    """A refund was written: under way it has a timer, and paid out it was."""
    key, status = (new["account_id"], new["invoice_id"], new["n"]), new["status"]
    if watch.stage.healthy:
        watch.expect("unserved", f"refund {key} has to be looked for", holds=not new.get("look"))
    if status in UNDER_WAY:
        watch.expect("timer", f"refund {key} is {status} without a timer", holds="GSI1SK" in new)
    if status == "succeeded":
        watch.expect("paid back means moved", f"refund {key} has succeeded nowhere", holds=key in watch.paid_back)
        watch.arrived[key] = int(new["units"])
    else:
        watch.arrived.pop(key, None)


def seen(watch: Any, kind: str, refund: Any) -> None:
    """Stripe has made a refund, or one has failed: one for each of ours, of the amount that was decided."""
    told = refund["metadata"]
    key = told.get("account"), told.get("invoice"), told.get("refund")
    if kind == "created":
        once = key not in watch.paid_back
        watch.expect("paid back once", f"{refund['id']} and {watch.paid_back.get(key)} pay {key} back", holds=once)
        item = watch.item(f"ACCOUNT#{key[0]}", f"INVOICE#{key[1]}#REFUND#{int(key[2] or 0):02}")
        decided = int(item["units"]) if item else None
        what = f"{refund['id']} pays {refund['amount']} back, {decided} was decided"
        watch.expect("amount", what, holds=refund["amount"] == decided)
        watch.paid_back[key] = refund["id"]
    elif kind == "failed":
        watch.paid_back.pop(key, None)


def covered(watch: Any, account: str, taken: Counter[str]) -> None:
    """The table calls no more paid back than Stripe has sent, and Stripe sends no more back than it has taken.

    What came back since was sent all the same.
    """
    sent, kept = Counter[str](), Counter[str]()
    for refund in watch.stage.stripe._account.refunds.values():
        if refund["metadata"].get("account") == account:
            sent[refund["currency"]] += refund["amount"]
            kept[refund["currency"]] += refund["amount"] * (refund["status"] != "failed")
    done = Counter[str]()
    for key, units in watch.arrived.items():
        done[watch.promised[key[:2]].currency.lower()] += units * (key[0] == account)
    watch.expect("agree", f"{account}: {done} is paid back, {sent} was sent", holds=done <= sent)
    watch.expect("agree", f"{account}: {kept} goes back of {taken}", holds=kept <= taken)


def ended(watch: Any, items: Any) -> None:
    """In the end every refund has arrived, or is known not to have."""
    ours = {
        (each["account_id"], each["invoice_id"], each["n"]): each["status"]
        for each in items
        if each["kind"] == "refund"
    }
    left = {key: status for key, status in ours.items() if status in UNDER_WAY}
    watch.expect("stuck", f"refunds under way: {left}", holds=not left)
    arrived = {key for key, status in ours.items() if status == "succeeded"}
    watch.expect("agree", f"paid back: {arrived} here, {watch.paid_back} there", holds=arrived == {*watch.paid_back})
