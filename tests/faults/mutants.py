"""Wrong designs: each a small change of the product that the suite must catch, and by what it is caught."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from unittest.mock import patch

from pynamodb.models import Model

from functions import charges, stripe_webhook
from shared import payments
from shared.domain import collection, outcome, repayment
from shared.domain.changes import Changes
from shared.domain.invoice import AttemptState
from shared.domain.outcome import Payment
from shared.domain.processor import to_stripe
from shared.edge import clock, collect
from shared.payments import customers
from shared.store import queries, table

NEVER = timedelta(days=10_000)
STRUCK = ("request_lost", "answer_lost", "outage", "late", "error_500_after", "error_500_before", "mismatch")


class Mutant(NamedTuple):
    """A wrong design: what is wrong, how it is done, and the scripts, faults and invariants that catch it."""

    name: str
    what: str
    patches: Callable[[], Iterator[Any]]
    script: str
    kinds: tuple[str, ...]  # nothing: it is caught without a fault
    caught_by: tuple[str, ...]
    also: tuple[str, ...] = ()  # further scripts, each of which catches it by the same faults

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The product with this mistake in it."""
        with ExitStack() as stack:
            for each in self.patches():
                stack.enter_context(each)
            yield


# -- keys and time -----------------------------------------------------------------------------------------


def _fresh_key() -> Iterator[Any]:
    count = itertools.count()
    yield patch.object(collection, "key", lambda invoice: f"{invoice.account_id}:{invoice.id}:{next(count)}")


def _no_24_hours() -> Iterator[Any]:
    yield patch.object(collection, "SAFE", NEVER)


def _key_without_account() -> Iterator[Any]:
    usual = customers.once
    yield patch.object(customers, "once", lambda key: usual(key.partition(":")[2]))


def _time_of_the_message() -> Iterator[Any]:
    usual = charges.jobs.work

    def work(event: Any, *rest: Any) -> Any:
        sent = min(int(each["attributes"]["SentTimestamp"]) for each in event["Records"])
        with patch.object(clock, "source", lambda: datetime.fromtimestamp(sent / 1000, UTC)):
            return usual(event, *rest)

    yield patch.object(charges.jobs, "work", work)


# -- what is not known -------------------------------------------------------------------------------------


def _refused_when(error: type[Exception]) -> Iterator[Any]:
    usual = payments.create

    def create(invoice: Any) -> Payment:
        try:
            return usual(invoice)
        except error as unknown:
            raise payments.Refused(str(unknown), "failed") from unknown

    def refused(invoice: Any, told: payments.Refused, now: datetime) -> Changes:
        attempt = replace(invoice.live, state=AttemptState.DECLINED, error=told.code, message=str(told))
        return Changes(put=(replace(invoice, attempt=attempt, due_at=now + timedelta(minutes=5)),))

    yield patch.object(payments, "create", create)
    yield patch.object(collect, "_refused", refused)


def _new_attempt_when_unclear() -> Iterator[Any]:
    def unclear(invoice: Any) -> Changes:
        return Changes(put=(replace(invoice, attempt=replace(invoice.live, n=invoice.live.n + 1)),))

    yield patch.object(collection, "unclear", unclear)


def _webhook_believed() -> Iterator[Any]:
    def believe(said: Any) -> None:
        payment = payments.payment_of(said.object)
        if payment.invoice_id:
            collect.learn(payment.account_id, payment.invoice_id, payment)

    yield patch.object(stripe_webhook, "_payment", believe)


# -- amounts -----------------------------------------------------------------------------------------------


def _amount_of_today() -> Iterator[Any]:
    usual = collection.create_params

    def params(invoice: Any) -> Any:
        if invoice.subscription_id is None:
            return usual(invoice)
        fee = queries.book(invoice.account_id, invoice.subscription_id).subscription.fee
        return usual(invoice) | {"amount": to_stripe(fee)}

    yield patch.object(collection, "create_params", params)


