"""``python -m infra.local simulate``: how it tells a story, and what it says of one that it cannot read."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from infra.local.__main__ import main
from infra.local.simulate import Simulation
from infra.local.story import StoryFile
from infra.local.stripe_methods import BEHAVIOURS

ROOT = Path(__file__).parents[2]
R13 = ROOT / "tests/scenarios/stories/a-seat-bought-mid-cycle.yaml"
STORY = dedent("""\
    seller:
      us: {timezone: America/New_York, currency: USD}
    catalog:
      prices:
        seat: {product: sales, kind: seat, seat_type: sales, interval: month, amount: "100.00"}
    accounts:
      acme: {payment_method: card_ok}
    steps:
      - at: 2026-01-25T10:00
        call: POST /accounts/acme/checkout
        body: {items: [{price: seat}]}
      - until: 2026-02-25
    expect:
      invoices:
        - {account: acme, total: "100.00"}
        - {account: acme, total: "100.00"}
      counts: {payment.succeeded: 2}
    """)


def simulate(path, *options, seed="0"):
    """The command as a person runs it, in a process of its own."""
    command = [sys.executable, "-m", "infra.local", "simulate", str(path), *options]
    environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def read(path):
    """The same command in this process, which is quicker: its exit status, and what it says on stderr."""
    result = CliRunner().invoke(main, ["simulate", str(path)])
    return result.exit_code, result.stderr.rstrip("\n")


def written(folder, text, name="story.yaml"):
    """A story in a file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def changed(old, new):
    """The story with one thing in it changed."""
    assert STORY.count(old) == 1, f"{old!r} stands {STORY.count(old)} times in the story"
    return STORY.replace(old, new)


# ---- telling


def test_told_as_text_a_story_reads_day_by_day():
    told = simulate(R13)
    assert (told.returncode, told.stderr) == (0, "")
    bill = told.stdout[told.stdout.index("2026-02-25 00:00  acme       invoice.issued") :].splitlines()[:4]
    assert [line.split("  ")[0] for line in bill] == ["2026-02-25 00:00", "", "", "2026-02-25 00:00"]
    assert bill[0].endswith("-00001  658.06 USD")
    assert [line.split(maxsplit=1)[1].split() for line in bill[1:3]] == [
        ["×", "Sales", "Professional", "seat", "2026-02-25/2026-03-25", "600.00"],
        ["×", "Sales", "Professional", "seat,", "18", "of", "31", "days", "2026-02-07/2026-02-25", "58.06"],
    ]


def test_told_as_json_each_line_says_when_whose_and_what():
    told = simulate(R13, "--format", "json")
    assert (told.returncode, told.stderr) == (0, "")
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert all(list(line)[:4] == ["at", "local", "account", "type"] for line in lines)
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    assert [line["type"] for line in lines[:7]] == [
        "api.call",
        "invoice.issued",
        "payment.succeeded",
        "invoice.paid",
        "checkout.completed",
        "subscription.started",
        "api.call",
    ]
    bought = next(line for line in lines if line["type"] == "seats.added")
    assert (bought["at"], bought["local"]) == ("2026-02-07T20:30:00Z", "2026-02-07T15:30:00")


