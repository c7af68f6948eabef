"""Contacts: set them as marketing or not, one or many; usage against the tier, and the limits of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain import recount, tiers
from shared.domain.changes import Changes
from shared.domain.contacts import Command, Wish
from shared.domain.errors import Conflict, NotFound
from shared.domain.subscription import Subscription, TierReduction
from shared.domain.tiers import Tier
from shared.edge import contact_views, upkeep
from shared.edge import contacts as edge
from shared.edge.api import Api, Decision, entry_point
from shared.edge.contacts import Done, Situation
from shared.edge.schemas import BatchContacts, PutContact, PutMaximum, ReduceTier, RequestMaximum
from shared.store import contacts

if TYPE_CHECKING:
    from shared.edge import answers

api = Api()


@api.serve("GET /v1/accounts/{account}/contacts/{contact}")
def get_contact(account: str, contact: str) -> answers.Contact:
    """Whether a contact is a marketing contact, and until when."""
    known = edge.seen(account, api.now)
    found = contacts.some(account, [contact]).get(contact)
    if found is None:
        raise NotFound(f"There is no contact {contact!r}.", code="unknown_contact")
    return contact_views.contact(found, known.today.day)


@api.serve("PUT /v1/accounts/{account}/contacts/{contact}")
def put_contact(account: str, contact: str, body: PutContact) -> answers.Contact:
    """Set a contact as marketing, which counts at once, or as non-marketing from the next update date on (R47)."""
    wish = Wish.MARKETING if body.marketing else Wish.NON_MARKETING

    def decide() -> Decision[answers.Contact]:
        done = edge.set_all(account, [Command(contact, wish)], api.now)
        found = contacts.some(account, [contact]).get(contact)
        if found is None:
            raise Conflict(f"Somebody has deleted {contact!r} at this moment.", code="contact_deleted")
        return Decision(done.told, contact_views.contact(found, done.situation.today.day, done.notice))

    return api.once(account, decide)


@api.serve("DELETE /v1/accounts/{account}/contacts/{contact}")
def delete_contact(account: str, contact: str) -> answers.ContactsSet:
    """Delete a contact: it counts no more at once, and the tier stays as it is (R53)."""
    done = edge.set_all(account, [Command(contact, Wish.DELETE)], api.now)
    return contact_views.contacts_set(done, contacts.live(account))


@api.serve("POST /v1/accounts/{account}/contacts/batch")
def set_contacts(account: str, body: BatchContacts) -> answers.ContactsSet:
    """Set up to 1,000 contacts as marketing or non-marketing, or delete them."""
    commands = [
        Command(contact, wish)
        for wish, named in (
            (Wish.DELETE, body.delete),
            (Wish.NON_MARKETING, body.non_marketing),
            (Wish.MARKETING, body.marketing),
        )
        for contact in named
    ]

    changed = 0

    def decide() -> Decision[answers.ContactsSet]:
        nonlocal changed
        done: Done = edge.set_all(account, commands, api.now)
        changed += done.changed  # whoever decides again finds nothing left to change
        answer = contact_views.contacts_set(done._replace(changed=changed), contacts.live(account))
        return Decision(done.told, answer)

    return api.once(account, decide)


@api.serve("GET /v1/accounts/{account}/usage")
def get_usage(account: str) -> answers.Usage:
    """Contacts against the tier: counted daily and live, the days that matter, the chart, and a forecast."""
    return _usage(edge.seen(account, api.now))


@api.serve("PUT /v1/accounts/{account}/usage/maximum")
def put_maximum(account: str, body: PutMaximum) -> answers.Usage:
    """Set a maximum of your own: further contacts become non-marketing (F12)."""

    def decide() -> Decision[answers.Usage]:
        known, changes = edge.set_maximum(account, body.maximum, api.now)
        summary = next(iter(changes.put), known.summary)
        return Decision(changes, _usage(known._replace(summary=summary)))

    return api.once(account, decide)


@api.serve("POST /v1/accounts/{account}/usage/maximum/request")
def request_maximum(account: str, body: RequestMaximum) -> answers.MaximumRequested:
    """Ask those who may for a higher maximum, or for none (F12)."""

    def decide() -> Decision[answers.MaximumRequested]:
        summary = edge.seen(account, api.now).summary
        changes = recount.maximum_requested(summary, body.maximum, api.caller)
        return Decision(changes, {"maximum": summary.maximum, "requested": body.maximum})

    return api.once(account, decide)


@api.serve("POST /v1/accounts/{account}/tier-reduction/preview")
def preview_reduction(account: str, body: ReduceTier) -> answers.Reduction:
    """What a lower tier comes to from the next term on. Nothing is asked for."""
    known, tier = _tier(account)
    return contact_views.reduction(known, tier, _reduction(known, tier, body), contacts.live(account))


@api.serve("PUT /v1/accounts/{account}/tier-reduction")
def put_reduction(account: str, body: ReduceTier) -> answers.Reduction:
    """Ask for a lower tier from the next term on; it takes effect if the contacts fit then (R57)."""

    def decide() -> Decision[answers.Reduction]:
        known, tier = _tier(account, current=True)
        reduction = _reduction(known, tier, body)
        changes = tiers.scheduled(tier.subscription, reduction)
        return Decision(changes, contact_views.reduction(known, tier, reduction, contacts.live(account)))

    return api.once(account, decide)


@api.serve("DELETE /v1/accounts/{account}/tier-reduction")
def delete_reduction(account: str) -> answers.Usage:
    """Leave the tier as it is after all, and any other beside which a larger one was bought meanwhile."""

    def decide() -> Decision[answers.Usage]:
        known, _ = _tier(account, current=True)
        changes = Changes()
        for tier, _ in tiers.to_be_lowered(known.subscriptions):
            changes += tiers.canceled(upkeep.current(account, tier.subscription.id, api.now).subscription)
        after = {each.id: each for each in (*known.subscriptions, *changes.put) if isinstance(each, Subscription)}
        return Decision(changes, _usage(known._replace(subscriptions=list(after.values()))))

    return api.once(account, decide)


def _usage(known: Situation) -> answers.Usage:
    price = edge.price_of(known.tier) if known.tier else None
    account = known.account.id
    return contact_views.usage(known, price, contacts.live(account), contacts.daily_counts(account))


def _tier(account: str, *, current: bool = False) -> tuple[Situation, Tier]:
    """The tier of an account, its subscription with everything done that is due."""
    known = edge.situation(account, api.now, even_off=True) if current else edge.seen(account, api.now)
    tier = known.tier
    if tier is None:
        raise Conflict("This account has no contact tier.", code="no_contact_tier")
    subscription = tier.subscription.id
    book = (
        upkeep.current(account, subscription, api.now)
        if current
        else upkeep.previewed(account, subscription, api.now).book
    )
    tier = tiers.of([book.subscription])
    if tier is None:
        raise Conflict("This account has no contact tier.", code="no_contact_tier")
    return known, tier


def _reduction(known: Situation, tier: Tier, wanted: ReduceTier) -> TierReduction:
    notice = known.seller.tier_notice_days
    return tiers.reduce(tier, edge.price_of(tier), wanted.contacts, known.today.day, notice)


handler = entry_point(api)
