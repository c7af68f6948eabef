"""What a deployed stack is put through about contacts: setting, counting and importing them."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from infra.local.deploy_callers import Callers, expect, same
from infra.local.deploy_stack import until
from shared.domain.changes import Changes
from shared.edge import clock
from shared.store import contacts, table

_FILE = b"contact,marketing\njim.poe,true\njane.doe,perhaps\n"
_IMPORTED = 60
"""Seconds: the queue's poller may be late, and the machine busy."""


class ContactCallers(Callers):
    """The people of an account that has bought a contact tier."""

    def set_contacts(self) -> None:
        """A customer buys a contact tier, sets contacts, one and many, and a maximum, and asks for a lower tier."""
        self.staff("PUT", "/v1/accounts/hooli", {"seller": "us"})
        self.customer("hooli", "POST", "payment-method", {"payment_method": "pm_card_visa"})
        items = {"items": [{"price": "contacts-starter", "quantity": 3000}]}
        same(self.customer("hooli", "POST", "checkout", items)["payment"]["status"], "paid")
        same(self.editor("PUT", "contacts/ann", {"marketing": True})["marketing"], True)
        made = self.editor("POST", "contacts/batch", {"marketing": ["bob", "cyd"], "non_marketing": ["ann"]})
        same((made["marketing"], made["total"]), (3, 3))
        left = self.editor("GET", "contacts/ann")
        same((left["marketing"], left["until_next_update"]), (True, made["next_update_on"]))
        same(self.editor("DELETE", "contacts/cyd")["marketing"], 2)
        same(self.customer("hooli", "PUT", "usage/maximum", {"maximum": 100})["maximum"], 100)
        same(self.editor("POST", "usage/maximum/request", {"maximum": 200})["requested"], 200)
        shown = self.customer("hooli", "POST", "tier-reduction/preview", {"contacts": 900})
        same(self.customer("hooli", "PUT", "tier-reduction", {"contacts": 900}), shown)
        same(self.customer("hooli", "GET", "usage")["reduction"], shown)
        same(self.customer("hooli", "DELETE", "tier-reduction")["reduction"], None)

    def import_contacts(self) -> None:
        """A file is uploaded by its signed address, checked and imported by the worker, and its report downloaded."""
        opened = self.editor("POST", "contacts/imports", {"bytes": len(_FILE)})
        path = f"contacts/imports/{opened['id']}"
        upload = urllib.request.Request(opened["upload"], _FILE, method="PUT")  # noqa: S310 - loopback
        with urllib.request.urlopen(upload, timeout=20) as answer:  # noqa: S310
            same(answer.status, 200)
        for dry_run, status in ((True, "checked"), (False, "done")):
            self.editor("POST", f"{path}/start", {"dry_run": dry_run})
            until(partial(self._has_come_to, path, status), _IMPORTED, status)
        done = self.editor("GET", path)
        same((done["rows"], done["rejected"], done["new"]), (2, 1, 1))
        with urllib.request.urlopen(done["report"], timeout=20) as report:  # noqa: S310
            same(report.read().decode(), "line,reason\n3,invalid_marketing\n")
        unwanted = self.editor("POST", "contacts/imports", {"bytes": len(_FILE)})
        same(self.editor("DELETE", f"contacts/imports/{unwanted['id']}")["error"], "stopped")
        listed = self.editor("GET", "contact-imports")["items"]
        same([each["id"] for each in listed], [unwanted["id"], opened["id"]])

    def make_the_count_due(self) -> None:
        """The customer's midnight has passed an hour ago; our own store works on the stack's table."""
        summary = contacts.summary("hooli")
        assert summary
        due = replace(summary, counts_at=clock.now() - timedelta(hours=1))
        table.commit(Changes(put=(due,)), clock.now())

    def count_contacts(self) -> str:
        """The sweep that looks for them has fired too: the contacts are counted, and the usage shows it."""
        daily = until(lambda: self.customer("hooli", "GET", "usage")["daily"], _IMPORTED, "a daily count")
        same((daily["marketing"], daily["total"]), (3, 3))
        return f"{daily['marketing']} of {daily['total']} are marketing contacts"

    def _has_come_to(self, path: str, status: str) -> bool:
        return bool(self.editor("GET", path)["status"] == status)

    def editor(self, method: str, path: str, body: Any = None) -> Any:
        """What somebody is answered who may edit contacts."""
        headers = {"Idempotency-Key": f"request-{next(self._keys)}"}
        token = self.token("hooli", "contacts.edit")
        reply = self.stack.call(method, f"/v1/accounts/hooli/{path}", body, token=token, headers=headers)
        return expect(reply, 200, 201).json
