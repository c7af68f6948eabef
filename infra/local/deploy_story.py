"""What a deployed stack is put through, step by step: the first line of each step is what is printed of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from infra.local.catalog_file import CatalogFile
from infra.local.cloud import STRIPE_KEY
from infra.local.deploy_issuer import Issuer, new_key
from infra.local.deploy_roles import probe
from infra.local.deploy_stack import ADMINISTRATOR, ROOT, Failed, Stack, until
from infra.local.invocations import Reply
from infra.local.simulate import CUSTOMER, STAFF
from infra.local.stripe import Stripe
from shared.domain.changes import Changes
from shared.domain.money import Money, total
from shared.domain.periods import Period
from shared.domain.processor import to_stripe
from shared.domain.subscription import Book, PendingInvoiceItem
from shared.edge import clock
from shared.edge.jobs import MOST_TRIES
from shared.store import queries, table
from shared.store.record import Record

CATALOG = ROOT / "infra/catalog/hub.yaml"
MONTH = timedelta(days=31)
"""A month of any length is over after so many days, and no second one."""
FIRED = 100
"""Seconds: a schedule of a minute, the ten that ministack may be late, and a busy machine."""


class Story:
    """A seller, two customers, and what becomes of them; each step relies on those before it."""

    def __init__(self, stack: Stack, issuer: Issuer, stripe: Stripe) -> None:
        self.stack = stack
        self.issuer = issuer
        self.stripe = stripe
        self.subscriptions: dict[str, str] = {}
        self.totals: dict[str, Money] = {}
        self._keys = count(1)

    def steps(self) -> list[Callable[[], str | None]]:
        """All of them, in order; what one answers is printed behind its sentence."""
        return [
            self.turn_strangers_away,
            self.set_up,
            self.turn_others_away,
            self.save_cards,
            self.check_out,
            self.buy_a_seat,
            self.look_at_everything,
            self.give_back,
            self.open_pages,
            self.hear_stripe,
            self.go_back_a_month,
            self.bill,
            self.fail,
            self.redrive,
            self.ask_the_roles,
            self.charge,
        ]

    # ---- the API

    def turn_strangers_away(self) -> None:
        """Strangers may read what the API is like. No token, one tampered with, expired, forged, for others: 401."""
        _same(_expect(self.stack.call("GET", "/v1/openapi.json"), 200).json["openapi"][:2], "3.")
        good = self._token("acme", CUSTOMER)
        head, claims, signature = good.split(".")
        now = clock.now()
        for token in (
            None,
            f"{head}.{claims[:-2]}AA.{signature}",
            self.issuer.sign(now - timedelta(hours=2), account="acme", permissions=CUSTOMER),
            self.issuer.sign(now, new_key(), account="acme", permissions=CUSTOMER),
            self.issuer.sign(now, account="acme", permissions=CUSTOMER, aud="others"),
        ):
            _expect(self.stack.call("GET", "/v1/accounts/acme", token=token), 401)
        _expect(self.stack.call("GET", "/v1/accounts/acme", token=good), 404)  # let in: no acme yet

    def set_up(self) -> None:
        """The seller's staff publish a catalogue and make a seller entity and two accounts."""
        for path, body in (
            ("/v1/catalog", CatalogFile(CATALOG).file.data),
            ("/v1/sellers/us", {"timezone": "America/New_York", "currency": "USD"}),
            ("/v1/accounts/acme", {"seller": "us"}),
            ("/v1/accounts/globex", {"seller": "us"}),
        ):
            self._staff("PUT", path, body)
            self._staff("GET", path)

    def turn_others_away(self) -> None:
        """Another account's customer is refused, and so is one without the permission: 403."""
        path = "/v1/accounts/acme"
        for account, permissions, route, code in (
            ("globex", CUSTOMER, f"GET {path}", "foreign_account"),
            ("acme", "billing.view", f"POST {path}/checkout", "permission_missing"),
            ("acme", CUSTOMER, "GET /v1/subscriptions", "permission_missing"),
        ):
            refused = self.stack.call(*route.split(), token=self._token(account, permissions))
            _same(_expect(refused, 403).json["code"], code)

    def save_cards(self) -> None:
        """Both customers save a card; Stripe's stand-in knows it from then on."""
        for account in ("acme", "globex"):
            saved = self._customer(account, "POST", "payment-method", {"payment_method": "pm_card_visa"})
            _same((saved["status"], saved["payment_method"]["last4"]), ("succeeded", "4242"))

    def check_out(self) -> None:
        """Each looks at a price, buys five seats for 500.00 USD, and has paid: the subscriptions are there."""
        body = {"items": [{"price": "sales-seat", "quantity": 5}]}
        for account in ("acme", "globex"):
            _same(self._customer(account, "POST", "checkout/preview", body)["due_now"]["amount"], "500.00")
            bought = self._customer(account, "POST", "checkout", body)
            _same((bought["status"], bought["payment"]["status"]), ("complete", "paid"))
            self.subscriptions[account] = bought["subscriptions"][0]["id"]
            _same(self._customer(account, "GET", f"checkout/{bought['id']}"), bought)

    def buy_a_seat(self) -> None:
        """A seat more: the preview tells its price, and the same request sent twice buys it once."""
        path = f"subscriptions/{self.subscriptions['acme']}/seats"
        shown = self._customer("acme", "POST", f"{path}/sales/preview", {"quantity": 1})
        body = {"quantity": 1, "expect_amount": shown["charge"]["amount"]}
        bought = [self._customer("acme", "POST", f"{path}/sales", body, key="a-seat-more") for _ in range(2)]
        _same(bought, [shown, shown])
        _same(self._customer("acme", "GET", path)["seats"][0]["total"], 6)

    def look_at_everything(self) -> None:
        """Subscriptions, invoices and events are listed and shown, over one account and over all."""
        listed = self._staff("GET", "/v1/subscriptions")["items"]
        _same({each["id"] for each in listed}, set(self.subscriptions.values()))
        listed = self._customer("acme", "GET", "subscriptions")["items"]
        _same([each["id"] for each in listed], [self.subscriptions["acme"]])
        shown = self._customer("acme", "GET", f"subscriptions/{self.subscriptions['acme']}")
        _same((shown["cost"]["amount"], len(shown["pending"])), ("600.00", 1))
        [invoice] = self._customer("acme", "GET", "invoices")["items"]
        _same(self._customer("acme", "GET", f"invoices/{invoice['id']}"), invoice)
        happened = {each["type"] for each in self._customer("acme", "GET", "events")["items"]}
        assert {"invoice.paid", "subscription.started", "seats.added"} <= happened, happened

    def give_back(self) -> None:
        """The seller's staff give 100.00 USD back, with a credit note; Stripe's stand-in pays it out."""
        [invoice] = self._customer("globex", "GET", "invoices")["items"]
        path = f"/v1/accounts/globex/invoices/{invoice['id']}/refunds"
        made = self._staff("POST", path, {"amount": {"amount": "100.00", "currency": "USD"}})
        _same((made["status"], made["credit_note"]["number"]), ("succeeded", f"{invoice['id']}-C01"))
        _same(self._customer("globex", "GET", f"invoices/{invoice['id']}/refunds")["items"], [made])

    def open_pages(self) -> None:
        """A customer without a card is sent to the pay page, pays there, and sees it; the update page opens too."""
        self._staff("PUT", "/v1/accounts/initech", {"seller": "us"})
        body = {"items": [{"price": "sales-seat", "quantity": 1}]}
        opened = self._customer("initech", "POST", "checkout", body)["payment"]
        _same(urlsplit(opened["pay_page"]).scheme, "https")
        address = urlsplit(opened["pay_page"]).path
        _contains(_expect(self.stack.call("GET", address), 200).body, "100.00 USD to pay.")
        begun = _expect(self.stack.call("POST", address, headers={"Idempotency-Key": "a-page"}), 200).json
        _same(begun["client_secret"], opened["client_secret"])
        self.stripe.pay(begun["client_secret"].partition("_secret")[0], "pm_card_visa")
        _contains(_expect(self.stack.call("GET", address), 200).body, "Paid on ")
        _expect(self.stack.call("GET", f"{address}x"), 404)
        [started] = self._customer("initech", "GET", "subscriptions")["items"]
        shown = self._customer("initech", "GET", f"subscriptions/{started['id']}")
        update_page = self.stack.call("GET", urlsplit(shown["update_page"]).path)
        _contains(_expect(update_page, 200).body, "Charged at present: Visa ending in 4242.")

    def hear_stripe(self) -> None:
        """Stripe's messages are taken and a forged one is not; by now every route has answered."""
        told = self.stripe.webhooks()
        for message in told:
            _expect(self.stack.call("POST", "/v1/stripe/webhook", message.body, headers=message.headers), 200)
        forged = self.stack.call("POST", "/v1/stripe/webhook", told[0].body + b" ", headers=told[0].headers)
        _same(_expect(forged, 422).json["code"], "invalid_signature")
        _same(self.stack.routes_not_called(), [])

    # ---- what is due

    def go_back_a_month(self) -> None:
        """An administrator moves both subscriptions 31 days back, so that they are due, and spoils one of them."""
        self._connect_the_store()
        for account, subscription in self.subscriptions.items():
            moved = _a_month_earlier(queries.book(account, subscription))
            table.commit(moved, clock.now())
            self.totals[account] = _next_total(queries.book(account, subscription))
        self._spoil("globex", "a fortnight")

    def bill(self) -> str:
        """Scheduler fires the sweep; queue and worker bill the month that has begun: an invoice lies in the table."""
        invoice = until(lambda: self._invoice("acme"), FIRED, "an invoice of acme")
        _same(invoice["total"]["amount"], self.totals["acme"].decimal)
        return f"{invoice['total']['amount']} USD, {len(invoice['lines'])} lines"

    def fail(self) -> None:
        """What cannot be read fails five times and ends among the dead letters, with an alarm."""
        until(self._dead_letters, FIRED, "a dead letter")
        until(lambda: self._failures() >= MOST_TRIES, 10, "as many failures in the log")
        _same(self._failures(), MOST_TRIES)
        _same(self._invoice("globex"), None)
        happened = self._staff("GET", "/v1/accounts/globex/events")["items"]
        [alarm] = [each for each in happened if each["type"] == "alarm.raised"]
        _same((alarm["code"], alarm["subscription"]), ("unreadable", self.subscriptions["globex"]))

    def redrive(self) -> str:
        """Repaired and sent again, it is billed as well, and no dead letter is left."""
        self._spoil("globex", "month")
        sqs = self.stack.client("sqs")
        dead, queue = self.stack.ids["RolloverDeadLetters"], self.stack.ids["RolloverQueue"]
        for message in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)["Messages"]:
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        invoice = until(lambda: self._invoice("globex"), 30, "an invoice of globex")
        _same(invoice["total"]["amount"], self.totals["globex"].decimal)
        _same(self._dead_letters(), 0)
        return f"{invoice['total']['amount']} USD"

    def charge(self) -> None:
        """The other sweep fires; both invoices are charged at Stripe's stand-in, once each, and paid."""
        until(self._all_paid, FIRED, "both are paid")
        charged = self._payments_at_stripe()
        for account, owed in self.totals.items():
            found = [each for each in charged if each["metadata"].get("invoice") == self._invoice_id(account)]
            _same([(each["status"], each["amount_received"]) for each in found], [("succeeded", to_stripe(owed))])
        for message in self.stripe.webhooks():
            _expect(self.stack.call("POST", "/v1/stripe/webhook", message.body, headers=message.headers), 200)

    def ask_the_roles(self) -> str:
        """Every role may do what the template grants it, and nothing else that another one may."""
        through, denied = probe(self.stack)
        return f"{through} requests go through, {denied} are denied"

    # ---- helpers

    def _token(self, account: str, permissions: str) -> str:
        return self.issuer.sign(clock.now(), sub="someone", account=account, permissions=permissions)

    def _staff(self, method: str, path: str, body: Any = None) -> Any:
        token = self.issuer.sign(clock.now(), sub="staff", permissions=STAFF)
        headers = {"Idempotency-Key": f"request-{next(self._keys)}"}
        return _expect(self.stack.call(method, path, body, token=token, headers=headers), 200, 201).json

    def _customer(self, account: str, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = {"Idempotency-Key": key or f"request-{next(self._keys)}"}
        token = self._token(account, CUSTOMER)
        reply = self.stack.call(method, f"/v1/accounts/{account}/{path}", body, token=token, headers=headers)
        return _expect(reply, 200, 201).json

    def _invoice_id(self, account: str) -> str:
        return f"{self.subscriptions[account]}-00001"

    def _invoice(self, account: str) -> Any:
        """The renewal's invoice, once it lies in the table."""
        key = {"PK": {"S": f"ACCOUNT#{account}"}, "SK": {"S": f"INVOICE#{self._invoice_id(account)}#"}}
        table = self.stack.ids["BillingTable"]
        if "Item" not in self.stack.client("dynamodb").get_item(TableName=table, Key=key):
            return None
        return self._customer(account, "GET", f"invoices/{self._invoice_id(account)}")

    def _all_paid(self) -> bool:
        return all(self._invoice(account)["status"] == "paid" for account in self.subscriptions)

    def _payments_at_stripe(self) -> list[Any]:
        key = {"Authorization": f"Bearer {STRIPE_KEY}"}
        answer = self.stripe.answer("GET", "/v1/payment_intents?limit=100", key, "")
        return list(json.loads(answer.body)["data"])

    def _failures(self) -> int:
        return sum('"job failed"' in line for line in self.stack.log("RolloverWorkFunction"))

    def _dead_letters(self) -> int:
        name = "ApproximateNumberOfMessages"
        queue = self.stack.ids["RolloverDeadLetters"]
        found = self.stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
        return int(found["Attributes"][name])

    def _connect_the_store(self) -> None:
        """Let our own store work on the stack's table, as an administrator."""
        settings = {"table_name": self.stack.ids["BillingTable"], "host": self.stack.address, **ADMINISTRATOR}
        for name, value in settings.items():
            setattr(Record.Meta, name, value)

    def _spoil(self, account: str, term: str) -> None:
        """Write a commitment term that no decision of ours writes, or the right one again."""
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.ids["BillingTable"],
            Key={"PK": {"S": f"ACCOUNT#{account}"}, "SK": {"S": f"SUB#{self.subscriptions[account]}#"}},
            UpdateExpression="SET term = :term",
            ExpressionAttributeValues={":term": {"S": term}},
        )


def _a_month_earlier(book: Book) -> Changes:
    """The same subscription and what waits for its invoice, had all of it begun 31 days before."""
    subscription = replace(book.subscription, anchor=book.subscription.anchor - MONTH)
    moved = tuple(_item_earlier(item, subscription.period) for item in book.pending)
    return Changes(put=(subscription, *moved), delete=book.pending)


def _item_earlier(item: PendingInvoiceItem, whole: Period) -> PendingInvoiceItem:
    assert item.period
    assert item.day
    return replace(item, period=Period(item.period.start - MONTH, whole.end), whole=whole, day=item.day - MONTH)


def _next_total(book: Book) -> Money:
    """What its next invoice must come to: the fees of a period, and what waits."""
    return total((book.subscription.fee, *(item.amount for item in book.pending)), book.subscription.currency)


def _expect(reply: Reply, *statuses: int) -> Reply:
    if reply.status not in statuses:
        raise Failed(f"It was answered {reply.status}: {reply.body[:500]}")
    return reply


def _contains(text: str, expected: str) -> None:
    if expected not in text:
        raise Failed(f"{expected!r} is not in {text[:500]}")


def _same(found: Any, expected: Any) -> None:
    if found != expected:
        raise Failed(f"It is {found}, not {expected}")
