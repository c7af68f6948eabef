"""What a deployed stack is put through, step by step: the first line of each step is what is printed of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from infra.local.catalog_file import CatalogFile
from infra.local.cloud import STRIPE_KEY
from infra.local.deploy_books import a_month_earlier, next_total
from infra.local.deploy_callers import contains, expect, same
from infra.local.deploy_contacts import ContactCallers
from infra.local.deploy_issuer import Issuer, new_key
from infra.local.deploy_roles import probe
from infra.local.deploy_stack import ADMINISTRATOR, ROOT, Stack, until
from infra.local.simulate import CUSTOMER
from infra.local.stripe import Stripe
from shared.domain.money import Money
from shared.domain.processor import to_stripe
from shared.edge import clock
from shared.edge.jobs import MOST_TRIES
from shared.store import queries, table
from shared.store.record import Record

CATALOG = ROOT / "infra/catalog/hub.yaml"
FIRED = 100
"""Seconds: a schedule of a minute, the ten that ministack may be late, and a busy machine."""


class Story(ContactCallers):
    """A seller, two customers, and what becomes of them; each step relies on those before it."""

    def __init__(self, stack: Stack, issuer: Issuer, stripe: Stripe) -> None:
        super().__init__(stack, issuer)
        self.stripe = stripe
        self.subscriptions: dict[str, str] = {}
        self.totals: dict[str, Money] = {}

    def steps(self) -> list[Callable[[], str | None]]:
        """All of them, in order; what one answers is printed behind its sentence."""
        return [
            self.turn_strangers_away,
            self.set_up,
            self.turn_others_away,
            self.save_cards,
            self.check_out,
            self.buy_a_seat,
            self.give_seats,
            self.look_at_everything,
            self.give_back,
            self.set_contacts,
            self.import_contacts,
            self.open_pages,
            self.release,
            self.end_early,
            self.hear_stripe,
            self.go_back_a_month,
            self.bill,
            self.count_contacts,
            self.fail,
            self.redrive,
            self.ask_the_roles,
            self.charge,
        ]

    # ---- the API

    def turn_strangers_away(self) -> None:
        """Strangers may read what the API is like. No token, one tampered with, expired, forged, for others: 401."""
        same(expect(self.stack.call("GET", "/v1/openapi.json"), 200).json["openapi"][:2], "3.")
        good = self.token("acme", CUSTOMER)
        head, claims, signature = good.split(".")
        now = clock.now()
        for token in (
            None,
            f"{head}.{claims[:-2]}AA.{signature}",
            self.issuer.sign(now - timedelta(hours=2), account="acme", permissions=CUSTOMER),
            self.issuer.sign(now, new_key(), account="acme", permissions=CUSTOMER),
            self.issuer.sign(now, account="acme", permissions=CUSTOMER, aud="others"),
        ):
            expect(self.stack.call("GET", "/v1/accounts/acme", token=token), 401)
        expect(self.stack.call("GET", "/v1/accounts/acme", token=good), 404)  # let in: no acme yet

    def set_up(self) -> None:
        """The seller's staff publish a catalogue and make a seller entity and two accounts."""
        for path, body in (
            ("/v1/catalog", CatalogFile(CATALOG).file.data),
            ("/v1/sellers/us", {"timezone": "America/New_York", "currency": "USD"}),
            ("/v1/accounts/acme", {"seller": "us"}),
            ("/v1/accounts/globex", {"seller": "us"}),
        ):
            self.staff("PUT", path, body)
            self.staff("GET", path)

    def turn_others_away(self) -> None:
        """Another account's customer is refused, and so is one without the permission: 403."""
        path = "/v1/accounts/acme"
        for account, permissions, route, code in (
            ("globex", CUSTOMER, f"GET {path}", "foreign_account"),
            ("acme", "billing.view", f"POST {path}/checkout", "permission_missing"),
            ("acme", CUSTOMER, "GET /v1/subscriptions", "permission_missing"),
        ):
            refused = self.stack.call(*route.split(), token=self.token(account, permissions))
            same(expect(refused, 403).json["code"], code)

    def save_cards(self) -> None:
        """Both customers save a card; Stripe's stand-in knows it from then on."""
        for account in ("acme", "globex"):
            saved = self.customer(account, "POST", "payment-method", {"payment_method": "pm_card_visa"})
            same((saved["status"], saved["payment_method"]["last4"]), ("succeeded", "4242"))

    def check_out(self) -> None:
        """Each looks at a price, buys five seats for 500.00 USD, and has paid: the subscriptions are there."""
        body = {"items": [{"price": "sales-seat", "quantity": 5}]}
        for account in ("acme", "globex"):
            same(self.customer(account, "POST", "checkout/preview", body)["due_now"]["amount"], "500.00")
            bought = self.customer(account, "POST", "checkout", body)
            same((bought["status"], bought["payment"]["status"]), ("complete", "paid"))
            self.subscriptions[account] = bought["subscriptions"][0]["id"]
            same(self.customer(account, "GET", f"checkout/{bought['id']}"), bought)

    def buy_a_seat(self) -> None:
        """A seat more: the preview tells its price, and the same request sent twice buys it once."""
        path = f"subscriptions/{self.subscriptions['acme']}/seats"
        shown = self.customer("acme", "POST", f"{path}/sales/preview", {"quantity": 1})
        body = {"quantity": 1, "expect_amount": shown["charge"]["amount"]}
        bought = [self.customer("acme", "POST", f"{path}/sales", body, key="a-seat-more") for _ in range(2)]
        same(bought, [shown, shown])
        same(self.customer("acme", "GET", path)["seats"][0]["total"], 6)

    def give_seats(self) -> None:
        """Users are made, given seats and deleted; a removal is asked for, held back by a quote, and withdrawn."""
        sub = self.subscriptions["acme"]
        sales, quote = f"subscriptions/{sub}/seats/sales", "/v1/accounts/acme/quotes/q-1"
        given = {"seats": [{"subscription": sub, "seat_type": "sales"}]}
        same(self.customer("acme", "POST", "users/ann/preview", given)["action"], "send")
        made = [self.customer("acme", "PUT", f"users/{each}", given) for each in ("ann", "bob")]
        same([each["given"][0]["assigned"] for each in made], [1, 2])
        moves = {"assign": ["bob"], "unassign": ["ann"]}
        shown = self.customer("acme", "POST", f"{sales}/assignments/preview", moves)
        same(self.customer("acme", "POST", f"{sales}/assignments", moves), shown)
        same(self.customer("acme", "DELETE", f"{sales}/users/bob")["assigned"], 0)
        same(self.customer("acme", "PUT", f"{sales}/users/ann", {})["joined"], ["ann"])
        self.customer("acme", "DELETE", "users/bob")
        same([each["id"] for each in self.customer("acme", "GET", "users")["items"]], ["ann"])
        same(self.staff("PUT", quote, {"dated": "2999-01-01"}), {"id": "q-1", "dated": "2999-01-01"})
        path, token, asked = f"/v1/accounts/acme/{sales}/removal", self.token("acme", CUSTOMER), {"quantity": 1}
        same(expect(self.stack.call("PUT", path, asked, token=token), 409).json["code"], "quote_open")
        self.staff("DELETE", quote)
        same(self.customer("acme", "POST", f"{sales}/removal/preview", asked)["after_update"]["seats"], 5)
        same(self.customer("acme", "PUT", f"{sales}/removal", asked)["scheduled"], True)
        same(self.customer("acme", "DELETE", f"{sales}/removal")["scheduled"], False)

    def look_at_everything(self) -> None:
        """Subscriptions, invoices and events are listed and shown, over one account and over all."""
        listed = self.staff("GET", "/v1/subscriptions")["items"]
        same({each["id"] for each in listed}, set(self.subscriptions.values()))
        listed = self.customer("acme", "GET", "subscriptions")["items"]
        same([each["id"] for each in listed], [self.subscriptions["acme"]])
        shown = self.customer("acme", "GET", f"subscriptions/{self.subscriptions['acme']}")
        same((shown["cost"]["amount"], len(shown["pending"])), ("600.00", 1))
        [invoice] = self.customer("acme", "GET", "invoices")["items"]
        same(self.customer("acme", "GET", f"invoices/{invoice['id']}"), invoice)
        happened = {each["type"] for each in self.customer("acme", "GET", "events")["items"]}
        assert {"invoice.paid", "subscription.started", "seats.added"} <= happened, happened

    def give_back(self) -> None:
        """The seller's staff give 100.00 USD back, with a credit note; Stripe's stand-in pays it out."""
        [invoice] = self.customer("globex", "GET", "invoices")["items"]
        path = f"/v1/accounts/globex/invoices/{invoice['id']}/refunds"
        made = self.staff("POST", path, {"amount": {"amount": "100.00", "currency": "USD"}})
        same((made["status"], made["credit_note"]["number"]), ("succeeded", f"{invoice['id']}-C01"))
        same(self.customer("globex", "GET", f"invoices/{invoice['id']}/refunds")["items"], [made])

    def open_pages(self) -> None:
        """A customer without a card is sent to the pay page, pays there, and sees it; the update page opens too."""
        self.staff("PUT", "/v1/accounts/initech", {"seller": "us"})
        body = {"items": [{"price": "sales-seat", "quantity": 1, "term": "year"}]}
        opened = self.customer("initech", "POST", "checkout", body)["payment"]
        same(urlsplit(opened["pay_page"]).scheme, "https")
        address = urlsplit(opened["pay_page"]).path
        contains(expect(self.stack.call("GET", address), 200).body, "100.00 USD to pay.")
        begun = expect(self.stack.call("POST", address, headers={"Idempotency-Key": "a-page"}), 200).json
        same(begun["client_secret"], opened["client_secret"])
        self.stripe.pay(begun["client_secret"].partition("_secret")[0], "pm_card_visa")
        contains(expect(self.stack.call("GET", address), 200).body, "Paid on ")
        expect(self.stack.call("GET", f"{address}x"), 404)
        shown = self.customer("initech", "GET", self._path_of("initech"))
        update_page = self.stack.call("GET", urlsplit(shown["update_page"]).path)
        contains(expect(update_page, 200).body, "Charged at present: Visa ending in 4242.")

    def release(self) -> None:
        """A subscription that was parked for its safety is released by the seller's staff, once."""
        path = self._path_of("initech")
        self._write("initech", path.partition("/")[2], "parked", {"BOOL": True})
        released = self.staff("POST", f"/v1/accounts/initech/{path}/release")
        same(released["status"], "active")
        happened = {each["type"] for each in self.customer("initech", "GET", "events")["items"]}
        same("subscription.released" in happened, True)

    def end_early(self) -> str:
        """A customer ends a year early; the rest of it is declined, tried by hand, and given up by the staff."""
        self.customer("initech", "POST", "payment-method", {"payment_method": "pm_card_chargeCustomerFail"})
        path = self._path_of("initech")
        shown = self.customer("initech", "POST", f"{path}/cancel/preview")
        ended = self.customer("initech", "POST", f"{path}/cancel", {"understood": True})
        same((shown["charge"]["amount"], ended["charge"]), ("1100.00", shown["charge"]))
        [rest] = [each for each in self.customer("initech", "GET", "invoices")["items"] if each["status"] != "paid"]
        declined = self.customer("initech", "POST", f"invoices/{rest['id']}/pay")
        same((declined["status"], declined["error"]["code"]), ("open", "generic_decline"))
        given_up = self.staff("POST", f"/v1/accounts/initech/invoices/{rest['id']}/write-off")
        same((given_up["status"], given_up["total"]), ("uncollectible", shown["charge"]))
        return f"{given_up['total']['amount']} USD"

    def hear_stripe(self) -> None:
        """Stripe's messages are taken and a forged one is not; by now every route has answered."""
        told = self.stripe.webhooks()
        for message in told:
            expect(self.stack.call("POST", "/v1/stripe/webhook", message.body, headers=message.headers), 200)
        forged = self.stack.call("POST", "/v1/stripe/webhook", told[0].body + b" ", headers=told[0].headers)
        same(expect(forged, 422).json["code"], "invalid_signature")
        same(self.stack.routes_not_called(), [])

    # ---- what is due

    def go_back_a_month(self) -> None:
        """An administrator moves both subscriptions 31 days back, so that they are due, and spoils one of them."""
        self._connect_the_store()
        self.make_the_count_due()
        for account, subscription in self.subscriptions.items():
            moved = a_month_earlier(queries.book(account, subscription))
            table.commit(moved, clock.now())
            self.totals[account] = next_total(queries.book(account, subscription))
        self._write("globex", self.subscriptions["globex"], "term", {"S": "a fortnight"})  # no decision of ours does

    def bill(self) -> str:
        """Scheduler fires the sweep; queue and worker bill the month that has begun: an invoice lies in the table."""
        invoice = until(lambda: self._invoice("acme"), FIRED, "an invoice of acme")
        same(invoice["total"]["amount"], self.totals["acme"].decimal)
        return f"{invoice['total']['amount']} USD, {len(invoice['lines'])} lines"

    def fail(self) -> None:
        """What cannot be read fails five times and ends among the dead letters, with an alarm."""
        until(self._dead_letters, FIRED, "a dead letter")
        until(lambda: self._failures() >= MOST_TRIES, 10, "as many failures in the log")
        same(self._failures(), MOST_TRIES)
        same(self._invoice("globex"), None)
        happened = self.staff("GET", "/v1/accounts/globex/events")["items"]
        [alarm] = [each for each in happened if each["type"] == "alarm.raised"]
        same((alarm["code"], alarm["subscription"]), ("unreadable", self.subscriptions["globex"]))

    def redrive(self) -> str:
        """Repaired and sent again, it is billed as well, and no dead letter is left."""
        self._write("globex", self.subscriptions["globex"], "term", {"S": "month"})
        sqs = self.stack.client("sqs")
        dead, queue = self.stack.ids["RolloverDeadLetters"], self.stack.ids["RolloverQueue"]
        for message in sqs.receive_message(QueueUrl=dead, MaxNumberOfMessages=10)["Messages"]:
            sqs.send_message(QueueUrl=queue, MessageBody=message["Body"])
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
        invoice = until(lambda: self._invoice("globex"), 30, "an invoice of globex")
        same(invoice["total"]["amount"], self.totals["globex"].decimal)
        same(self._dead_letters(), 0)
        return f"{invoice['total']['amount']} USD"

    def charge(self) -> None:
        """The other sweep fires; both invoices are charged at Stripe's stand-in, once each, and paid."""
        until(self._all_paid, FIRED, "both are paid")
        charged = self._payments_at_stripe()
        for account, owed in self.totals.items():
            found = [each for each in charged if each["metadata"].get("invoice") == self._invoice_id(account)]
            same([(each["status"], each["amount_received"]) for each in found], [("succeeded", to_stripe(owed))])
        for message in self.stripe.webhooks():
            expect(self.stack.call("POST", "/v1/stripe/webhook", message.body, headers=message.headers), 200)

    def ask_the_roles(self) -> str:
        """Every role may do what the template grants it, and nothing else that another one may."""
        through, denied = probe(self.stack)
        return f"{through} requests go through, {denied} are denied"

    # ---- helpers

    def _invoice_id(self, account: str) -> str:
        return f"{self.subscriptions[account]}-00001"

    def _invoice(self, account: str) -> Any:
        """The renewal's invoice, once it lies in the table."""
        key = {"PK": {"S": f"ACCOUNT#{account}"}, "SK": {"S": f"INVOICE#{self._invoice_id(account)}#"}}
        table = self.stack.ids["BillingTable"]
        if "Item" not in self.stack.client("dynamodb").get_item(TableName=table, Key=key):
            return None
        return self.customer(account, "GET", f"invoices/{self._invoice_id(account)}")

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

    def _path_of(self, account: str) -> str:
        """Where the one subscription of an account is found."""
        [only] = self.customer(account, "GET", "subscriptions")["items"]
        return f"subscriptions/{only['id']}"

    def _write(self, account: str, subscription: str, attribute: str, value: dict[str, Any]) -> None:
        """Write an attribute of a subscription past the product, as an administrator may."""
        self.stack.client("dynamodb").update_item(
            TableName=self.stack.ids["BillingTable"],
            Key={"PK": {"S": f"ACCOUNT#{account}"}, "SK": {"S": f"SUB#{subscription}#"}},
            UpdateExpression="SET #attribute = :value",
            ExpressionAttributeNames={"#attribute": attribute},
            ExpressionAttributeValues={":value": value},
        )
