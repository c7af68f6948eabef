"""The catalogue: tiers, what can be sold at all, and at which price a further seat is sold."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import yaml

from shared.domain.catalog import MOST_PRICES, MOST_TIERS, Catalog, Kind, Price, SeatType, Tier, check, terms_of
from shared.domain.errors import Conflict, Invalid, NotFound
from shared.domain.money import Money
from shared.domain.periods import Interval
from shared.domain.subscription import item_of
from shared.edge.schemas import PutCatalog
from tests.domain.examples import CATALOG, PLAN, PRODUCTS, SEAT, SEAT_TYPES, YEARLY_SEAT, seat_price

HUB = Path(__file__).parents[2] / "infra" / "catalog" / "hub.yaml"

CONTACTS = Price(
    id="contacts",
    product="sales",
    kind=Kind.CONTACTS,
    name="Marketing contacts",
    interval=Interval.MONTH,
    included_contacts=2000,
    step=Tier(5000, "250.00"),
)
GRATIS = (SeatType("view-only", "View-Only", free=True, unlimited=True), SeatType("partner", "Partner", free=True))
BANDS = replace(CONTACTS, step=None, amount="10.00", tiers=(Tier(7000, "250.00"), Tier(12000, "450.00")))


@pytest.mark.parametrize(
    ("price", "contacts", "limit", "amount"),
    [
        (CONTACTS, 0, 2000, "0.00"),
        (CONTACTS, 2000, 2000, "0.00"),
        (CONTACTS, 2001, 7000, "250.00"),
        (CONTACTS, 7000, 7000, "250.00"),
        (CONTACTS, 7001, 12000, "500.00"),
        (CONTACTS, 12001, 17000, "750.00"),
        (CONTACTS, 17001, 22000, "1000.00"),
        (CONTACTS, 22000, 22000, "1000.00"),
        (CONTACTS, 22001, 27000, "1250.00"),
        (BANDS, 2000, 2000, "10.00"),
        (BANDS, 2001, 7000, "260.00"),
        (BANDS, 7001, 12000, "460.00"),
        (BANDS, 12000, 12000, "460.00"),
    ],
)
def test_f15_the_tier_is_the_smallest_that_holds_the_contacts(price, contacts, limit, amount):
    assert price.tier(contacts, "USD") == (limit, Money.parse(amount, "USD"))


def test_f9_one_contact_too_many_is_the_next_tier():
    starter = replace(CONTACTS, included_contacts=1000, step=Tier(1000, "45.00"))
    assert starter.tier(998 + 5, "USD") == (2000, Money(45_00, "USD"))


def test_more_contacts_than_the_last_tier_holds_are_refused():
    with pytest.raises(Invalid, match="at most 12000 contacts") as refusal:
        BANDS.tier(12001, "USD")
    assert refusal.value.code == "too_many_contacts"


def test_contacts_are_bought_as_one_tier():
    item = item_of(CONTACTS, 6500, "USD")
    assert (item.name, item.quantity, item.contacts) == ("Marketing contacts, up to 7,000", 1, 7000)
    assert item.fee == Money(250_00, "USD")


def test_a_price_without_a_currency_is_sold_in_the_buyers():
    assert SEAT.unit("EUR") == Money(100_00, "EUR")
    assert replace(SEAT, currency="EUR").unit("EUR") == Money(100_00, "EUR")
    with pytest.raises(Conflict, match="sold in EUR and not in USD") as refusal:
        replace(SEAT, currency="EUR").unit("USD")
    assert refusal.value.code == "wrong_currency"


def test_a_price_of_the_catalogue_is_found_by_its_id():
    assert CATALOG.price("sales-seat") is SEAT
    with pytest.raises(NotFound) as refusal:
        CATALOG.price("sales-seat-2019")
    assert refusal.value.code == "unknown_price"


OLD = replace(SEAT, id="old", amount="80.00", legacy=True)
ANY_EDITION = replace(SEAT, id="any-edition", edition=None)
COMMITTED = replace(SEAT, id="committed", amount="90.00", term=Interval.YEAR)
OTHER_TERM = replace(COMMITTED, term=Interval.QUARTER)
IN_EUROS = replace(SEAT, id="in-euros", currency="EUR")
SERVICE = replace(SEAT, id="service", seat_type="service")
ENTERPRISE = replace(SEAT, id="enterprise", edition="enterprise")


@pytest.mark.parametrize(
    ("on_sale", "bought_at", "sold_at"),
    [
        ([SEAT, COMMITTED], "sales-seat", "sales-seat"),  # the price there is, even if another fits more closely
        ([OLD, SEAT], "old", "sales-seat"),  # not sold to new buyers any more
        ([SEAT], "old", "sales-seat"),  # gone from the catalogue
        ([PLAN, SEAT], "hub-professional", "sales-seat"),  # the seats there are came with the plan
        ([SEAT, COMMITTED], "old", "committed"),  # the buyer's own commitment before any
        ([ANY_EDITION, SEAT], "old", "sales-seat"),  # the buyer's own edition before any
        ([ANY_EDITION, ENTERPRISE], "old", "any-edition"),
        ([IN_EUROS, SEAT], "old", "sales-seat"),
    ],
)
def test_r39_a_further_seat_is_sold_at_the_price_of_today(on_sale, bought_at, sold_at):
    assert next_seat(on_sale, bought_at).id == sold_at


@pytest.mark.parametrize("other", [OLD, SERVICE, ENTERPRISE, YEARLY_SEAT, IN_EUROS, OTHER_TERM])
def test_r39_a_seat_that_nobody_sells_any_more_is_refused(other):
    with pytest.raises(Conflict, match="No more Sales seats are sold here") as refusal:
        next_seat([other], "old")
    assert refusal.value.code == "not_sold"


def next_seat(on_sale, bought_at):
    """Where the buyer pays monthly, in dollars, for the professional edition, committed for a year."""
    catalog = Catalog(PRODUCTS, SEAT_TYPES, tuple(on_sale))
    return catalog.seat_price(
        bought_at, "sales", "professional", "sales", Interval.MONTH, Interval.YEAR, currency="USD"
    )


def test_only_whether_it_is_still_sold_can_change_of_a_price():
    assert terms_of(replace(SEAT, legacy=True)) == terms_of(SEAT)
    assert terms_of(replace(SEAT, amount="80.00")) != terms_of(SEAT)


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (replace(SEAT, id="Sales Seat"), ("prices", "Sales Seat")),
        (replace(SEAT, id=""), ("prices", "")),
        (replace(SEAT, id="a" * 65), ("prices", "a" * 65)),
        (replace(SEAT, product="sails"), ("prices", "sales-seat", "product")),
        (replace(SEAT, edition="deluxe"), ("prices", "sales-seat", "edition")),
        (replace(SEAT, seat_type="box"), ("prices", "sales-seat", "seat_type")),
        (replace(SEAT, seat_type=None), ("prices", "sales-seat", "seat_type")),
        (replace(SEAT, interval=None), ("prices", "sales-seat", "interval")),
        (replace(SEAT, interval=Interval.YEAR, term=Interval.MONTH), ("prices", "sales-seat", "term")),
        (replace(SEAT, interval=Interval.WEEK, term=Interval.YEAR), ("prices", "sales-seat", "term")),
        (replace(SEAT, currency="XXX"), ("prices", "sales-seat", "amount")),
        (replace(SEAT, amount="a lot"), ("prices", "sales-seat", "amount")),
        (replace(SEAT, amount="1.5", currency="JPY"), ("prices", "sales-seat", "amount")),
        (replace(SEAT, amount="-1.00"), ("prices", "sales-seat", "amount")),
        (replace(SEAT, step=Tier(1000, "1.00")), ("prices", "sales-seat", "tiers")),
        (replace(PLAN, seat_type=None), ("prices", "hub-professional", "seat_type")),
        (replace(PLAN, included_seats=-1), ("prices", "hub-professional", "included_seats")),
        (replace(PLAN, minimum=1), ("prices", "hub-professional", "minimum")),
        (replace(SEAT, minimum=-1), ("prices", "sales-seat", "minimum")),
        (replace(SEAT, seat_type="view-only"), ("prices", "sales-seat", "seat_type")),
        (replace(SEAT, seat_type="view-only", amount="0.00"), ("prices", "sales-seat", "seat_type")),
        (replace(SEAT, seat_type="partner"), ("prices", "sales-seat", "amount")),
        (replace(SEAT, seat_type="partner", amount="0.01"), ("prices", "sales-seat", "amount")),
        (replace(PLAN, included_contacts=-1), ("prices", "hub-professional", "included_contacts")),
        (replace(PLAN, interval=None, term=Interval.YEAR), ("prices", "hub-professional", "term")),
        (replace(CONTACTS, step=None), ("prices", "contacts", "tiers")),
        (replace(CONTACTS, step=Tier(0, "1.00")), ("prices", "contacts", "tiers")),
        (replace(CONTACTS, step=Tier(5000, "-1.00")), ("prices", "contacts", "tiers")),
        (replace(CONTACTS, tiers=BANDS.tiers), ("prices", "contacts", "tiers")),
        (replace(BANDS, tiers=(Tier(2000, "1.00"),)), ("prices", "contacts", "tiers")),
        (replace(BANDS, tiers=(Tier(9000, "2.00"), Tier(7000, "1.00"))), ("prices", "contacts", "tiers")),
        (replace(BANDS, tiers=(Tier(9000, "1,00"),)), ("prices", "contacts", "tiers")),
        (
            replace(BANDS, tiers=tuple(Tier(3000 + n, "1.00") for n in range(MOST_TIERS + 1))),
            ("prices", "contacts", "tiers"),
        ),
    ],
)
def test_a_price_that_could_not_be_sold_at_is_refused_with_where_it_is_wrong(wrong, path):
    with pytest.raises(Invalid) as refusal:
        check(replace(CATALOG, seat_types=(*SEAT_TYPES, *GRATIS), prices=(wrong,)))
    assert refusal.value.path == path


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({"products": (replace(PRODUCTS[0], id="Sales!"),)}, ("products", "Sales!")),
        ({"seat_types": (replace(SEAT_TYPES[0], id="-"),)}, ("seat_types", "-")),
        ({"seat_types": (*SEAT_TYPES, replace(GRATIS[0], free=False))}, ("seat_types", "view-only", "unlimited")),
        ({"prices": tuple(seat_price(id=f"seat-{n}") for n in range(MOST_PRICES + 1))}, ("prices",)),
    ],
)
def test_a_catalogue_that_could_not_be_sold_from_is_refused(wrong, path):
    with pytest.raises(Invalid) as refusal:
        check(replace(CATALOG, **wrong))
    assert (refusal.value.code, refusal.value.path) == ("invalid_catalog", path)


def test_what_can_be_sold_is_accepted():
    check(Catalog())
    check(replace(CATALOG, prices=(*CATALOG.prices, CONTACTS, COMMITTED, SERVICE)))
    check(replace(CATALOG, prices=(BANDS,)))
    check(replace(CATALOG, prices=(replace(CONTACTS, step=Tier(1, "0.00")),)))
    gift = replace(SEAT, seat_type="partner", amount="0.00")
    check(replace(CATALOG, seat_types=(*SEAT_TYPES, *GRATIS), prices=(replace(SEAT, minimum=5), gift)))


def sample():
    return msgspec.convert(yaml.safe_load(HUB.read_text()), PutCatalog).to_catalog()


def test_the_sample_catalogue_can_be_sold_from():
    check(sample())


def test_f6_f17_the_sample_catalogue_holds_the_list_prices():
    catalog = sample()
    assert catalog.price("sales-seat") == SEAT
    assert {
        plan.id: (plan.amount, plan.included_seats, plan.included_contacts)
        for plan in catalog.prices
        if plan.kind is Kind.PLAN and plan.interval is Interval.MONTH
    } == {
        "hub-free": ("0.00", 2, 1000),
        "hub-starter": ("20.00", 1, 1000),
        "hub-professional": ("890.00", 3, 2000),
        "hub-enterprise": ("3600.00", 5, 10000),
    }
    assert [catalog.price("contacts-professional").tier(n, "USD")[0] for n in (1, 2001, 7001, 12001, 17001)] == [
        2000, 7000, 12000, 17000, 22000,
    ]  # fmt: skip


def test_r14_every_edition_of_the_sample_catalogue_sells_further_seats_at_its_own_rate():
    catalog = sample()
    [free, *plans] = [price for price in catalog.prices if price.kind is Kind.PLAN]
    with pytest.raises(Conflict, match="No more Core seats are sold here"):
        further_seat(catalog, free)
    assert {plan.id: further_seat(catalog, plan).amount for plan in plans} == {
        "hub-starter": "20.00",
        "hub-professional": "45.00",
        "hub-enterprise": "75.00",
        "hub-professional-year": "540.00",
        "hub-enterprise-year": "900.00",
    }


def test_f5_starter_has_core_seats_and_those_that_cost_nothing_sales_and_service_begin_with_professional():
    catalog = sample()
    sold = {}
    for price in catalog.prices:
        if price.seat_type:
            sold.setdefault((price.product, price.edition), set()).add(price.seat_type)
    assert sold == {
        ("hub", "free"): {"core"}, ("hub", "starter"): {"core"}, ("hub", "professional"): {"core"},
        ("hub", "enterprise"): {"core"}, ("hub", None): {"partner", "developer"},
        ("sales", "professional"): {"sales"}, ("service", "professional"): {"service"},
    }  # fmt: skip
    editions = {product.id: product.editions for product in catalog.products}
    assert editions["sales"] == editions["service"] == ("professional", "enterprise")
    assert {each.id: (each.free, each.unlimited) for each in catalog.seat_types} == {
        "core": (False, False), "sales": (False, False), "service": (False, False),
        "view-only": (True, True), "partner": (True, False), "developer": (True, False),
    }  # fmt: skip


def test_f6_of_sales_and_service_seats_one_can_be_bought():
    seats = [price for price in sample().prices if price.seat_type in {"sales", "service"}]
    assert [(price.kind, price.minimum) for price in seats] == [(Kind.SEAT, 0)] * 4


def further_seat(catalog, plan):
    return catalog.seat_price(
        plan.id, plan.product, plan.edition, plan.seat_type, plan.interval, plan.term or plan.interval, "USD"
    )


def test_f20_the_sample_plans_allow_a_multiple_of_their_contacts_in_e_mails_and_free_tools_2000():
    plans = [price for price in sample().prices if price.kind is Kind.PLAN]
    assert {plan.id: plan.included_contacts * plan.sends_per_contact for plan in plans} == {
        "hub-free": 2_000, "hub-starter": 5_000, "hub-professional": 20_000, "hub-professional-year": 20_000,
        "hub-enterprise": 100_000, "hub-enterprise-year": 100_000,
    }  # fmt: skip


def test_f20_a_tier_allows_the_same_multiple_as_the_plan_that_it_is_sold_beside():
    catalog = sample()
    multiples = {(each.edition, each.sends_per_contact) for each in catalog.prices if each.sends_per_contact}
    assert multiples == {("free", 2), ("starter", 5), ("professional", 10), ("enterprise", 10)}


@pytest.mark.parametrize(
    ("price", "sizes"),
    [
        ("contacts-starter", [(1000, "0.00"), (2000, "45.00"), (3000, "90.00"), (4000, "135.00")]),
        ("contacts-professional", [
            (2000, "0.00"), (7000, "250.00"), (12_000, "500.00"), (17_000, "750.00"), (22_000, "1000.00"),
            (27_000, "1250.00"),
        ]),
        ("contacts-professional-year", [(2000, "0.00"), (7000, "2696.64"), (12_000, "5393.28")]),
        ("contacts-enterprise", [(10_000, "0.00"), (20_000, "100.00"), (30_000, "200.00")]),
        ("contacts-enterprise-year", [(10_000, "0.00"), (20_000, "1200.00"), (30_000, "2400.00")]),
    ],
)  # fmt: skip
def test_f15_f16_the_sample_tiers_rise_by_the_steps_of_their_edition(price, sizes):
    sold, fewest = sample().price(price), 1
    for limit, amount in sizes:
        each = (limit, Money.parse(amount, "USD"))
        assert (sold.tier(fewest, "USD"), sold.tier(limit, "USD")) == (each, each)
        fewest = limit + 1


def test_f15_every_paid_plan_of_the_sample_that_includes_contacts_has_a_larger_tier():
    catalog = sample()
    plans = [each for each in catalog.prices if each.kind is Kind.PLAN and each.edition != "free"]
    larger = {}
    for plan in plans:
        for term in [plan.term] if plan.term else [plan.interval, Interval.YEAR]:
            beside = catalog.contacts_price(plan.edition, plan.interval, term, "USD")
            included, _ = beside.tier(0, "USD")
            assert included == plan.included_contacts
            larger[plan.id] = beside.tier(included + 1, "USD")[0]
    assert larger == {
        "hub-starter": 2000, "hub-professional": 7000, "hub-professional-year": 7000,
        "hub-enterprise": 20_000, "hub-enterprise-year": 20_000,
    }  # fmt: skip
