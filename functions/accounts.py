"""Accounts, seller entities and the catalogue: who sells what to whom."""

from __future__ import annotations

from typing import Any

from shared.domain import account as accounts
from shared.domain import catalog
from shared.domain.account import Account, SellerEntity
from shared.domain.catalog import Catalog, Price
from shared.domain.changes import Changes
from shared.domain.errors import Conflict
from shared.edge import views
from shared.edge.api import LARGEST_CATALOG, SELLER, Api, Decision, entry_point
from shared.edge.schemas import PutAccount, PutCatalog, PutSeller
from shared.store import queries, table
from shared.store.records import CatalogHead

_CHUNK = 50
api = Api()


@api.serve("GET /v1/catalog")
def get_catalog() -> dict[str, Any]:
    """What is sold at present."""
    return views.catalog(queries.catalog())


@api.serve("PUT /v1/catalog")
def put_catalog() -> dict[str, Any]:
    """Publish a catalogue in the place of the one before. What was bought keeps its price.

    Its prices are written first; then one record moves, and with it all of it.
    """
    wanted = api.body(PutCatalog, LARGEST_CATALOG).to_catalog()
    catalog.check(wanted)
    new = _new_prices(wanted)

    def decide() -> Decision:
        version = queries.catalog().version
        head = CatalogHead(
            products=wanted.products,
            seat_types=wanted.seat_types,
            prices=tuple(price.id for price in wanted.prices),
            legacy=tuple(price.id for price in wanted.prices if price.legacy),
            version=version,
        )
        published = Catalog(wanted.products, wanted.seat_types, wanted.prices, version + 1)
        return Decision(Changes(put=(head,)), views.catalog(published))

    for start in range(0, len(new), _CHUNK):
        table.commit(Changes(put=tuple(new[start : start + _CHUNK])), api.now)
    return dict(api.once(SELLER, decide))


@api.serve("GET /v1/sellers/{seller}")
def get_seller(seller: str) -> dict[str, Any]:
    """A seller entity."""
    return views.seller(queries.seller(seller))


@api.serve("PUT /v1/sellers/{seller}")
def put_seller(seller: str) -> dict[str, Any]:
    """Make or change a seller entity. Its zone and currency stay what they were: days and bills hang on them."""
    wanted = api.body(PutSeller)

    def decide() -> Decision:
        before = queries.find_seller(seller)
        after = SellerEntity(
            id=seller,
            name=wanted.name or seller,
            timezone=wanted.timezone,
            currency=wanted.currency,
            address=wanted.address,
            billing_mailbox=wanted.billing_mailbox or "",
            retry_days=wanted.retry_days,
            version=before.version if before else 0,
        )
        accounts.check_seller_change(before, after)
        return Decision(Changes(put=(after,)), views.seller(after))

    return dict(api.once(SELLER, decide))


@api.serve("GET /v1/accounts/{account}")
def get_account(account: str) -> dict[str, Any]:
    """R1 to R4: the account with its products and add-ons, their limits, and the next billing date."""
    found = queries.account(account)
    method = queries.payment_method(account, found.payment_method) if found.payment_method else None
    return views.overview(found, method, queries.alive_subscriptions(account))


@api.serve("PUT /v1/accounts/{account}")
def put_account(account: str) -> dict[str, Any]:
    """Make or change an account. It buys from one seller entity, in one currency, for good."""
    wanted = api.body(PutAccount)

    def decide() -> Decision:
        before = queries.find_account(account)
        entity = queries.seller(wanted.seller)
        after = Account(
            id=account,
            seller=wanted.seller,
            name=wanted.name or account,
            currency=wanted.currency or entity.currency,
            billing_contacts=wanted.billing_contacts,
        )
        kept = accounts.changed(before, after)
        return Decision(Changes(put=(kept,)), views.account(kept))

    return dict(api.once(account, decide))


@api.serve("GET /v1/accounts/{account}/events")
def list_events(account: str) -> dict[str, Any]:
    """The audit trail: everything that happened to the account, the newest first."""
    queries.account(account)
    return views.page(queries.events(account, *api.listing()), views.event)


def _new_prices(wanted: Catalog) -> list[Price]:
    """The prices that were never published before; one that was must be what it was (prices never change)."""
    known = queries.published_prices()
    for price in wanted.prices:
        if known.get(price.id, catalog.terms_of(price)) != catalog.terms_of(price):
            sentence = f"Price {price.id!r} was published before with other terms. Give the new price another id."
            raise Conflict(sentence, code="price_immutable", path=("prices", price.id))
    return [catalog.terms_of(price) for price in wanted.prices if price.id not in known]


handler = entry_point(api)
