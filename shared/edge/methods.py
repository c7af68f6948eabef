"""Ways to pay: the customer at Stripe that they are saved with, and what is charged by one that was just saved."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from shared import payments
from shared.domain import checkout, collection
from shared.domain.account import Account, PaymentMethod
from shared.domain.changes import Changes
from shared.domain.invoice import Invoice
from shared.edge import clock
from shared.edge.telemetry import record
from shared.payments import Setup
from shared.store import queries, table

_MOST_TRIES = 8


def learn(made: Setup) -> None:
    """What was saved at Stripe for an account of ours is charged from now on."""
    account = queries.find_account(made.account_id)
    if account and made.saved:
        _save(account, made.saved, made.created)


def catch_up(made: Setup) -> None:
    """What was saved days ago is charged from now on, unless that was known and something else is since."""
    account = queries.find_account(made.account_id)
    if account is None or made.saved is None:
        return
    if made.saved == account.payment_method or not queries.payment_method(account.id, made.saved):
        _save(account, made.saved, made.created)


def _save(account: Account, method_id: str, saved_at: datetime) -> None:
    """Charge a newly saved method from now on, unless a still newer one was saved since.

    Whoever saved it may have died before anything past due was charged by it: that is made up for.
    """
    if account.payment_method != method_id:
        current = queries.payment_method(account.id, account.payment_method) if account.payment_method else None
        if current and current.saved_at and saved_at < current.saved_at:
            return
        _commit(saved(account, payments.method(account.id, method_id, saved_at)))
    bring_up_past_due(account.id)


def bring_up_past_due(account_id: str) -> None:
    """Charge everything past due by the method that was just saved, the oldest first (F28)."""
    account = queries.account(account_id)
    assert account.payment_method
    for invoice in queries.unsettled_invoices(account_id):
        if account.payment_method_type in invoice.payment_methods:
            _bring_up(invoice, account.customer, account.payment_method)


def _bring_up(invoice: Invoice, customer: str | None, payment_method: str) -> None:
    """Charge an invoice by the new method, as it is once nobody else is changing it."""
    for attempt in range(_MOST_TRIES):
        changes = collection.bring_up(invoice, customer, payment_method, clock.now())
        try:
            if changes.put:
                _commit(changes)
        except table.Stale:
            clock.pause(attempt)
            invoice = queries.invoice(invoice.account_id, invoice.id)
        else:
            return
    raise table.Stale("An invoice is being changed by others.")


def saved(account: Account, method: PaymentMethod) -> Changes:
    """The account and its subscriptions with the method that is charged from now on.

    Where there are more than one transaction holds, the others are moved before.
    """
    account = replace(account, payment_method=method.id, payment_method_type=method.type)
    moved = [checkout.charged_by(each, account) for each in queries.alive_subscriptions(account.id)]
    while len(moved) > checkout.MOST_SUBSCRIPTIONS:
        _commit(Changes(put=tuple(moved[: checkout.MOST_SUBSCRIPTIONS])))
        del moved[: checkout.MOST_SUBSCRIPTIONS]
    return Changes(put=(method, account, *moved))


def customer_of(account: Account) -> Account:
    """The account with its customer at Stripe: made once, and found again if the answer was lost."""
    while account.customer is None:
        now, asked_at = clock.now(), account.customer_asked_at
        if asked_at is None:
            account = _known(replace(account, customer_asked_at=now))
        elif now - asked_at < collection.SAFE:
            account = _known(replace(account, customer=payments.make_customer(account)))
        else:
            found = payments.find_customer(account, asked_at)
            account = _known(replace(account, customer=found, customer_asked_at=asked_at if found else now))
    return account


def _known(account: Account) -> Account:
    """The account as it is known now, whoever was first to write it."""
    with suppress(table.Stale):
        _commit(Changes(put=(account,)))
    return queries.account(account.id)


def _commit(changes: Changes) -> None:
    table.commit(changes, clock.now())
    record(changes.events)
