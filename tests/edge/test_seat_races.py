"""Many who want the last seats at once: no seat is given twice, nobody sits on one who is gone."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import HTTPConnection
from threading import Barrier, local

import pytest

from infra.local import aws, template
from shared.domain import user as users
from shared.domain.changes import Changes
from shared.domain.errors import BillingError
from shared.domain.seating import Moves, charged
from shared.domain.user import User
from shared.edge import seating
from shared.store import queries, table
from tests.edge.another_lambda import Meanwhile
from tests.world import World

NOW = datetime(2026, 2, 7, 15, tzinfo=UTC)
THREADS = {"ours": 32, "ministack": 5}  # that one serves one request after another
WANTING = {"ours": 500, "ministack": 150}
UNSIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=x/20260207/eu-central-1/dynamodb/aws4_request"}
GIVE = "users.edit billing.modify"


def office(seats, names):
    """Acme with so many seats, and these users."""
    world = World().sells()
    world.subscription = world.subscribed({"price": "sales-seat", "quantity": seats})
    world.on("2026-02-07T15:00:00Z")
    for start in range(0, len(names), 50):
        table.commit(Changes(put=tuple(User("acme", name) for name in names[start : start + 50])), NOW)
    return world


@pytest.fixture(params=["ours", "ministack"])
def moved(request, over_http):
    """Has a world's table where it is, or in a server that we have not written."""
    address, client = over_http
    here, lines = local(), []

    def ask(call):
        """Pass a call on, each thread by a line of its own."""
        if not hasattr(here, "line"):
            here.line = HTTPConnection(address.removeprefix("http://"))
            lines.append(here.line)
        headers = {
            name: str(value, "ascii") if isinstance(value, bytes) else value for name, value in call.headers.items()
        }
        here.line.request("POST", "/", call.body, headers | UNSIGNED)
        answer = here.line.getresponse()
        return aws.response(answer.status, json.loads(answer.read()))

    def move(world):
        if request.param == "ministack":
            items = world.contents()
            names = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
            table = {name: template.read().table[name] for name in names}
            others = dict(aws.answering)
            aws.answering.clear()  # what is asked now goes to the server, and is signed
            client.create_table(**table, TableName=template.TABLE_NAME)
            for item in items:
                client.put_item(TableName=template.TABLE_NAME, Item=item)
            aws.answering.update(others, dynamodb=ask)
        world.threads = THREADS[request.param]
        return world

    move.wanting = WANTING[request.param]
    yield move
    for line in lines:
        line.close()


def persistently(decide, name):
    """What the function does, and a client that repeats on ``busy``; the code of a refusal."""
    once = table.Once("acme", name, "digest", {})
    while True:
        try:
            table.commit(decide(), NOW, once)
        except table.Stale:
            continue
        except BillingError as refusal:
            return refusal.code
        return None


def assign(subscription, name):
    def decide():
        made = seating.one("acme", subscription, Moves("sales", assign=(name,)), NOW)
        charged(made.seatings, 0)
        return made.changes

    return persistently(decide, f"assign-{name}")


def known(name):
    found = queries.some_users("acme", [name])
    if not found:
        raise BillingError("gone", code="unknown_user")
    return found[name]


def delete(name):
    return persistently(lambda: users.deleted(known(name)), f"delete-{name}")


def deactivate(name):
    def decide():
        before = known(name)
        after = User("acme", name, active=False, seats=before.seats, version=before.version)
        return Changes(put=(after,), events=users.put(before, after, with_seats=False))

    return persistently(decide, f"deactivate-{name}")


def at_once(things, threads):
    """Do all of it, so many at a time, from the same moment."""
    together = Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda _: together.wait(), range(threads)))
        return [done.result() for done in [pool.submit(*thing) for thing in things]]


def check(world):
    """What the counter says is what the users say, and no more than is paid; how many sit."""
    subscription = queries.book("acme", world.subscription).subscription
    sitting = queries.seated_users("acme", world.subscription)
    assert subscription.assigned_of("sales") == len(sitting) <= subscription.items[0].quantity
    return sitting


