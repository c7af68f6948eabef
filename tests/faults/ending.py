"""What must hold in the end: the table and Stripe agree, and nothing is left half done."""

from typing import Any

from tests.faults import paid_back
from tests.faults.items import instant, plain


def ended(watch: Any) -> None:
    """Everything waits for its instant, or is over."""
    items = [plain(item) for item in watch.stage.store.items("prorata")]
    invoices = {(each["account_id"], each["id"]): each for each in items if each["kind"] == "invoice"}
    for key, each in invoices.items():
        status = each.get("status", "open")
        if key not in watch.old:
            ends = watch.stage.script.ends if watch.stage.plan else watch.stage.script.ends[:1]
            watch.expect("stuck", f"{key} is {status}", holds=status in ends)
        if watch.promised[key].amount > 0:
            moved = key in watch.succeeded
            watch.expect("paid means moved", f"{key} is {status}, moved: {moved}", holds=moved == (status == "paid"))
    _agree(watch, invoices, {each["thing"] for each in items if each["kind"] == "difference"})
    _standing(watch, items, invoices)
    _indexes(watch, items)
    _nothing_waits(watch)
    paid_back.ended(watch, items)


def _agree(watch: Any, invoices: Any, told: set[str]) -> None:
    """What Stripe has taken is what the table calls paid, for each account and currency.

    Of a payment whose checkout was lost with the table somebody is told.
    """
    taken: dict[Any, int] = {}
    for (account, id_), (intent, amount, currency) in watch.succeeded.items():
        if (account, id_) not in watch.lost or intent not in told:
            taken[account, currency] = taken.get((account, currency), 0) + amount
    for (account, id_), each in invoices.items():
        if each.get("status") == "paid" and watch.promised[account, id_].amount > 0:
            place = account, each["currency"].lower()
            taken[place] = taken.get(place, 0) - watch.promised[account, id_].amount
    watch.expect("agree", f"Stripe less table: {taken}", holds=not any(taken.values()))


def _standing(watch: Any, items: Any, invoices: Any) -> None:
    """R79: past due from the first failure until all is paid."""
    for each in items:
        if each["kind"] == "subscription":
            checkout = f"co_{each['id'].removeprefix('sub_')[:-1]}-00000"
            mine = [bill for bill in invoices.values() if bill.get("subscription_id") == each["id"]]
            mine += [bill for (_, id_), bill in invoices.items() if id_ == checkout]
            unpaid = sum(bool(bill.get("past_due")) for bill in mine)
            ok = unpaid == int(each.get("unpaid", 0)) and (each["status"] == "past_due") == (unpaid > 0)
            what = f"{each['id']} is {each['status']}, {each.get('unpaid', 0)} unpaid; in fact {unpaid}"
            watch.expect("standing", what, holds=ok or each["status"] in ("expired", "canceled"))


def _indexes(watch: Any, items: Any) -> None:
    due = {(each["GSI1PK"], each["GSI1SK"], each["PK"], each["SK"]) for each in items if "GSI1SK" in each}
    index = watch.stage.store.table("prorata").indexes["GSI1"]
    held = {(pk, *place) for pk, places in index.partitions.items() for place in places}
    watch.expect("index", f"{due ^ held}", holds=due == held)
    late = [sk for _, sk, *_ in due if sk < instant(watch.stage.now)]
    watch.expect("stuck", f"still due: {late}", holds=not late)


def _nothing_waits(watch: Any) -> None:
    for name, queue in watch.stage.template.queues.items():
        waiting = watch.stage.queues.messages(name) if queue.max_receives else ()
        left = [each.body for each in waiting if each.receives or each.visible_at <= watch.stage.now]
        watch.expect("stuck", f"in {name}: {left}", holds=not left)
