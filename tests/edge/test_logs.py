"""With the logs on, as they are in production, every answer is the one that it is without them."""

from tests.world import World


def test_a_refusal_is_logged_with_its_code(logged):
    assert World().sells().call("GET", "/accounts/acme", account="globex").status == 403
    assert [line["code"] for line in logged("refused")] == ["foreign_account"]


def test_an_outage_of_the_table_is_logged_and_answered_with_503(logged, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)  # between its own tries
    world = World().sells()
    world.cloud.faults.arm("store.get", "error_500_before", times=20)
    assert world.call("GET", "/accounts/acme").status == 503
    assert [(line["levelname"], line["error"]) for line in logged("unavailable")] == [("ERROR", "GetError")]


def test_a_mistake_of_ours_is_logged_with_its_trace(logged, monkeypatch):
    world = World().sells()
    monkeypatch.setattr("functions.accounts.views.overview", lambda *_: 1 / 0)
    assert world.call("GET", "/accounts/acme").status == 500
    [line] = logged("unexpected")
    assert line["exc_info"][0] is ZeroDivisionError


def test_what_happens_is_logged_with_its_ids(logged):
    world = World().sells()
    subscription = world.subscribed()
    world.on("2026-02-25T06:00:00Z")
    [line] = logged("subscription.renewed")
    assert (line["account"], line["facts"]["subscription"]) == ("acme", subscription)