def test_of_500_who_want_one_of_50_seats_50_are_given_one(switching, moved):
    names = [f"user-{n:03}" for n in range(moved.wanting)]
    world = moved(office(50, names))

    wanting = [(assign, world.subscription, name) for name in names]
    leaving = [(delete, name) if n % 2 else (deactivate, name) for n, name in enumerate(names[::10])]
    together = [
        thing for n, each in enumerate(wanting) for thing in (each, *leaving[n // 10 : n // 10 + (n % 10 == 0)])
    ]

    answered = dict(zip(together, at_once(together, world.threads), strict=True))

    answers = [answered[each] for each in wanting]
    assert answers.count(None) == 50, "though some were deleted or made inactive meanwhile"
    assert set(answers) <= {None, "no_free_seat", "unknown_user", "user_inactive"}
    given = [name for name, refused in zip(names, answers, strict=True) if refused is None]
    assert [user.id for user in check(world)] == given
    assert {answered[each] for each in leaving if each[-1] not in given} == {None}


def test_whoever_is_deleted_or_made_inactive_meanwhile_is_treated_as_one_or_the_other(switching, moved):
    names = [f"user-{n:02}" for n in range(60)]
    world = moved(office(60, names))
    others = [(delete, name) if n % 2 else (deactivate, name) for n, name in enumerate(names)]

    answers = at_once(
        [thing for n, name in enumerate(names) for thing in ((assign, world.subscription, name), others[n])],
        world.threads,
    )

    given, other = answers[::2], answers[1::2]
    for n in range(60):
        if n % 2:
            assert (given[n], other[n]) in ((None, "user_holds_seats"), ("unknown_user", None))
        else:
            assert (given[n], other[n]) in ((None, None), ("user_inactive", None))
    sitting = check(world)
    assert [user.id for user in sitting] == [
        name for name, refused in zip(names, given, strict=True) if refused is None
    ]


def test_the_last_seat_is_given_once_whoever_commits_first():
    world = office(1, ["ann", "bob"])
    path = f"/accounts/acme/subscriptions/{world.subscription}/seats/sales/users"
    Meanwhile(world).happens(lambda: world.call("PUT", f"{path}/bob", {}, permissions=GIVE))
    late = world.call("PUT", f"{path}/ann", {}, permissions=GIVE)
    assert (late.status, late.json["code"]) == (409, "no_free_seat")
    assert late.json["detail"] == (
        "No seat is free: it takes 1 more sales seat, for 58.06 USD until 2026-02-25. Say how many to buy."
    )
    assert [user.id for user in check(world)] == ["bob"]


def test_who_is_deleted_while_they_are_given_a_seat_gets_none_and_it_is_not_bought():
    world = office(1, ["ann", "bob"])
    path = f"/accounts/acme/subscriptions/{world.subscription}/seats/sales/users"
    world.call("PUT", f"{path}/bob", {}, permissions=GIVE)
    Meanwhile(world).happens(lambda: world.call("DELETE", "/accounts/acme/users/ann", permissions=GIVE))
    late = world.call("PUT", f"{path}/ann", {"buy": 1}, permissions=GIVE)
    assert (late.status, late.json["code"]) == (404, "unknown_user")
    assert queries.book("acme", world.subscription).subscription.items[0].quantity == 1
    assert [user.id for user in check(world)] == ["bob"]


def test_a_removal_and_who_takes_the_same_seat_at_the_same_moment_are_one_after_the_other():
    world = office(2, ["ann"])
    path = f"/accounts/acme/subscriptions/{world.subscription}/seats/sales"
    world.call("PUT", f"{path}/users/ann", {}, permissions=GIVE)
    world.call("DELETE", f"{path}/users/ann", None, permissions=GIVE)
    Meanwhile(world).happens(lambda: world.call("PUT", f"{path}/removal", {"quantity": 1}))
    assert world.call("PUT", f"{path}/users/ann", {}, permissions=GIVE).json["removal_canceled"] is None
    assert queries.book("acme", world.subscription).removals[0].quantity == 1
    world.on("2026-02-26")
    assert [user.id for user in check(world)] == ["ann"]
