"""Safety bounds: what no invoice of a sound subscription comes to, however its amount came to be.

They do not ask where an amount comes from, so that a mistake in that cannot
reach a customer.
"""

from __future__ import annotations

from datetime import date

from shared.domain.invoice import Drawn, billed
from shared.domain.money import Money
from shared.domain.processor import too_large
from shared.domain.subscription import Subscription

MOST_FEES = 3
"""An invoice holds the fees of a period, and at most as much again for what was added in the one before."""


def beyond_terms(subscription: Subscription, drawn: Drawn, on: date) -> str | None:
    """Why the invoice of a period is not to be billed: one a period, and at most so many times its fee.

    What Stripe would refuse is not even drawn once somebody has looked at it.
    """
    if not subscription.released and subscription.invoiced_on and on <= subscription.invoiced_on:
        return f"the period from {on} would be billed after that from {subscription.invoiced_on}"
    return beyond_fee(subscription, drawn)


def beyond_fee(subscription: Subscription, drawn: Drawn) -> str | None:
    """Why an invoice is not to be billed, or one more of those between two periods: all of these count together."""
    if drawn.invoice and too_large(drawn.invoice.total):
        return f"{drawn.invoice.total} at once is more than can be charged"
    if subscription.released:
        return None
    after = drawn.subscription
    at_once = billed(drawn.invoice) if drawn.invoice else Money(0, after.currency)
    together = max(at_once, Money(after.billed_between, after.currency))
    most = max(subscription.fee, after.fee).times(MOST_FEES)
    return f"{together} would be billed, more than {MOST_FEES} times what it costs" if together > most else None
