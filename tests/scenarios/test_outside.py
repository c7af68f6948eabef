"""What payers, their banks and Stripe do in a story: each ``stripe`` step, and what it says when it cannot happen."""

from textwrap import dedent, indent

import pytest

from infra.local.simulate import Simulation
from infra.local.story import METHODS, StoryFile
from infra.local.stripe_methods import TEST_METHODS

STORY = dedent("""\
    seller:
      us: {{timezone: America/New_York, currency: {currency}}}
    catalog:
      prices:
        seat: {{product: sales, kind: seat, seat_type: sales, interval: month, amount: "100.00"}}
    accounts:
      acme: {{payment_method: {method}}}
    steps:
      - at: 2026-01-25T10:00
        call: GET /accounts/acme
    """)
REFUND = "POST", "/v1/refunds"


def type_of(method):
    return "card" if method == "none" else TEST_METHODS[METHODS[method]].type


def bought(method):
    """The step in which acme buys a seat, by the only type that its way to pay is of."""
    body = f"{{items: [{{price: seat}}], payment_methods: [{type_of(method)}]}}"
    return f"- call: POST /accounts/acme/checkout\n  body: {body}\n  save: {{bill: invoice.id}}\n"


def played(folder, method, *steps, currency="USD"):
    """A story of these steps after acme, with this way to pay, has bought a seat: the simulation, and what failed."""
    path = folder / "story.yaml"
    lines = "".join(step if step.startswith("- ") else f"- {step}\n" for step in steps)
    path.write_text(STORY.format(method=method, currency=currency) + indent(lines, "  "), encoding="utf-8")
    simulation = Simulation(StoryFile(path), lambda _: None)
    failures = simulation.play()
    return simulation, [failure.partition(": ")[2] for failure in failures]


def types(simulation):
    return [(told["type"], told["local"][:10]) for told in simulation.told if told["type"].startswith("payment.")]


def payments(simulation):
    intents = simulation.cloud.stripe._account.payment_intents.values()
    return [intent["status"] for intent in intents]


@pytest.mark.parametrize("method", ["card_ok", "card_3ds", "card_3ds_once", "ach_ok", "ach_fails", "sepa_ok"])
def test_an_account_begins_with_a_way_to_pay_that_is_saved(tmp_path, method):
    currency = "EUR" if method == "sepa_ok" else "USD"
    simulation, failures = played(tmp_path, method, currency=currency)
    assert failures == []
    [saved] = [one for one in simulation.cloud.stripe._account.payment_methods.values() if one["customer"]]
    assert saved["type"] == type_of(method)


@pytest.mark.parametrize(
    ("method", "steps", "happened"),
    [
        ("ach_ok", ["until: 2026-02-02"], [("processing", "25"), ("succeeded", "29")]),
        ("sepa_ok", ["until: 2026-02-02"], [("processing", "25"), ("succeeded", "30")]),
        ("ach_fails", ["until: 2026-01-30"], [("processing", "25"), ("failed", "29")]),
        ("ach_pending", ["until: 2026-02-02"], [("processing", "25")]),
        ("ach_pending", ["stripe: {settle: acme}"], [("processing", "25"), ("succeeded", "25")]),
        ("ach_ok", ["stripe: {fail: acme, code: account_closed}"], [("processing", "25"), ("failed", "25")]),
        ("card_3ds", ["stripe: {authenticate: acme}"], [("action_required", "25"), ("succeeded", "25")]),
        ("none", ["stripe: {pay: acme}"], [("succeeded", "25")]),
        (
            "none",
            ["stripe: {pay: acme, with: card_3ds}", "stripe: {authenticate: acme}"],
            [("action_required", "25"), ("succeeded", "25")],
        ),
    ],
)
def test_what_the_outside_does_is_told(tmp_path, method, steps, happened):
    currency = "EUR" if method == "sepa_ok" else "USD"
    simulation, failures = played(tmp_path, method, bought(method), *steps, currency=currency)
    assert failures == []
    told = [(f"payment.{what}", f"2026-01-{day}") for what, day in happened]
    assert types(simulation) == told


def test_a_payer_whose_card_is_declined_sees_that_and_may_take_another(tmp_path):
    simulation, failures = played(tmp_path, "none", bought("none"), "stripe: {pay: acme, with: card_lost}")
    [declined] = simulation.cloud.stripe.theirs("acme", "payment_intent", "requires_payment_method")
    assert (failures, declined["last_payment_error"]["decline_code"]) == ([], "lost_card")
    simulation._outside(0, {"pay": "acme"})
    assert [what for what, _ in types(simulation)] == ["payment.succeeded"]


def test_a_bank_account_is_verified_first(tmp_path):
    steps = ["stripe: {verify: acme}", bought("ach_microdeposits")]
    simulation, failures = played(tmp_path, "ach_microdeposits", *steps)
    assert (failures, payments(simulation)) == ([], ["processing"])


@pytest.mark.parametrize(("how", "status"), [("win", "won"), ("lose", "lost")])
def test_a_payment_is_disputed_and_that_is_decided(tmp_path, how, status):
    steps = ["stripe: {dispute: acme}", f"stripe: {{{how}_dispute: acme}}"]
    simulation, failures = played(tmp_path, "card_ok", bought("card_ok"), *steps)
    assert failures == []
    assert [one["status"] for one in simulation.cloud.stripe.theirs("acme", "dispute", "won", "lost")] == [status]
    assert simulation.cloud.stripe.theirs("other", "dispute", "won", "lost") == []


def test_a_refund_is_given_back(tmp_path):
    simulation, _ = played(tmp_path, "card_ok", bought("card_ok"))
    stripe = simulation.cloud.stripe
    [paid] = stripe.theirs("acme", "payment_intent", "succeeded")
    stripe.answer(*REFUND, {"Authorization": "Bearer sk_test_1"}, f"payment_intent={paid['id']}")
    simulation._outside(0, {"fail_refund": "acme"})
    [refund] = stripe.theirs("acme", "refund", "failed")
    assert refund["amount"] == 10000


@pytest.mark.parametrize(
    ("method", "step", "says"),
    [
        ("none", "card: acme, becomes: card_ok", "acme has no card that could become card_ok"),
        ("card_ok", "card: acme, becomes: ach_ok", "acme: no behaviour 'ach_ok': there are card_ok, "),
        ("card_ok", "pay: acme", "acme has nothing to pay"),
        ("none", "settle: acme", "acme awaits no debit"),
        ("none", "fail: acme", "acme has nothing under way that could fail"),
        ("none", "authenticate: acme", "acme is not asked to authenticate"),
        ("none", "verify: acme", "acme is not asked for microdeposits"),
        ("none", "dispute: acme", "acme has paid nothing that could be disputed"),
        ("none", "win_dispute: acme", "acme disputes nothing"),
        ("none", "fail_refund: acme", "acme was refunded nothing"),
    ],
)
def test_what_cannot_happen_is_told_with_its_line(tmp_path, method, step, says):
    _, [failure] = played(tmp_path, method, bought(method), f"stripe: {{{step}}}")
    assert failure.startswith(says)


def test_a_payer_cannot_pay_by_what_was_not_accepted(tmp_path):
    _, [failure] = played(tmp_path, "none", bought("none"), "stripe: {pay: acme, with: ach_ok}")
    assert failure.startswith("acme: The PaymentMethod provided (us_bank_account) is none of card.")
