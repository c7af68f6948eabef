"""The scripts: small worlds, and what happens in them from outside, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

from tests.faults.acts import (
    BANK,
    BOTH,
    BOUGHT,
    DAY,
    HOUR,
    LOST,
    MINUTE,
    RENEWAL,
    SMALL_DEPOSITS,
    VISA,
    account,
    becomes,
    bounces,
    buys,
    buys_seat,
    buys_two_groups,
    cancels,
    comes_back,
    disputes,
    enters,
    fails_to_prove,
    is_redriven,
    loses_another_card,
    meddles,
    pays,
    pays_at_last,
    pays_by_hand,
    pays_by_link,
    pays_meanwhile,
    proves,
    puts_back,
    raises_price,
    refunds,
    saves,
    sells,
    settles,
    verifies,
    wins,
    writes_off,
)

Act = Callable[[Any], Any]


class Script(NamedTuple):
    """A world, what happens in it from outside after so much time, and how its invoices end.

    The first of ``ends`` is how they end if nothing goes wrong; the others they may come to by a fault.
    """

    name: str
    begin: Act  # before anything goes wrong
    starts: datetime = RENEWAL - MINUTE
    steps: tuple[tuple[timedelta, Act], ...] = ()
    lasts: timedelta = 27 * DAY
    ends: tuple[str, ...] = ("paid",)
    meanwhile: dict[str, Act] = {}  # noqa: RUF012 - a constant
    retry_days: tuple[int, ...] = (3, 5, 7)
    webhooks: bool = True
    most_calls: int = 4_000  # what needs more goes round in circles
    in_pairs: int = 0  # every so-manieth first fault is tried with every second one: 1 is all, 0 none


def _subscribed(stage, prices=None, method=None, retry_days=(3, 5, 7), **seller):
    """Acme has paid the first period of five seats."""
    sells(stage, prices, retry_days, **seller)
    account(stage)
    buys(stage, payment_methods=BOTH)
    if method:
        enters(stage, method)


def _about_to_buy(stage, method=None, names=("acme",), prices=None):
    sells(stage, prices)
    for name in names:
        account(stage, name, method)


def _at_once(*acts):
    """Several things at one instant."""
    return lambda stage: [act(stage) for act in acts]


def _two_customers(act):
    return _at_once(act, lambda stage: act(stage, name="globex"))


NOW = timedelta()
TWO_PRICES: Any = {"sales-seat": {}, "yearly": {"interval": "year"}}
LATE = NOW, lambda stage: stage.stop(21 * DAY)
DECLINES = NOW, becomes("card_declined")
BUYS = MINUTE, buys
RENEWALS = (
    Script("renewal", _subscribed, in_pairs=1,
           meanwhile={"new_card": saves, "seat": buys_seat, "price": raises_price, "cancel": cancels,
                      "put_back": puts_back}),
    Script("renewal without webhooks", _subscribed, webhooks=False, in_pairs=1),
    Script("declined once", _subscribed, steps=(DECLINES, (DAY, becomes("card_ok"))), lasts=24 * DAY, in_pairs=1,
           meanwhile={"new_card": saves, "by_hand": pays_by_hand, "cancel": cancels, "payer": pays_meanwhile,
                      "write_off": writes_off, "put_back": puts_back},
           ends=("paid", "waiting_for_payer", "uncollectible")),
    Script("declined four times", _subscribed, steps=(DECLINES,), ends=("waiting_for_payer",)),
    Script("a new card after all", _subscribed, steps=(DECLINES, (20 * DAY, saves)), lasts=26 * DAY),
    Script("a hard decline and a new card", _subscribed, in_pairs=1,
           steps=((NOW, becomes("card_lost")), (2 * DAY, saves))),
    Script("charged by hand", _subscribed, in_pairs=2,
           steps=(DECLINES, (DAY, _at_once(becomes("card_ok"), pays_by_hand)))),
    Script("paid on the page", _subscribed, in_pairs=3, steps=(DECLINES, (20 * DAY, pays_meanwhile))),
    Script("a page left open", _subscribed, in_pairs=2,
           steps=(DECLINES, (DAY, becomes("card_ok")), (4 * DAY, pays_at_last))),
    Script("written off", _subscribed, steps=(DECLINES, (DAY, writes_off)),
           ends=("uncollectible", "waiting_for_payer")),
    Script("refunded in two parts", _subscribed, in_pairs=1,
           meanwhile={"refund": refunds(), "put_back": puts_back},
           steps=((HOUR, refunds("100.00")), (2 * HOUR, refunds()))),
    Script("disputed", _subscribed, steps=((NOW, disputes),), ends=("waiting_for_payer", "paid")),
    Script("disputed and won", _subscribed, lasts=34 * DAY, ends=("paid", "waiting_for_payer"),
           steps=((NOW, disputes), (DAY, wins), (2 * DAY, pays_by_hand))),
    Script("paid by the link", _subscribed, steps=((NOW, disputes), (2 * DAY, pays_by_link))),
    Script("ended by the seller", partial(_subscribed, retry_days=(2,), after_retries="cancel"), steps=(DECLINES,),
           retry_days=(2,), ends=("uncollectible",)),
    Script("a refund that comes back", _subscribed,
           steps=((HOUR, refunds("100.00")), (2 * HOUR, comes_back), (3 * HOUR, refunds()))),
    Script("meddled with", _subscribed,
           steps=(DECLINES, (DAY, _at_once(becomes("card_ok"), meddles))), lasts=24 * DAY,
           ends=("open", "paid")),
    Script("redriven", _subscribed, steps=((MINUTE + timedelta(seconds=30), is_redriven),), webhooks=False),
    Script("three weeks late", partial(_subscribed, prices={"sales-seat": {"interval": "week"}}), steps=(LATE,),
           lasts=34 * DAY, meanwhile={"put_back": puts_back}),
    Script("debit that settles", partial(_subscribed, method=BANK), in_pairs=1,
           meanwhile={"cancel": cancels, "put_back": puts_back}, steps=((8 * HOUR, settles),)),
    Script("debit that fails on day 4", partial(_subscribed, method=BANK),
           steps=((NOW, becomes("ach_fails")), (6 * DAY, becomes("ach_ok")))),
    Script("debit that fails soon", partial(_subscribed, method=BANK), in_pairs=3,
           steps=((8 * HOUR, bounces), (3 * DAY + 12 * HOUR, settles))),
    Script("debit of a closed account", partial(_subscribed, method=BANK), ends=("waiting_for_payer",),
           steps=((NOW, becomes("ach_closed")),)),
    Script("authenticated", _subscribed, steps=((NOW, becomes("card_3ds")), (2 * MINUTE, proves)), in_pairs=1),
    Script("not authenticated", partial(_subscribed, retry_days=(2, 3)), steps=((NOW, becomes("card_3ds")),),
           retry_days=(2, 3), ends=("waiting_for_payer",), in_pairs=17),
    Script("authentication that fails", _subscribed,
           steps=((NOW, becomes("card_3ds")), (10 * MINUTE, fails_to_prove), (DAY, becomes("card_ok")))),
    Script("another card is lost", _subscribed,
           steps=(DECLINES, (DAY, _at_once(becomes("card_ok"), partial(pays_meanwhile, method=LOST))))),
    Script("another card is lost instead of proven", _subscribed,
           steps=((NOW, becomes("card_3ds")), (10 * MINUTE, loses_another_card), (DAY, becomes("card_ok")))),
)  # fmt: skip
_BUYING = {"starts": BOUGHT}
CHECKOUTS = (
    Script("checkout with a saved card", partial(_about_to_buy, method=VISA), steps=(BUYS,), in_pairs=1,
           ends=("paid", "void"),
           meanwhile={"price": raises_price, "new_card": saves, "put_back": puts_back}, **_BUYING),
    Script("checkout by the payer", _about_to_buy, steps=(BUYS, (10 * MINUTE, pays)), ends=("paid", "void"),
           in_pairs=1, meanwhile={"put_back": puts_back}, **_BUYING),
    Script("checkout by the payer without webhooks", _about_to_buy, steps=(BUYS, (10 * MINUTE, pays)),
           ends=("paid", "void"), webhooks=False, **_BUYING),
    Script("checkout with two cards", _about_to_buy, ends=("paid", "void"), **_BUYING,
           steps=(BUYS, (10 * MINUTE, partial(pays, method="pm_card_chargeDeclined")), (12 * MINUTE, pays))),
    Script("checkout by a debit", partial(_about_to_buy, method=BANK), in_pairs=1, ends=("paid", "void"),
           steps=((MINUTE, partial(buys, payment_methods=BOTH)), (8 * HOUR, settles)), **_BUYING),
    Script("checkout given up", _about_to_buy, steps=(BUYS, (26 * 60 * MINUTE, pays)), ends=("void", "paid"),
           in_pairs=1, **_BUYING),
    Script("checkout of two groups", partial(_about_to_buy, prices=TWO_PRICES),
           steps=((MINUTE, buys_two_groups), (10 * MINUTE, pays)), ends=("paid", "void"), **_BUYING),
    Script("checkout by small deposits", _about_to_buy, ends=("paid", "void"), **_BUYING,
           steps=((MINUTE, partial(buys, payment_methods=BOTH)), (10 * MINUTE, partial(pays, method=SMALL_DEPOSITS)),
                  (3 * DAY, verifies), (5 * DAY, settles))),
    Script("two customers at once", partial(_about_to_buy, names=("acme", "globex")), **_BUYING,
           ends=("paid", "void"), steps=((MINUTE, _two_customers(saves)), (2 * MINUTE, _two_customers(buys)))),
)  # fmt: skip
SCRIPTS = {script.name: script for script in (*RENEWALS, *CHECKOUTS)}