def _amount_not_compared() -> Iterator[Any]:
    yield patch.object(outcome, "_same", lambda _invoice, _payment: True)


# -- one PaymentIntent, one success ------------------------------------------------------------------------


def _new_intent() -> Iterator[Any]:
    usual = collection.retry

    def retry(invoice: Any, method: str | None, now: datetime) -> Changes:
        return usual(replace(invoice, attempt=replace(invoice.live, payment_intent=None)), method, now)

    yield patch.object(collection, "retry", retry)


def _success_not_absorbing() -> Iterator[Any]:
    usual = outcome._MEANING["succeeded"]
    open_still = (AttemptState.INTENT, AttemptState.PROCESSING, AttemptState.ACTION)

    def succeeded(invoice: Any, payment: Payment, now: datetime, dunning: Any) -> Changes:
        return usual(invoice, payment, now, dunning) if invoice.live.state in open_still else Changes()

    yield patch.dict(outcome._MEANING, succeeded=succeeded)


def _late_decline_wins() -> Iterator[Any]:
    usual = collect._commit_change

    def commit(invoice: Any, changes: Changes, *rest: Any) -> Any:
        try:
            return usual(invoice, changes, *rest)
        except table.Stale:  # "ours is the newer answer"
            newest = queries.invoice(invoice.account_id, invoice.id)
            put = [each for each in changes.put if isinstance(each, type(invoice))]
            return usual(newest, Changes(put=tuple(replace(each, version=newest.version) for each in put)), *rest)

    yield patch.object(collect, "_commit_change", commit)


def _not_cancelled() -> Iterator[Any]:
    yield patch.object(collect, "_dead", lambda _: True)


def _refund_key_of_the_invoice() -> Iterator[Any]:
    yield patch.object(repayment, "key", lambda refund: f"{refund.account_id}:{refund.invoice_id}:refund")


def _fresh_refund_key() -> Iterator[Any]:
    count = itertools.count()
    yield patch.object(repayment, "key", lambda refund: f"{refund.account_id}:{refund.id}:{next(count)}")


# -- timers and counting -----------------------------------------------------------------------------------


def _no_timer() -> Iterator[Any]:
    usual = outcome._move

    def move(invoice: Any, state: AttemptState, due_at: datetime | None, *events: Any) -> Changes:
        return usual(invoice, state, None if state is AttemptState.PROCESSING else due_at, *events)

    yield patch.object(outcome, "_move", move)