def test_told_as_json_an_issued_invoice_comes_whole():
    told = simulate(R13, "--format", "json").stdout.splitlines()
    first, second, _ = (line for line in map(json.loads, told) if line["type"] == "invoice.issued")
    assert first["invoice"]["subscription"] is None, "the first invoice is the checkout's"
    subscription = first["invoice"]["lines"][0]["subscription"]
    seat = {"price": "sales-seat", "kind": "seat"}
    assert second["invoice"] == {
        "id": f"{subscription}-00001",
        "number": f"{subscription}-00001",
        "subscription": subscription,
        "date": "2026-02-25",
        "currency": "USD",
        "status": "open",
        "total": "658.06",
        "lines": [
            {"description": "6 × Sales Professional seat", "quantity": 6, "amount": "600.00",
             "period": "2026-02-25/2026-03-25", **seat},
            {"description": "1 × Sales Professional seat, 18 of 31 days", "quantity": 1, "amount": "58.06",
             "period": "2026-02-07/2026-02-25", **seat},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["fault-stripe-answers-get-lost", "three-seats-one-by-one"])
def test_the_same_story_twice_gives_the_same_bytes(name):
    path = R13.parent / f"{name}.yaml"
    one, other = (simulate(path, "--format", "json", seed=seed) for seed in ("1", "2"))
    assert one.stdout == other.stdout
    assert one.stdout.splitlines()


def test_a_step_can_begin_at_one_time_and_last_until_another(tmp_path):
    """The first step too."""
    begins = "- {at: 2026-01-24, until: 2026-01-25T09:00}\n  - at: 2026-01-25T10:00"
    path = written(tmp_path, changed("- at: 2026-01-25T10:00", begins))
    assert read(path) == (0, "")
    path = written(tmp_path, changed("- until: 2026-02-25", "- {at: 2026-02-01, until: 2026-02-25}"))
    assert read(path) == (0, "")


def test_a_story_needs_no_network(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    assert read(R13) == (0, "")


# ---- the calendar jumps from one thing that is due to the next

WEEKLY = """\
seller:
  us: {{timezone: America/New_York, currency: USD, retry_days: [1]}}
catalog:
  prices:
    seat: {{product: sales, kind: seat, seat_type: sales, interval: week, amount: "10.00"}}
accounts:
  acme: {{payment_method: card_ok}}
  bolt: {{payment_method: card_ok}}
  cron: {{payment_method: none}}
steps:
  - at: 2026-03-01T21:07
    call: POST /accounts/acme/checkout
    body: {{items: [{{price: seat, starts_on: 2026-03-02}}]}}
    save: {{sub: subscriptions.0.id}}
  - call: POST /accounts/bolt/checkout
    body: {{items: [{{price: seat, starts_on: 2026-03-02}}]}}
  - call: POST /accounts/cron/checkout
    body: {{items: [{{price: seat}}]}}
{trouble}
  - at: 2026-03-02T09:41
    call: POST /accounts/acme/subscriptions/{{sub}}/seats/sales
    body: {{quantity: 1}}
  - until: {until}
"""
TROUBLE = """\
  - stripe: {card: acme, becomes: card_declined}
  - stripe: {lose_webhooks_until: 2026-03-04}
  - fault: {where: store.commit, how: crash_after, times: 2}
  - fault: {where: queue.delete, how: request_lost, times: 4}
  - fault: {where: stripe.create, how: answer_lost, times: 2}
  - fault: {where: stripe.create, how: error_500_before}
"""


@pytest.mark.parametrize(
    ("trouble", "until"),
    [("", "2026-03-02T12:00"), (TROUBLE, "2026-03-03T02:00")],
    ids=["all is well", "all goes wrong"],
)
def test_skipping_the_sweeps_that_find_nothing_changes_nothing(tmp_path, trouble, until):
    story = StoryFile(written(tmp_path, WEEKLY.format(trouble=trouble, until=until)))
    told, contents = {}, {}
    for skip in (True, False):
        told[skip] = []
        simulation = Simulation(story, told[skip].append, skip=skip)
        assert simulation.play() == []
        contents[skip] = simulation.cloud.store.items("prorata")
    assert told[True] == told[False]
    assert contents[True] == contents[False]
    happened = {line["type"] for line in told[True]}
    assert {"subscription.started", "seats.added", "payment.succeeded"} <= happened
    assert ({"checkout.expired", "payment.failed", "subscription.past_due"} <= happened) is bool(trouble)


# ---- expectations that do not hold: exit status 1, each with its line


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("body: {items: [{price: seat}]}", "body: {items: [{price: seat}]}\n    expect: {status: 409}", 9,
         "expected status 409, got 201: "),
        ("price: seat}]}", "price: seats}]}\n    expect: {code: not_sold}", 9,
         "expected the refusal not_sold, got unknown_price: "),
        ("price: seat}]}", "price: seat}]}\n    expect: {body: {status: open}}", 9,
         'expected status: "open" in the answer, got status: "complete"'),
        ("price: seat}]}", "price: seat}]}\n    save: {sub: subscriptions.7.id}", 9,
         "there is no 'subscriptions.7.id' to save in "),
        ("- until: 2026-02-25", "- until: 2026-02-24", 14, "expected 2 invoices, got 1: "),
        ("counts: {payment.succeeded: 2}", "statuses: {sub_1: active}", 17,
         "expected sub_1: active, got sub_1: no such subscription"),
        ("counts: {payment.succeeded: 2}", "counts: {payment.succeeded: 3}", 17,
         "expected payment.succeeded: 3, got payment.succeeded: 2"),
        ("counts: {payment.succeeded: 2}", "events: [{type: seats.added}]", 17,
         'expected {"type": "seats.added"}, got no such event after the one before'),
        ("counts: {payment.succeeded: 2}", "payments:\n    - {status: failed}\n    - {}", 18,
         'expected status: "failed", got status: "succeeded"'),
        ("- until: 2026-02-25", "- stripe: {pay: acme}\n  - until: 2026-02-25", 12, "acme has nothing to pay"),
        ("- until: 2026-02-25", "- fault: {where: stripe.refund, how: late}\n  - until: 2026-02-25", 12,
         "this fault struck nothing: no stripe.refund came after it"),
    ],
)  # fmt: skip
def test_what_does_not_come_out_is_told_with_its_line(tmp_path, old, new, line, says):
    path = written(tmp_path, changed(old, new))
    status, stderr = read(path)
    assert status == 1
    assert f"{path}:{line}: {says}" in stderr


