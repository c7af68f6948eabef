"""Accounts, seller entities and the catalogue: who sells what to whom."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shared import edge
from shared.domain import account as accounts
from shared.domain import catalog
from shared.domain import quote as quotes
from shared.domain.account import Account, SellerEntity
from shared.domain.catalog import Catalog, Price
from shared.domain.changes import Changes
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.quote import Quote
from shared.edge import views
from shared.edge.api import SELLER, Api, Decision, entry_point
from shared.edge.schemas import PutAccount, PutCatalog, PutQuote, PutSeller
from shared.store import queries, table
from shared.store.records import CatalogHead

if TYPE_CHECKING:
    from shared.edge import answers

_CHUNK = 50
_DESCRIPTION = Path(edge.__file__).parent / "openapi.json"
_LARGEST_HEAD = 300 * 1024  # bytes; DynamoDB takes items of 400 KB
api = Api()


@api.serve("GET /v1/openapi.json")
def get_description() -> dict[str, Any]:
    """This description (OpenAPI 3.1)."""
    return dict(json.loads(_DESCRIPTION.read_text(encoding="utf-8")))


@api.serve("GET /v1/catalog")
def get_catalog() -> answers.Catalog:
    """What is sold at present."""
    return views.catalog(queries.catalog())


@api.serve("PUT /v1/catalog")
def put_catalog(body: PutCatalog) -> answers.Catalog:
    """Publish a catalogue in the place of the one before. What was bought keeps its price.

    Its prices are written first; then one record moves, and with it all of it.
    """
    wanted = body.to_catalog()
    catalog.check(wanted)

    def decide() -> Decision[dict[str, Any]]:
        version = queries.catalog().version
        if body.version not in (None, version):
            raise Conflict(f"Version {version} of the catalogue is out, not {body.version}.", code="catalog_changed")
        head = CatalogHead(
            products=wanted.products,
            seat_types=wanted.seat_types,
            prices=tuple(price.id for price in wanted.prices),
            names={price.id: price.name for price in wanted.prices},
            legacy=tuple(price.id for price in wanted.prices if price.legacy),
            version=version,
        )
        if len(msgspec.json.encode(head)) > _LARGEST_HEAD:
            raise Invalid("The products and seat types have too many or too long names.", code="invalid_catalog")
        new = _new_prices(wanted)
        for start in range(0, len(new), _CHUNK):
            table.commit(Changes(put=tuple(new[start : start + _CHUNK])), api.now)
        return Decision(Changes(put=(head,)), {"version": version + 1})

    # The stored answer is the version: all of a catalogue may be more than one item holds.
    version = api.once(SELLER, decide)["version"]
    return views.catalog(Catalog(wanted.products, wanted.seat_types, wanted.prices, version))


@api.serve("GET /v1/sellers/{seller}")
def get_seller(seller: str) -> answers.Seller:
    """A seller entity."""
    return views.seller(queries.seller(seller))


@api.serve("PUT /v1/sellers/{seller}")
def put_seller(seller: str, body: PutSeller) -> answers.Seller:
    """Make or change a seller entity. Its zone and currency stay what they were: days and bills hang on them."""

    def decide() -> Decision[answers.Seller]:
        before = queries.find_seller(seller)
        kept = before or SellerEntity(seller, seller, body.timezone, body.currency)
        after = replace(kept, **_named(body))
        accounts.check_seller_change(before, after)
        return Decision(Changes(put=(after,)), views.seller(after))

    return api.once(SELLER, decide)


@api.serve("GET /v1/accounts/{account}")
def get_account(account: str) -> answers.Overview:
    """R1 to R4: the account with its products and add-ons, their limits, and the next billing date."""
    found = queries.account(account)
    method = queries.payment_method(account, found.payment_method) if found.payment_method else None
    return views.overview(found, method, queries.alive_subscriptions(account))


@api.serve("PUT /v1/accounts/{account}")
def put_account(account: str, body: PutAccount) -> answers.Account:
    """Make or change an account. It buys from one seller entity, in one currency, for good."""

    def decide() -> Decision[answers.Account]:
        before = queries.find_account(account)
        after = replace(before or _new(account, body), **_named(body))
        accounts.check_change(before, after)
        return Decision(Changes(put=(after,)), views.account(after))

    return api.once(account, decide)


@api.serve("PUT /v1/accounts/{account}/quotes/{quote}")
def put_quote(account: str, quote: str, body: PutQuote) -> answers.Quote:
    """Note a quote that is open. While its day is ahead, customers cannot remove seats by themselves (R35)."""

    def decide() -> Decision[answers.Quote]:
        queries.account(account)
        before = next((known for known in queries.quotes(account) if known.id == quote), None)
        after = Quote(account, quote, body.dated, before.version if before else 0)
        return Decision(quotes.opened(before, after), views.quote(after))

    return api.once(account, decide)


@api.serve("DELETE /v1/accounts/{account}/quotes/{quote}")
def delete_quote(account: str, quote: str) -> answers.Quote:
    """A quote is no longer open: it was accepted, turned down or withdrawn."""

    def decide() -> Decision[answers.Quote]:
        known = next((known for known in queries.quotes(account) if known.id == quote), None)
        if known is None:
            raise NotFound(f"There is no quote {quote!r}.", code="unknown_quote")
        return Decision(quotes.closed(known), views.quote(known))

    return api.once(account, decide)


@api.serve("GET /v1/accounts/{account}/events", query=("limit", "cursor"))
def list_events(account: str) -> answers.Page[answers.Event]:
    """The audit trail: everything that happened to the account, the newest first."""
    queries.account(account)
    return views.page(queries.events(account, *api.listing()), views.event)


def _new(account: str, body: PutAccount) -> Account:
    """A new account, which pays in the currency of its seller entity unless it says otherwise."""
    if body.seller is None:
        raise Invalid("A new account needs the `seller` entity that it buys from.", code="invalid_body")
    return Account(account, body.seller, account, queries.seller(body.seller).currency)


def _named(body: PutAccount | PutSeller) -> dict[str, Any]:
    """What a request names; the rest stays as it is."""
    return {name: value for name, value in msgspec.structs.asdict(body).items() if value is not None}


def _new_prices(wanted: Catalog) -> list[Price]:
    """The prices that were never published before; one that was must be what it was (prices never change)."""
    known = queries.published_prices()
    for price in wanted.prices:
        if known.get(price.id, catalog.terms_of(price)) != catalog.terms_of(price):
            sentence = f"Price {price.id!r} was published before with other terms. Give the new price another id."
            raise Conflict(sentence, code="price_immutable", path=("prices", price.id))
    return [catalog.terms_of(price) for price in wanted.prices if price.id not in known]


handler = entry_point(api)