def _dunning_off_by(days: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Iterator[Any]:
    usual = outcome.learned

    def learned(invoice: Any, payment: Any, now: datetime, dunning: Any) -> Changes:
        return usual(invoice, payment, now, dunning._replace(retry_days=days(dunning.retry_days)))

    yield patch.object(outcome, "learned", learned)


def _declines_counted_twice() -> Iterator[Any]:
    usual = outcome._needs_method

    def needs(invoice: Any, payment: Payment, now: datetime, dunning: Any) -> Changes:
        return usual(invoice, replace(payment, answers=True), now, dunning)

    yield patch.dict(outcome._MEANING, requires_payment_method=needs)


# -- the store ---------------------------------------------------------------------------------------------


def _no_versions() -> Iterator[Any]:
    usual = Model._handle_version_attribute

    def count(self: Any, **kwargs: Any) -> None:
        usual(self, **kwargs)

    yield patch.object(Model, "_handle_version_attribute", count)
    yield patch.object(table, "_unless_there", lambda _record, _now: None)


MUTANTS = (
    Mutant("a fresh key for every try", "the idempotency key of an attempt is another each time",
           _fresh_key, "renewal without webhooks", STRUCK, ("paid once",)),
    Mutant("a time-out is a failure", "what was not answered is taken as declined, and tried anew",
           lambda: _refused_when(payments.NoAnswer), "renewal without webhooks", STRUCK, ("paid once",)),
    Mutant("a 500 is a failure", "so is what broke off inside Stripe",
           lambda: _refused_when(payments.Unclear), "renewal without webhooks", STRUCK, ("paid once",)),
    Mutant("an unclear answer begins a new attempt", "instead of a look",
           _new_attempt_when_unclear, "renewal without webhooks", STRUCK, ("paid once",)),
    Mutant("no 24-hour rule", "a key is sent again however old it is",
           _no_24_hours, "renewal without webhooks", ("outage",), ("paid once",)),
    Mutant("time taken from the message", "a worker believes that it is when its message was sent",
           _time_of_the_message, "renewal without webhooks", ("outage", "answer_lost"), ("paid once",),
           also=("redriven",)),
    Mutant("a key without the account", "two accounts share the key that makes their customers",
           _key_without_account, "two customers at once", (), ("unserved",)),
    Mutant("amounts computed anew", "what is charged is what the subscription costs by then",
           _amount_of_today, "renewal", ("meanwhile:seat",), ("amount",)),
    Mutant("amount of a success not compared", "any success with the invoice's name on it pays it",
           _amount_not_compared, "meddled with", (), ("paid means moved",)),
    Mutant("a new PaymentIntent for every try", "and the one before is left as it is",
           _new_intent, "a page left open", (), ("paid once",)),
    Mutant("a webhook believed without asking", "whatever a message says is how things are",
           _webhook_believed, "debit that fails soon", ("held_for_days",), ("stuck", "dunning")),
    Mutant("success not absorbing", "a success is taken only by an attempt that waits for it",
           _success_not_absorbing, "paid on the page", (), ("stuck",)),
    Mutant("success overwritten by a late decline", "whoever lost a race writes its answer all the same",
           _late_decline_wins, "declined once", ("meanwhile:payer",), ("absorbing",)),
    Mutant("a checkout expires uncancelled", "its PaymentIntent can still be paid",
           _not_cancelled, "checkout given up", (), ("nothing after the end",)),
    Mutant("a state without a timer", "a debit that is on its way is not asked after",
           _no_timer, "debit that settles", (), ("timer",)),
    Mutant("dunning gives up too soon", "one try fewer than the schedule says",
           lambda: _dunning_off_by(lambda days: days[:-1]), "declined four times", (), ("dunning",)),
    Mutant("dunning never ends", "one try more than the schedule says",
           lambda: _dunning_off_by(lambda days: (*days, 3)), "declined four times", (), ("dunning",)),
    Mutant("a decline counted twice", "what is asked after a failed call is taken as news",
           _declines_counted_twice, "declined four times", ("error_500_before", "mismatch"), ("dunning",)),
    Mutant("a refund without its own key", "the key that pays an invoice back is the invoice's",
           _refund_key_of_the_invoice, "refunded in two parts", (), ("unserved",)),
    Mutant("a fresh key for every refund", "a refund is sent with another key each time",
           _fresh_refund_key, "refunded in two parts", STRUCK, ("paid back once",)),
    Mutant("writes without versions", "whoever writes last wins",
           _no_versions, "renewal", ("rival",), ("absorbing", "paid once", "periods", "frozen", "paid means moved")),
)  # fmt: skip


def catches(theatre: Any, mutant: Mutant) -> Any:
    """The first run that shows a mutant to be wrong, or nothing: where one of its scripts shows nothing."""
    runs = [_caught(theatre, mutant, script) for script in (mutant.script, *mutant.also)]
    return runs[0] if all(runs) else None


def _caught(theatre: Any, mutant: Mutant, name: str) -> Any:
    from tests.faults.scripts import SCRIPTS

    script = SCRIPTS[name]
    theatre.begin(script)
    with mutant.applied():
        base = theatre.run(script, {})
        if base.violations or not mutant.kinds:
            return base if base.violations else None
        for plan, start in theatre.singles(script):
            if set(plan.values()) <= set(mutant.kinds):
                run = theatre.run(script, plan, start)
                if run.violations:
                    return run
    return None