def test_every_expectation_that_does_not_hold_is_told(tmp_path):
    path = written(tmp_path, STORY.replace('total: "100.00"', 'total: "99.00"'))
    told = simulate(path)
    assert told.returncode == 1
    assert told.stderr.splitlines() == [
        f'{path}:15: expected total: "99.00", got total: "100.00"',
        f'{path}:16: expected total: "99.00", got total: "100.00"',
    ]
    assert "payment.succeeded" in told.stdout, "the story is told all the same"


# ---- files that cannot be used: exit status 2, with file, line and reason

NO_TIME = "is no time: write 2026-02-07T15:30 or 2026-02-07."
ONE_KIND = "A step is just one of: call, until, stripe, fault, contacts, publish."
NOT_BACK = "is before the step before: time does not go back."
CARDS = ", ".join(BEHAVIOURS)
OUTSIDE = (
    "The outside does one of, with what may be said beside it: card (becomes), pay (with), settle, fail (code), "
    "authenticate, verify, dispute, win_dispute, lose_dispute, fail_refund, lose_webhooks_until."
)
BROKEN = [
    # what is changed, into what, on which line that is, and the reason
    ("accounts:", "acounts:", 6, "Object contains unknown field `acounts`."),
    ("    call: POST", "    cal: POST", 10, "Object contains unknown field `cal` (at steps.0)."),
    ("card_ok", "card_maybe", 7, "Invalid enum value 'card_maybe' (at accounts.acme.payment_method)."),
    ('amount: "100.00"', "amount: 100.00", 5, "Expected `str`, got `float` (at catalog.prices.seat.amount)."),
    ('amount: "100.00"', 'amount: "-1.00"', 5, "Price 'seat': an amount cannot be negative."),
    ("seat_type: sales, ", "", 5, "Price 'seat': a seat needs a seat_type."),
    ("interval: month", "interval: fortnight", 5,
     "Invalid enum value 'fortnight' (at catalog.prices.seat.interval)."),
    ("product: sales, ", "", 5, "Object missing required field `product` (at catalog.prices.seat)."),
    ("America/New_York", "America/Nowhere", 2,
     "'America/Nowhere' is not a time zone. Use a name like 'Europe/Dublin'."),
    ("currency: USD", "currency: XXX", 2, "'XXX' is not a currency that can be billed in."),
    ("acme: {", "acme: {seller: eu, ", 7, "There is no seller 'eu'."),
    ("acme: {", "7: {", 6, "Expected `str`, got `int` as a key (at accounts)."),
    ("- at: 2026-01-25T10:00\n    call", "- call", 9, "The first step needs `at`: when the story begins."),
    ("2026-01-25T10:00", "2026-01-32T10:00", 9, f"'2026-01-32T10:00' {NO_TIME}"),
    ("- until: 2026-02-25", "- {until: 2026-03-01, fault: {where: webhook, how: late}}", 12, ONE_KIND),
    ("- until: 2026-02-25", "- save: {}", 12, ONE_KIND),
    ("until: 2026-02-25", "until: 2026-02-30", 12, f"'2026-02-30' {NO_TIME}"),
    ("- until: 2026-02-25", "- stripe: {pay: acme}\n    at: 2026-01-25T09:59", 13, f"2026-01-25T09:59 {NOT_BACK}"),
    ("until: 2026-02-25", "until: 2026-01-24", 12, f"2026-01-24 {NOT_BACK}"),
    ("POST /accounts/acme", "POST /accounts/acne", 10, "There is no account 'acne'."),
    ("POST /accounts/acme", "POST accounts/acme", 10, "A call is a method and a path: POST /accounts/acme/checkout"),
    ("until: 2026-02-25", "stripe: {pay: acne}", 12, "There is no account 'acne'."),
    ("until: 2026-02-25", "stripe: {card: acme, becomes: gold}", 12, f"A card becomes one of: {CARDS}."),
    ("until: 2026-02-25", "stripe: {pay: acme, with: gold}", 12,
     f"A payer pays with one of: {', '.join(sorted(BEHAVIOURS))}."),
    ("until: 2026-02-25", "stripe: {settle: acme, code: gone}", 12, OUTSIDE),
    ("until: 2026-02-25", "stripe: {settle: acme, fail: acme}", 12, OUTSIDE),
    ("until: 2026-02-25", "stripe: {lose_webhooks_until: soon}", 12, f"'soon' {NO_TIME}"),
    ("until: 2026-02-25", "fault: {where: webhook, how: late, times: 0}", 12, "A fault happens at least once."),
    ("counts: {payment.succeeded: 2}", "counts: {payment.succeeded: two}", 17,
     "Expected `int`, got `str` (at expect.counts.payment.succeeded)."),
    ("accounts:", "catalog: hub.yaml\naccounts:", 6, "'catalog' stands here twice."),
    ("acme: {", "[acme]: {", 7, "A key is one word, not a list or a mapping."),
    ("acme: {", "acme: &acme {me: *acme, ", 7, "This holds itself."),
    ("  us: {", "\tus: {", 2, "This is not YAML: found character '\\t' that cannot start any token."),
    ("accounts:\n", "accounts: [\n", 8, "This is not YAML: expected ',' or ']', but got '<scalar>'."),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "reason"), BROKEN, ids=[new[:30] for _, new, _, _ in BROKEN])
