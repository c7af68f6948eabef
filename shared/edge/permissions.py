"""Who may call what: every route stands here, and one that does not cannot be served.

A caller needs the permissions named in their token. ``billing.modify`` includes
``billing.view``; ``seller.admin`` is the seller's own staff, on any account.
Giving access takes two: ``users.edit`` and ``billing.modify`` (R91). Who is there, either may see
who looks at billing or who edits users. ``contacts.edit`` is for contacts alone.
"""

from __future__ import annotations

VIEW = "billing.view"
MODIFY = "billing.modify"
EDIT = "users.edit"
GIVE = f"{EDIT} + {MODIFY}"
CONTACTS = "contacts.edit"
SEE = f"{VIEW} or {EDIT}"
STAFF = "seller.admin"

PERMISSIONS: dict[str, str] = {
    "GET /v1/catalog": VIEW,
    "PUT /v1/catalog": STAFF,
    "GET /v1/sellers/{seller}": STAFF,
    "PUT /v1/sellers/{seller}": STAFF,
    "GET /v1/accounts/{account}": VIEW,
    "PUT /v1/accounts/{account}": STAFF,
    "GET /v1/accounts/{account}/events": VIEW,
    "PUT /v1/accounts/{account}/quotes/{quote}": STAFF,
    "DELETE /v1/accounts/{account}/quotes/{quote}": STAFF,
    "GET /v1/accounts/{account}/users": SEE,
    "PUT /v1/accounts/{account}/users/{user}": EDIT,
    "DELETE /v1/accounts/{account}/users/{user}": EDIT,
    "POST /v1/accounts/{account}/users/{user}/preview": EDIT,
    "POST /v1/accounts/{account}/payment-method": MODIFY,
    "POST /v1/accounts/{account}/checkout": MODIFY,
    "POST /v1/accounts/{account}/checkout/preview": MODIFY,
    "GET /v1/accounts/{account}/checkout/{checkout}": VIEW,
    "GET /v1/accounts/{account}/subscriptions": VIEW,
    "GET /v1/accounts/{account}/subscriptions/{subscription}": VIEW,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/cancel/preview": MODIFY,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/cancel": MODIFY,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/release": STAFF,
    "GET /v1/subscriptions": STAFF,
    "GET /v1/accounts/{account}/subscriptions/{subscription}/seats": VIEW,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}": MODIFY,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/preview": MODIFY,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal/preview": MODIFY,
    "PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal": MODIFY,
    "DELETE /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/removal": MODIFY,
    "PUT /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/users/{user}": GIVE,
    "DELETE /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/users/{user}": GIVE,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/assignments": GIVE,
    "POST /v1/accounts/{account}/subscriptions/{subscription}/seats/{type}/assignments/preview": GIVE,
    "GET /v1/accounts/{account}/contacts/{contact}": CONTACTS,
    "PUT /v1/accounts/{account}/contacts/{contact}": CONTACTS,
    "DELETE /v1/accounts/{account}/contacts/{contact}": CONTACTS,
    "POST /v1/accounts/{account}/contacts/batch": CONTACTS,
    "POST /v1/accounts/{account}/contacts/imports": CONTACTS,
    "GET /v1/accounts/{account}/contact-imports": CONTACTS,
    "GET /v1/accounts/{account}/contacts/imports/{file}": CONTACTS,
    "DELETE /v1/accounts/{account}/contacts/imports/{file}": CONTACTS,
    "POST /v1/accounts/{account}/contacts/imports/{file}/start": CONTACTS,
    "GET /v1/accounts/{account}/usage": VIEW,
    "PUT /v1/accounts/{account}/usage/maximum": MODIFY,
    "POST /v1/accounts/{account}/usage/maximum/request": CONTACTS,
    "PUT /v1/accounts/{account}/tier-reduction": MODIFY,
    "DELETE /v1/accounts/{account}/tier-reduction": MODIFY,
    "POST /v1/accounts/{account}/tier-reduction/preview": MODIFY,
    "GET /v1/accounts/{account}/invoices": VIEW,
    "GET /v1/accounts/{account}/invoices/{invoice}": VIEW,
    "POST /v1/accounts/{account}/invoices/{invoice}/pay": MODIFY,
    "POST /v1/accounts/{account}/invoices/{invoice}/write-off": STAFF,
    "GET /v1/accounts/{account}/invoices/{invoice}/refunds": VIEW,
    "POST /v1/accounts/{account}/invoices/{invoice}/refunds": STAFF,
}

UNSIGNED = frozenset({
    "GET /v1/openapi.json",
    "GET /v1/pay/{token}",
    "POST /v1/pay/{token}",
    "POST /v1/stripe/webhook",
})  # fmt: skip
"""Routes without a JWT: the API's description says nothing of anybody, we sign the links and Stripe what it sends."""


def allowed(needed: str, permissions: frozenset[str]) -> bool:
    """Whether somebody with these permissions may do what needs that one, both (``+``) or either (``or``)."""
    implied = {
        VIEW: {VIEW, MODIFY, STAFF},
        MODIFY: {MODIFY, STAFF},
        EDIT: {EDIT, STAFF},
        CONTACTS: {CONTACTS, STAFF},
        STAFF: {STAFF},
    }
    return any(all(implied[each] & permissions for each in way.split(" + ")) for way in needed.split(" or "))
