"""Contact tiers: the smallest that holds the count, what an upgrade costs, and lowering it at a renewal."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import tiers
from shared.domain.catalog import Kind, Price, Tier
from shared.domain.checkout import LineItem
from shared.domain.errors import BillingError, Conflict
from shared.domain.money import Money
from shared.domain.periods import Interval
from shared.domain.subscription import Status, Subscription
from tests.domain.examples import ACME, PLAN, at, bill, bought, day, run

STARTER = Price(
    "contacts-starter", "marketing", Kind.CONTACTS, name="Marketing contacts", edition="starter",
    interval=Interval.MONTH, included_contacts=1000, step=Tier(1000, "45.00"), sends_per_contact=5,
)  # fmt: skip
PRO = replace(STARTER, id="contacts-pro", edition="professional", included_contacts=2000, step=Tier(5000, "250.00"))
PRO_YEAR = replace(PRO, id="contacts-pro-year", interval=Interval.YEAR, step=Tier(5000, "2696.64"))
BANDS = replace(
    PRO, id="contacts-bands", step=None,
    tiers=(Tier(7000, "250.00"), Tier(12000, "475.00"), Tier(22000, "875.00")),
)  # fmt: skip


def holding(price, contacts=1, on="2026-04-15", **terms):
    return bought(LineItem(price, contacts, **terms), on=on)


def upgraded(book, price, count, on):
    [item] = book.subscription.items
    changes = tiers.upgrade(book, item, price, count, day(on))
    return changes, book.after(changes)


def test_f9_one_contact_too_many_is_the_next_tier_charged_for_the_rest_of_the_period_on_the_day_after():
    changes, after = upgraded(holding(STARTER), STARTER, 1003, "2026-04-20")
    assert [(item.name, item.contacts, item.unit.decimal) for item in after.subscription.items] == [
        ("Marketing contacts, up to 2,000", 2000, "45.00")
    ]
    [owed] = after.pending
    assert (str(owed.period), owed.amount.decimal, str(owed.invoice_on)) == (
        "2026-04-21/2026-05-15", "36.00", "2026-04-21",
    )  # fmt: skip
    [event] = changes.events
    assert (event.type, event.data["from"], event.data["to"], event.data["amount"]) == (
        "tier.upgraded", 1000, 2000, "36.00",
    )  # fmt: skip


def test_r54_the_following_day_one_invoice_is_drawn_and_the_new_price_is_due_from_the_next_period_on():
    _, after = upgraded(holding(STARTER), STARTER, 1003, "2026-04-20")
    assert run(after, "2026-04-20").invoices == []
    done = run(after, "2026-06-15")
    assert [(str(each.date), bill(each)) for each in done.invoices] == [
        ("2026-04-21", [("1 × Marketing contacts, up to 2,000, 24 of 30 days", "36.00")]),
        ("2026-05-15", [("1 × Marketing contacts, up to 2,000", "45.00")]),
        ("2026-06-15", [("1 × Marketing contacts, up to 2,000", "45.00")]),
    ]
    assert done.book.pending == ()
    assert done.book.subscription.extra_invoice_on is None


def test_d5_several_tiers_at_once_are_one_charge_of_the_new_price_less_the_old_each_share_rounded():
    book = holding(BANDS, 7000)
    changes, after = upgraded(book, BANDS, 12_001, "2026-04-19")
    [owed] = after.pending
    share = Fraction(25, 30)
    assert owed.amount == Money(87500, "USD").share(share) - Money(25000, "USD").share(share)
    assert (owed.amount.decimal, owed.quantity) == ("520.84", 1)  # 729.17 less 208.33
    [event] = changes.events
    assert (event.data["from"], event.data["to"]) == (7000, 22000)


def test_d5_upgraded_on_the_last_day_nothing_is_prorated():
    _, after = upgraded(holding(STARTER), STARTER, 1003, "2026-05-14")
    assert (after.pending, after.subscription.extra_invoice_on) == ((), None)
    [renewal] = run(after, "2026-05-15").invoices
    assert bill(renewal) == [("1 × Marketing contacts, up to 2,000", "45.00")]


def test_d5_paid_for_the_year_the_rest_of_the_year_is_charged():
    _, after = upgraded(holding(PRO_YEAR), PRO_YEAR, 2001, "2026-04-20")
    [owed] = after.pending
    assert (str(owed.period), owed.whole.days) == ("2026-04-21/2027-04-15", 365)
    assert owed.amount == Money(269664, "USD").share(Fraction(359, 365))


def test_f14_billed_by_the_month_in_a_yearly_commitment_it_costs_the_higher_price_until_the_term_ends():
    book = holding(PRO, 7000, term=Interval.YEAR)
    _, after = upgraded(book, PRO, 7001, "2026-04-20")
    done = run(after, "2027-03-15")
    assert [each.total.decimal for each in done.invoices] == ["200.00", *["500.00"] * 11]


def test_r55_f16_the_price_depends_on_the_present_tier_on_by_how_much_and_on_the_term():
    def charge(price, tier, count, **terms):
        _, after = upgraded(holding(price, tier, **terms), price, count, "2026-04-20")
        return after.pending[0].amount.decimal

    assert charge(PRO, 2000, 2001) == "200.00"
    assert charge(PRO, 7000, 7001) == "200.00"
    assert charge(PRO, 2000, 7001) == "400.00"
    assert charge(BANDS, 7000, 7001) == "180.00", "later bands are cheaper"
    assert charge(PRO_YEAR, 2000, 2001) == "2652.31", "and so is a year paid in advance"


def test_r56_upgraded_twice_in_a_period_each_charge_is_over_the_tier_before():
    _, once = upgraded(holding(STARTER), STARTER, 1003, "2026-04-20")
    billed = run(once, "2026-04-25").book
    _, twice = upgraded(billed, STARTER, 2500, "2026-04-30")
    [owed] = twice.pending
    assert (owed.unit.decimal, owed.less.decimal, owed.amount.decimal) == ("90.00", "45.00", "21.00")


def test_what_no_tier_holds_gets_the_largest_and_then_nothing_changes():
    _, after = upgraded(holding(BANDS, 7000), BANDS, 99_000, "2026-04-20")
    assert after.subscription.items[0].contacts == 22000
    assert upgraded(after, BANDS, 99_000, "2026-04-21")[0].put == ()


def test_a_plan_that_includes_contacts_gets_an_item_beside_it():
    book = bought(LineItem(replace(PLAN, included_contacts=2000)), on="2026-04-15")
    held = tiers.of([book.subscription])
    assert held.limit == 2000
    after = book.after(tiers.upgrade(book, held.item, PRO, 2001, day("2026-04-20")))
    assert [item.name for item in after.subscription.items] == ["Hub Professional", "Marketing contacts, up to 7,000"]
    assert tiers.of([after.subscription]).limit == 7000
    assert after.pending[0].amount.decimal == "200.00"
    [renewal] = run(after, "2026-05-15").invoices[1:]
    assert renewal.total.decimal == "1140.00"


def test_a_plan_that_includes_more_than_the_item_beside_it_is_the_tier():
    plan = replace(PLAN, included_contacts=7000)
    book = bought(LineItem(plan), LineItem(STARTER, 2000), on="2026-04-15")
    held = tiers.of([book.subscription])
    assert (held.item.name, held.limit) == ("Hub Professional", 7000)
    after = book.after(tiers.upgrade(book, held.item, PRO, 7001, day("2026-04-20")))
    assert [item.contacts for item in after.subscription.items] == [7000, 12000]
    [owed] = after.pending
    assert (owed.unit.decimal, owed.less.decimal) == ("500.00", "45.00"), "what was paid beside the plan is taken off"


def test_the_larger_of_two_subscriptions_is_the_tier():
    smaller, larger = holding(STARTER, 1000).subscription, holding(STARTER, 3000).subscription
    assert tiers.of([larger, smaller]).limit == tiers.of([smaller, larger]).limit == 3000
    assert tiers.of([replace(larger, status=Status.CANCELED), smaller]).limit == 1000


def test_of_two_tiers_in_a_subscription_both_are_taken_off():
    """They cannot be bought. Were there two, what takes their place would cost what it costs more than both."""
    book = holding(STARTER, 3000)
    second = replace(book.subscription.items[0], price="another", contacts=2000, unit=Money(4500, "USD"))
    book = book._replace(subscription=replace(book.subscription, items=(*book.subscription.items, second)))
    held = tiers.of([book.subscription])
    after = book.after(tiers.upgrade(book, held.item, STARTER, 3001, day("2026-04-20")))
    assert [item.contacts for item in after.subscription.items] == [4000]
    assert (after.pending[0].unit.decimal, after.pending[0].less.decimal) == ("135.00", "135.00")


@pytest.mark.parametrize(
    ("bought_", "alive", "code"),
    [
        ((1000, 2000), (), "second_contact_tier"),
        ((2000,), (2000,), "contact_tier_held"),
        ((1000,), (3000, 1000), "contact_tier_held"),
        ((2000,), (1000,), None),
        ((2000,), (), None),
    ],
)
def test_a_second_tier_is_sold_only_where_it_is_larger(bought_, alive, code):
    subscriptions = [[holding(STARTER, n).subscription for n in tiers_] for tiers_ in (bought_, alive)]
    if code is None:
        tiers.check_bought(ACME, *subscriptions)
        return
    with pytest.raises(BillingError) as refused:
        tiers.check_bought(ACME, *subscriptions)
    assert refused.value.code == code


def test_r41_without_marketing_contacts_no_tier_is_sold():
    without = replace(ACME, marketing_contacts=False)
    with pytest.raises(Conflict) as refused:
        tiers.check_bought(without, [holding(STARTER).subscription], [])
    assert refused.value.code == "no_marketing_contacts"
    tiers.check_bought(without, [bought(LineItem(PLAN)).subscription], [])


def test_what_is_charged_for_a_larger_tier_says_what_it_is_the_rest_of():
    _, after = upgraded(holding(BANDS, 7000), BANDS, 12_001, "2026-04-19")
    [drawn] = run(after, "2026-04-20").invoices
    assert bill(drawn) == [("1 × Marketing contacts, up to 22,000, 875.00 less 250.00, 25 of 30 days", "520.84")]


def test_a_second_tier_that_starts_later_is_sold():
    later = replace(holding(STARTER).subscription, status=Status.SCHEDULED)
    tiers.check_bought(ACME, [later], [holding(STARTER, 3000).subscription])


def test_what_a_larger_tier_costs_first_is_the_rest_of_the_period_in_which_it_is_exceeded():
    held = tiers.of([holding(STARTER).subscription])
    larger = tiers.next_tier(held, STARTER)
    assert [
        tiers.charged_first(held, larger, day(on)).decimal
        for on in ("2026-04-20", "2026-05-13", "2026-05-14", "2026-05-15", "2026-07-20")
    ] == ["36.00", "1.50", "0.00", "43.55", "36.29"]


def test_f20_the_send_limit_is_a_multiple_of_the_tier_and_rises_with_it():
    book = holding(STARTER)
    assert tiers.of([book.subscription]).sends == 5000
    _, after = upgraded(book, STARTER, 1003, "2026-04-20")
    assert tiers.of([after.subscription]).sends == 10000


# -- lowering it


def lowered(book, contacts=1000, on="2026-05-01", notice=5, price=STARTER):
    tier = tiers.of([book.subscription])
    reduction = tiers.reduce(tier, price, contacts, day(on), notice)
    return book.after(tiers.scheduled(book.subscription, reduction))


def counted(book, count, on):
    return book.after(tiers.counted(book.subscription, count, day(on)))


def refused(*args, **kwargs):
    with pytest.raises(Conflict) as caught:
        lowered(*args, **kwargs)
    return caught.value.code


def test_r57_without_being_asked_the_tier_never_falls():
    done = run(holding(STARTER, 3000), "2027-04-15")
    assert {each.total.decimal for each in done.invoices} == {"90.00"}
    assert done.book.subscription.items[0].contacts == 3000


@pytest.mark.parametrize("count", [998, 1000])
def test_r57_a_reduction_takes_effect_at_the_renewal_if_the_contacts_fit_then(count):
    book = lowered(holding(STARTER, 3000))
    assert run(book, "2026-05-15").invoices == [], "the renewal waits for the count"
    done = run(counted(book, count, "2026-05-15"), "2026-05-15")
    assert done.invoices == []  # 1,000 are included
    assert done.book.subscription.items[0].contacts == 1000
    assert done.book.subscription.tier_reduction is None
    [_, event] = done.events
    assert (event.type, event.data["from"], event.data["to"]) == ("tier.reduced", 3000, 1000)


def test_r57_if_they_do_not_fit_the_tier_stays():
    done = run(counted(lowered(holding(STARTER, 3000)), 1001, "2026-05-15"), "2026-05-15")
    assert bill(done.invoices[0]) == [("1 × Marketing contacts, up to 3,000", "90.00")]
    [_, canceled, _] = done.events
    assert (canceled.type, canceled.data["cause"]) == ("tier.reduction_canceled", "too_many_contacts")


def test_r57_in_a_yearly_commitment_the_renewal_is_that_of_the_year():
    book = lowered(holding(PRO, 12_000, term=Interval.YEAR), 2000, price=PRO)
    done = run(book, "2027-04-15")
    assert len(done.invoices) == 11
    assert str(done.book.subscription.next_invoice_on) == "2027-04-15"
    assert run(counted(done.book, 1500, "2027-04-15"), "2027-04-15").book.subscription.items[0].contacts == 2000


def test_r107_a_count_before_the_renewal_day_decides_nothing():
    book = lowered(holding(STARTER, 3000))
    assert tiers.counted(book.subscription, 500, day("2026-05-14")).put == ()
    late = counted(book, 500, "2026-05-20")
    assert run(late, "2026-05-20").book.subscription.items[0].contacts == 1000


def test_f11_a_reduction_is_asked_for_five_business_days_before_the_renewal():
    book = holding(STARTER, 3000)  # renews on Friday, 15 May
    assert lowered(book, on="2026-05-08").subscription.tier_reduction.item.contacts == 1000
    assert refused(book, on="2026-05-09") == "reduction_too_late"
    assert lowered(book, on="2026-05-14", notice=1).subscription.tier_reduction, "how many is the seller's policy"


def test_f11_a_tier_that_is_not_lower_is_refused():
    book = holding(STARTER, 3000)
    assert refused(book, 2001) == "not_lower"
    assert refused(holding(STARTER)) == "not_lower"
    plan = bought(LineItem(replace(PLAN, included_contacts=2000)), on="2026-04-15")
    assert refused(plan) == "lowest_tier"
    assert refused(holding(STARTER, 3000, payments=1)) == "subscription_ends"


def test_a_reduction_is_taken_back():
    book = lowered(holding(STARTER, 3000))
    after = book.after(tiers.canceled(book.subscription))
    assert run(after, "2026-05-15").book.subscription.items[0].contacts == 3000
    assert tiers.canceled(after.subscription).put == ()


def test_r54_a_tier_that_rises_while_a_reduction_waits_leaves_it_waiting():
    book = lowered(holding(STARTER, 3000))
    _, after = upgraded(book, STARTER, 3001, "2026-05-03")
    assert after.subscription.tier_reduction == book.subscription.tier_reduction
    done = run(counted(after, 900, "2026-05-15"), "2026-05-15")
    assert done.book.subscription.items[0].contacts == 1000


@given(st.integers(1, 60_000), st.integers(1, 60_000), st.sampled_from([STARTER, PRO, BANDS]), st.integers(0, 29))
def test_f9_the_tier_is_the_smallest_that_holds_the_count_and_no_smaller_than_before(has, count, price, days):
    has = min(has, price.most_contacts or has)
    book = holding(price, has)
    before = book.subscription.items[0].contacts
    on = day("2026-04-15").fromordinal(day("2026-04-15").toordinal() + days)
    _, after = upgraded(book, price, count, str(on))
    steps = [price.included_contacts, *(tier.up_to for tier in price.tiers)]
    if price.step:
        steps += [price.included_contacts + price.step.up_to * n for n in range(1, 70)]
    enough = [step for step in steps if step >= count] or [steps[-1]]
    assert after.subscription.items[0].contacts == max(before, min(enough))
    full = after.subscription.fee - book.subscription.fee
    owed = sum(item.amount.amount for item in after.pending)
    assert 0 <= owed <= full.amount
    assert isinstance(after.subscription, Subscription)
    assert at(str(on)) < after.subscription.due_at