def test_a_broken_story_is_refused_with_its_line(tmp_path, old, new, line, reason):
    path = written(tmp_path, changed(old, new))
    assert read(path) == (2, f"{path}:{line}: {reason}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, ": The file cannot be read: No such file or directory."),
        (b"", ":1: The file is empty."),
        (b"- just\n- a list\n", ":1: Expected `object`, got `array`."),
        (b"name: \xff\xfe", ": This is no text in UTF-8."),
    ],
    ids=["missing", "empty", "a list", "not text"],
)
def test_what_is_no_story_is_refused(tmp_path, content, reason):
    path = tmp_path / "story.yaml"
    if content is not None:
        path.write_bytes(content)
    told = simulate(path, "--format", "json")
    assert (told.returncode, told.stdout, told.stderr) == (2, "", f"{path}{reason}\n")


CATALOG = """\
products:
  sales: {editions: [starter, professional]}
prices:
  plan: {product: sales, kind: plan, interval: month, amount: "50.00"}
  seat:
    product: sales
    kind: seat
    seat_type: sales
    edition: professional
    interval: month
    amount: "100.00"
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('amount: "100.00"', "amount: 100", 11, "Expected `str`, got `int` (at prices.seat.amount)."),
        ('"100.00"', '"-100.00"', 11, "Price 'seat': an amount cannot be negative."),
        ("edition: professional", "edition: pro", 9, "Price 'seat': there is no edition 'pro'."),
        ("    seat_type: sales\n", "", 5, "Price 'seat': a seat needs a seat_type."),
        ("kind: plan", "kind: plant", 4, "Invalid enum value 'plant' (at prices.plan.kind)."),
    ],
)
def test_a_mistake_in_a_catalogue_of_its_own_is_told_with_that_file(tmp_path, old, new, line, reason):
    catalog = written(tmp_path, CATALOG.replace(old, new), "catalog.yaml")
    story = STORY[: STORY.index("catalog:")] + "catalog: catalog.yaml\n" + STORY[STORY.index("accounts:") :]
    assert read(written(tmp_path, story)) == (2, f"{catalog}:{line}: {reason}")


def test_a_catalogue_that_is_not_there_is_told_with_the_line_that_names_it(tmp_path):
    story = STORY[: STORY.index("catalog:")] + "catalog: hub.yaml\n" + STORY[STORY.index("accounts:") :]
    path = written(tmp_path, story)
    assert read(path) == (2, f"{path}:3: There is no file {tmp_path / 'hub.yaml'}.")


def test_a_price_that_is_published_again_at_another_amount_is_refused_with_its_line(tmp_path):
    dearer = "{product: sales, kind: seat, seat_type: sales, interval: month, amount: '900.00'}"
    again = f"- publish:\n      prices:\n        seat: {dearer}"
    path = written(tmp_path, changed("- until: 2026-02-25", again))
    reason = "Price 'seat' was published before with other terms. Give the new price another id."
    assert read(path) == (2, f"{path}:14: {reason}")
