"""What cannot be done is refused with a stable code and a sentence; nothing of it is written, and nothing breaks."""

import base64
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.local.invocations import Call, http_event
from infra.local.simulate import CUSTOMER, STAFF
from shared.edge import schemas
from shared.edge.permissions import PERMISSIONS
from shared.store.queries import _write as cursor
from tests.world import SEAT, World

ACME = "/accounts/acme"
CHECKOUT = f"{ACME}/checkout"
SUBSCRIPTION = f"{ACME}/subscriptions/SUB"
SEATS = f"{SUBSCRIPTION}/seats/sales"
SELLER = {"timezone": "Europe/Dublin", "currency": "EUR"}
LONG = "x" * 300


@pytest.fixture(scope="module")
def world():
    """Acme has five seats; it and the catalogue are there in every test, whatever the test adds."""
    world = World().sells()
    world.subscription = world.subscribed()
    return world


@pytest.fixture
def refused(world):
    """Send what must be refused; the status and code of the refusal."""

    def refused(method, path, body=None, *, headers=None, permissions=CUSTOMER):
        world.calls += 1
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        claims = {"account": "acme", "permissions": permissions}
        headers = {"Idempotency-Key": f"call-{world.calls}"} if headers is None else headers
        path = f"/v1{path.replace('SUB', world.subscription)}"
        before = world.contents()
        reply = world.cloud.request(Call(method, path, text, headers, claims))
        assert world.contents() == before, "a refusal writes nothing"
        return check_problem(reply)

    return refused


def check_problem(reply):
    """A refusal as RFC 9457 has it; its status and code."""
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json
    assert problem.keys() - {"pointer"} == {"type", "title", "status", "detail", "code"}
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["status"] == reply.status
    assert problem["detail"].endswith((".", "?")), "a sentence that a customer can read"
    return reply.status, problem["code"]


# -- the body ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "quantity", ["two", "1", 1.5, True, None, [1], {"n": 1}, 0, -1, 10**9 + 1, 10**30, -(10**30), 1e300]
)
def test_a_quantity_is_a_whole_number_from_1(refused, quantity):
    for path, body in ((SEATS, {}), (f"{SEATS}/preview", {}), (CHECKOUT, {"price": "sales-seat"})):
        asked = {"quantity": quantity, **body}
        assert refused("POST", path, {"items": [asked]} if body else asked) == (422, "invalid_body")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SEATS, {}),
        (SEATS, {"quantity": 1, "unit_price": "0.01"}),
        (SEATS, {"quantity": 1, "Quantity": 2}),
        (SEATS, []),
        (SEATS, "[" * 60_000),
        (SEATS, '{"quantity":' * 5_000),
        (SEATS, None),
        (CHECKOUT, {}),
        (CHECKOUT, {"items": []}),
        (CHECKOUT, {"items": {}}),
        (CHECKOUT, {"items": [{}]}),
        (CHECKOUT, {"items": [{"price": "sales-seat"}] * 51}),
        (CHECKOUT, {"items": [{"price": "sales-seat", "amount": "0.01"}]}),
        (CHECKOUT, {"items": [{"price": "sales-seat"}], "status": "paid"}),
        (CHECKOUT, {"items": [{"price": ""}]}),
        (CHECKOUT, {"items": [{"price": LONG}]}),
        (CHECKOUT, {"items": [{"price": "sales-seat", "term": "fortnight"}]}),
        (CHECKOUT, {"items": [{"price": "sales-seat", "payments": 0}]}),
        (CHECKOUT, {"items": [{"price": "sales-seat", "starts_on": "2026-02-30"}]}),
        (CHECKOUT, {"items": [{"price": "sales-seat", "starts_on": "tomorrow"}]}),
        (f"{ACME}/payment-method", {"payment_method": ""}),
        (f"{ACME}/payment-method", {"payment_method": 4242424242424242}),
        (f"{ACME}/payment-method", {"card_number": "4242424242424242"}),
    ],
)
def test_a_body_of_another_shape_is_refused(refused, path, body):
    assert refused("POST", path, body) == (422, "invalid_body")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/accounts/new", {}),
        ("/accounts/new", {"seller": "us", "balance": 5}),
        ("/accounts/new", {"seller": "us", "name": LONG}),
        ("/accounts/new", {"seller": "us", "billing_contacts": ["nobody"]}),
        ("/accounts/new", {"seller": "us", "billing_contacts": ["a@b.test\nBcc: all@b.test"]}),
        ("/accounts/new", {"seller": "us", "billing_contacts": ["a@b.test\n"]}),
        ("/accounts/new", {"seller": "us", "billing_contacts": ["a@b.test"] * 21}),
        ("/sellers/new", {"timezone": "Europe/Dublin"}),
        ("/sellers/new", SELLER | {"retry_days": [0]}),
        ("/sellers/new", SELLER | {"retry_days": [1] * 11}),
        ("/sellers/new", SELLER | {"address": "x" * 1001}),
        ("/catalog", {}),
        ("/catalog", {"prices": {"seat": SEAT | {"kind": "gift"}}}),
        ("/catalog", {"prices": {"seat": SEAT | {"amount": 100}}}),
        ("/catalog", {"prices": {"seat": SEAT | {"amount": "1e3"}}}),
        ("/catalog", {"prices": {"seat": SEAT | {"included_seats": -1}}}),
        ("/catalog", {"prices": {f"seat-{n}": {"product": "p", "kind": "plan"} for n in range(1001)}}),
    ],
)
def test_a_body_of_staff_of_another_shape_is_refused(refused, path, body):
    assert refused("PUT", path, body, permissions=STAFF) == (422, "invalid_body")


@pytest.mark.parametrize(
    "text",
    ["{", "quantity=1", "<xml/>", '{"quantity": 1', '{"quantity": 1}}', '{"quantity": NaN}', "{'quantity': 1}",
     '{"quantity": 01}', "\ufeff{}", '{"quantity": "\\ud800"}'],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_what_is_no_json_is_malformed(refused, text):
    assert refused("POST", SEATS, text) == (400, "malformed_json")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{\x00", "{é".encode("latin-1")])
def test_bytes_that_are_no_text_are_malformed(world, content):
    path = f"/v1{SEATS.replace('SUB', world.subscription)}"
    [route] = [route for route in world.cloud.template.routes if route.path.endswith("{type}")]
    parts = {"account": "acme", "subscription": world.subscription, "type": "sales"}
    call = Call("POST", path, "", {"Idempotency-Key": "bytes"}, {"account": "acme", "permissions": CUSTOMER})
    event = http_event(route, call, parts, world.cloud.now)
    event |= {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}
    answer = world.cloud.invoke("SeatsFunction", event)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (400, "malformed_json")


def test_a_body_is_at_most_64_kilobytes_and_a_catalogue_a_megabyte(refused):
    fits, too_large = (json.dumps({"quantity": "x" * size}) for size in (64 * 1024 - 16, 64 * 1024 - 15))
    assert len(too_large) == 64 * 1024 + 1
    assert refused("POST", SEATS, fits) == (422, "invalid_body")
    assert refused("POST", SEATS, too_large) == (413, "body_too_large")
    assert refused("POST", SEATS, '{"quantity": "' + "é" * 33_000 + '"}') == (413, "body_too_large"), "bytes count"
    assert refused("PUT", "/catalog", " " * (1024 * 1024 + 1), permissions=STAFF) == (413, "body_too_large")


def test_the_pointer_says_where_in_the_body_it_is_wrong(world):
    items = [{"price": "sales-seat"}, {"price": "sales-seat", "quantity": 0}]
    reply = world.call("POST", CHECKOUT, {"items": items})
    assert reply.json == {
        "type": "/problems/invalid_body",
        "title": "Invalid body",
        "status": 422,
        "detail": "`items[1].quantity` must be a whole number of at least 1.",
        "code": "invalid_body",
        "pointer": "/items/1/quantity",
    }


ONE = {"price": "sales-seat"}
PRICE = {"product": "sales", "kind": "seat", "amount": "1.00"}
AN_ID = "an id: at most 64 letters, digits, `.`, `_` and `-`, the first a letter or a digit"


@pytest.mark.parametrize(
    ("method", "path", "body", "detail", "pointer"),
    [
        ("POST", CHECKOUT, [], "The body must be an object with fields, not a list.", None),
        ("POST", CHECKOUT, {}, "`items` is missing.", "/items"),
        ("POST", CHECKOUT, {"items": [{}]}, "`items[0].price` is missing.", "/items/0/price"),
        ("POST", CHECKOUT, {"items": [ONE | {"color": 1}]}, "`items[0].color` is not known here.", "/items/0/color"),
        ("POST", CHECKOUT, {"items": []}, "`items` must be a list of at least 1 entry.", "/items"),
        ("POST", CHECKOUT, {"items": [ONE] * 51}, "`items` must be a list of at most 50 entries.", "/items"),
        ("POST", CHECKOUT, {"items": [{"price": ""}]},
         "`items[0].price` must be a text in quotes of at least 1 character.", "/items/0/price"),
        ("POST", CHECKOUT, {"items": [ONE | {"starts_on": "soon"}]},
         "`items[0].starts_on` must be a date like 2026-02-25.", "/items/0/starts_on"),
        ("POST", CHECKOUT, {"items": [ONE | {"term": "decade"}]},
         "`items[0].term` must be one of the values that the documentation names, not 'decade'.", "/items/0/term"),
        ("POST", CHECKOUT, {"items": [ONE], "expect_amount": 5},
         "`expect_amount` must be a text in quotes or null, not a whole number.", "/expect_amount"),
        ("POST", CHECKOUT, {"items": [ONE], "expect_amount": "five"},
         '`expect_amount` must be an amount in a text, like "12.50".', "/expect_amount"),
        ("POST", CHECKOUT, {"items": [ONE], "replaces": "a b"}, f"`replaces` must be {AN_ID}.", "/replaces"),
        ("POST", SEATS, {"quantity": 10**10}, "`quantity` must be a whole number of at most 1,000,000,000.",
         "/quantity"),
        ("POST", SEATS, {"quantity": 1.5}, "`quantity` must be a whole number, not a decimal number.", "/quantity"),
        ("POST", SEATS, '{"quantity": 1e400}', "`quantity` must be a number that is not so large.", "/quantity"),
        ("POST", SEATS, {"a\nb": 1}, "`a\nb` is not known here.", "/a\nb"),
        ("PUT", ACME, {"billing_contacts": ["ann"]}, "`billing_contacts[0]` must be an e-mail address.",
         "/billing_contacts/0"),
        ("PUT", "/catalog", {"prices": {}}, "`prices` must be an object with fields of at least 1 entry.",
         "/prices"),
        ("PUT", "/catalog", {"prices": {"a": PRICE | {"kind": "gift"}}},
         "`prices[...].kind` must be one of the values that the documentation names, not 'gift'.",
         "/prices/kind"),
    ],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_told_of_in_words_that_are_no_programmers(
    world, method, path, body, detail, pointer
):
    reply = world.call(method, path, body, permissions=STAFF)
    assert (reply.status, reply.json["code"], reply.json.get("pointer")) == (422, "invalid_body", pointer)
    assert reply.json["detail"] == detail


# -- the Idempotency-Key -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [SEATS, CHECKOUT, f"{ACME}/payment-method"])
def test_whatever_buys_needs_an_idempotency_key(refused, path):
    bodies = {SEATS: {"quantity": 1}, CHECKOUT: {"items": [{"price": "sales-seat"}]}}
    body = bodies.get(path, {})
    assert refused("POST", path, body, headers={}) == (422, "idempotency_key_missing")
    assert refused("POST", path, body, headers={"Idempotency-Key": ""}) == (422, "idempotency_key_missing")
    for key in ("k" * 256, "tab\there", "null\x00", "\ud800"):
        assert refused("POST", path, body, headers={"Idempotency-Key": key}) == (422, "invalid_idempotency_key")


# -- ids ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("GET", "/accounts/nobody", None, "unknown_account"),
        ("GET", "/accounts/nobody/subscriptions", None, "unknown_account"),
        ("GET", "/accounts/nobody/invoices", None, "unknown_account"),
        ("GET", "/accounts/nobody/events", None, "unknown_account"),
        ("POST", "/accounts/nobody/checkout", {"items": [{"price": "sales-seat"}]}, "unknown_account"),
        ("POST", "/accounts/nobody/checkout/preview", {"items": [{"price": "sales-seat"}]}, "unknown_account"),
        ("POST", "/accounts/nobody/payment-method", {}, "unknown_account"),
        ("PUT", "/accounts/new", {"seller": "nobody"}, "unknown_seller"),
        ("GET", "/sellers/nobody", None, "unknown_seller"),
        ("GET", f"{ACME}/subscriptions/sub_none", None, "unknown_subscription"),
        ("GET", f"{ACME}/subscriptions/sub_none/seats", None, "unknown_subscription"),
        ("POST", f"{ACME}/subscriptions/sub_none/seats/sales", {"quantity": 1}, "unknown_subscription"),
        ("POST", "/accounts/globex/subscriptions/SUB/seats/sales", {"quantity": 1}, "unknown_subscription"),
        ("POST", f"{SUBSCRIPTION}/seats/service", {"quantity": 1}, "unknown_seat_type"),
        ("POST", f"{SUBSCRIPTION}/seats/service/preview", {"quantity": 1}, "unknown_seat_type"),
        ("POST", CHECKOUT, {"items": [{"price": "nothing"}]}, "unknown_price"),
        ("POST", CHECKOUT, {"items": [{"price": "SALES-SEAT"}]}, "unknown_price"),
        ("GET", f"{ACME}/checkout/co_none", None, "unknown_checkout"),
        ("GET", f"{ACME}/invoices/none", None, "unknown_invoice"),
        ("GET", f"{ACME}/invoices/SUB", None, "unknown_invoice"),
    ],
)
def test_what_is_not_there_is_a_404(refused, method, path, body, code):
    assert refused(method, path, body, permissions=STAFF) == (404, code)


@pytest.mark.parametrize(
    "odd",
    ["%23", "acme%23", "acme#", "ACCOUNT#acme", "%20", " ", "a b", "acme ", "acme%00", "acme\x00", "..", ".", "-a",
     "_a", "é", "a%2Fb", "a\\b", "a'b", "{account}", "*", "~", "a" * 65, "a" * 5000],
    ids=lambda odd: odd[:12],
)  # fmt: skip
def test_an_odd_id_is_nobodys(refused, odd):
    for path in (
        f"/accounts/{odd}",
        f"/sellers/{odd}",
        f"{ACME}/subscriptions/{odd}",
        f"{ACME}/invoices/{odd}",
        f"{ACME}/checkout/{odd}",
    ):
        assert refused("GET", path, permissions=STAFF) == (404, "not_found")
    assert refused("POST", f"{SUBSCRIPTION}/seats/{odd}", {"quantity": 1}) == (404, "not_found")
    assert refused("PUT", f"/accounts/{odd}", {"seller": "us"}, permissions=STAFF) == (404, "not_found")


# -- lists -------------------------------------------------------------------------------------------------

LISTS = [f"{ACME}/subscriptions", f"{ACME}/invoices", f"{ACME}/events", "/subscriptions"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "+1", "1.5", "ten", "1,2", "1 0", "²", "9" * 5000])
@pytest.mark.parametrize("path", LISTS)
def test_a_limit_is_a_number_from_1_to_100(refused, path, limit):
    assert refused("GET", f"{path}?limit={limit}", permissions=STAFF) == (422, "invalid_limit")


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "odd",
    ["x", "é", "====", encoded("{}"), encoded("null"), encoded("[]"), encoded("[1]"), encoded("[[]]"),
     encoded("[null]"), encoded('["x"]'), encoded('[""]'), encoded('["SUB#1#","SUB#2#","SUB#3#"]'),
     encoded('["x",null]'), encoded("[99,null]"), encoded("[-1,null]"), encoded("[1e400,null]"), encoded("[0,7]"),
     encoded('[0,"x"]'), encoded('[true,"a#b"]'), encoded("[" * 3000), encoded('["SUB#' + "x" * 2000 + '"]'),
     encoded('[0,"' + "x" * 2000 + '#a"]'), encoded('["SUB#\\ud800"]'), encoded('["INVOICE#\\ud800"]')],
    ids=lambda text: text[:20],
)  # fmt: skip
@pytest.mark.parametrize("path", LISTS)
def test_a_made_up_cursor_is_refused(refused, path, odd):
    assert refused("GET", f"{path}?cursor={odd}", permissions=STAFF) == (422, "invalid_cursor")


def test_a_cursor_of_another_list_is_refused(refused):
    given_out = {
        f"{ACME}/subscriptions": cursor(("SUB#sub_1#",)),
        f"{ACME}/invoices": cursor(("INVOICE#sub_1-00001#",)),
        f"{ACME}/events": cursor(("EVENT#2026-01-25T15:00:00.000000Z#000001-0#",)),
        "/subscriptions": cursor((3, "acme#sub_1")),
    }
    for path in LISTS:
        for other in set(LISTS) - {path}:
            asked = f"{path}?cursor={given_out[other]}"
            assert refused("GET", asked, permissions=STAFF) == (422, "invalid_cursor"), asked


@pytest.mark.parametrize("status", ["unpaid", "ACTIVE", "active,canceled", "x" * 5000])
def test_a_list_by_status_knows_its_statuses(refused, status):
    assert refused("GET", f"/subscriptions?status={status}", permissions=STAFF) == (422, "unknown_status")


# -- money, dates, zones -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shown", "status", "code"),
    [
        (100, 422, "invalid_body"),
        ("a lot", 422, "invalid_body"),
        ("NaN", 422, "invalid_body"),
        ("1e2", 422, "invalid_body"),
        ("1" * 16, 422, "invalid_body"),
        ("100.001", 422, "invalid_amount"),
        ("١٠٠.٠٠", 422, "invalid_amount"),
        ("100\n", 422, "invalid_amount"),
        ("999999999999999", 422, "invalid_amount"),
        ("99.99", 409, "price_changed"),
        ("-100.00", 409, "price_changed"),
        ("0", 409, "price_changed"),
    ],
)
def test_a_price_that_is_not_the_one_shown_buys_nothing(refused, shown, status, code):
    assert refused("POST", CHECKOUT, {"items": [{"price": "sales-seat"}], "expect_amount": shown}) == (status, code)
    assert refused("POST", SEATS, {"quantity": 1, "expect_amount": shown}) == (status, code)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/sellers/new", SELLER | {"timezone": "Dublin"}, 422, "unknown_timezone"),
        ("/sellers/new", SELLER | {"timezone": "../../etc/passwd"}, 422, "unknown_timezone"),
        ("/sellers/new", SELLER | {"timezone": "Europe"}, 422, "unknown_timezone"),
        ("/sellers/new", SELLER | {"timezone": "UTC\x00"}, 422, "unknown_timezone"),
        ("/sellers/new", SELLER | {"timezone": "+01:00"}, 422, "unknown_timezone"),
        ("/sellers/new", SELLER | {"currency": "EURO"}, 422, "unknown_currency"),
        ("/sellers/new", SELLER | {"currency": "eur"}, 422, "unknown_currency"),
        ("/sellers/us", {"timezone": "Europe/Dublin", "currency": "USD"}, 409, "seller_fixed"),
        ("/sellers/us", {"timezone": "America/New_York", "currency": "EUR"}, 409, "seller_fixed"),
        ("/accounts/new", {"seller": "us", "currency": "XXX"}, 422, "unknown_currency"),
        ("/accounts/acme", {"seller": "us", "currency": "EUR"}, 409, "account_fixed"),
        ("/catalog", {"prices": {"SEAT": SEAT}}, 422, "invalid_catalog"),
        ("/catalog", {"prices": {"": SEAT}}, 422, "invalid_catalog"),
        ("/catalog", {"prices": {"a": SEAT}, "products": {"x#y": {}}}, 422, "invalid_catalog"),
        ("/catalog", {"prices": {"a": SEAT | {"currency": "???"}}}, 422, "unknown_currency"),
        ("/catalog", {"prices": {"a": SEAT | {"currency": "JPY", "amount": "1.5"}}}, 422, "invalid_amount"),
        ("/catalog", {"prices": {"a": SEAT | {"amount": "-1"}}}, 422, "invalid_catalog"),
        ("/catalog", {"prices": {"a": SEAT | {"tiers": [{"up_to": 1, "amount": "1"}]}}}, 422, "invalid_catalog"),
        ("/catalog", {"prices": {"sales-seat": SEAT | {"amount": "1.00"}}}, 409, "price_immutable"),
    ],
)  # fmt: skip
def test_what_staff_may_not_set_is_refused(refused, path, body, status, code):
    assert refused("PUT", path, body, permissions=STAFF) == (status, code)


@pytest.mark.parametrize(
    ("item", "status", "code"),
    [
        ({"quantity": 10**9}, 422, "invalid_quantity"),
        ({"term": "week"}, 422, "wrong_term"),
        ({"payments": 1201}, 422, "invalid_payments"),
        ({"term": "year", "payments": 13}, 422, "invalid_payments"),
        ({"starts_on": "2026-01-24"}, 422, "invalid_start"),
        ({"starts_on": "0001-01-01"}, 422, "invalid_start"),
        ({"starts_on": "9999-12-31"}, 422, "invalid_start"),
    ],
)
def test_terms_that_nobody_sells_are_refused(refused, item, status, code):
    body = {"items": [{"price": "sales-seat", **item}]}
    for path in (CHECKOUT, f"{CHECKOUT}/preview"):
        assert refused("POST", path, body) == (status, code)


def test_more_seats_than_anybody_has_are_refused(refused):
    assert refused("POST", SEATS, {"quantity": 10**9}) == (409, "amount_too_large")
    assert refused("POST", f"{SEATS}/preview", {"quantity": 1_000_000}) == (409, "amount_too_large")


# -- anything ----------------------------------------------------------------------------------------------

FIELDS = sorted({name for body in schemas.Body.__subclasses__() for name in body.__struct_fields__})
WORDS = [*FIELDS, "sales-seat", "seat", "sales", "us", "USD", "JPY", "Europe/Dublin", "month", "year", "1", "100.00",
         "pm_card_visa", "pm_card_chargeDeclined", "acme", "2026-03-01", "-1", "é", "\x00", "a@b.test"]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(WORDS), st.text(max_size=20)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=12,
)
PRICES = st.fixed_dictionaries(
    {"product": st.just("sales"), "kind": st.sampled_from(["seat", "plan", "contacts", "addon"])},
    optional={name: SCALARS for name in schemas.PutPrice.__struct_fields__ if name not in ("product", "kind")},
)
BODIES = ANYTHING | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FIELDS, ANYTHING),
        "items": st.lists(st.fixed_dictionaries({"price": st.just("sales-seat")}, optional={
            name: SCALARS for name in schemas.LineItem.__struct_fields__ if name != "price"}), max_size=3),
        "prices": st.dictionaries(st.sampled_from(WORDS), PRICES, max_size=3),
        "quantity": st.integers(-5, 10**10),
        "seller": st.just("us"),
    },
)  # fmt: skip
IDS = st.sampled_from(["acme", "us", "sales", "SUB", "new", "%23", "a" * 200]) | st.text(max_size=8).filter(
    lambda text: text and not set(text) & set("/?")
)
SINGLE = st.sampled_from(["limit=1", "limit=x", "cursor=W10", "status=active", "status=x", "limit", "=", "&&"])


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.sampled_from(sorted(PERMISSIONS)), st.lists(IDS, min_size=3, max_size=3), BODIES, SINGLE | st.text())
@example("POST /v1/accounts/{account}/checkout", ["acme", "", ""], {"items": [{"price": "sales-seat"}] * 50}, "")
def test_nothing_that_anybody_sends_breaks_it(world, route, ids, body, query):
    method, path = route.split(" ")
    names = ("account" if "{account}" in path else "seller", "subscription", "type")
    filled = path.format_map({
        **dict.fromkeys(("checkout", "contact", "file", "invoice", "user", "quote"), ids[1]),
        **dict(zip(names, ids, strict=True)),
    })  # fmt: skip
    world.calls += 1
    headers = {"Idempotency-Key": f"call-{world.calls}"}
    address = f"{filled.replace('SUB', world.subscription)}?{query}"
    claims = {"account": "acme", "permissions": STAFF}
    reply = world.cloud.request(Call(method, address, json.dumps(body), headers, claims))
    assert reply.status < 500, reply.body
    if reply.status >= 300 and "json" in reply.headers["content-type"] and reply.json.keys() != {"message"}:
        check_problem(reply)


# -- in a world of its own, and so at the end ---------------------------------------------------------------


def test_a_catalogue_may_fill_its_megabyte_but_not_with_names_of_products():
    world = World()
    prices = {f"seat-{number}": SEAT | {"name": "x" * 200, "edition": "e" * 200} for number in range(1000)}
    for _ in range(2):
        reply = world.call("PUT", "/catalog", {"prices": prices}, permissions=STAFF, key="k")
        assert (reply.status, reply.json["version"], len(reply.json["prices"])) == (200, 1, 1000)
    before = world.contents()
    products = {f"product-{number}": {"name": "x" * 200} for number in range(2000)}
    body = {"prices": {"seat": SEAT | {"product": "product-1"}}, "products": products}
    reply = world.call("PUT", "/catalog", body, permissions=STAFF)
    assert check_problem(reply) == (422, "invalid_catalog")
    assert world.contents() == before


def test_an_amount_that_no_invoice_can_hold_is_refused():
    world = World().sells(dear=SEAT | {"amount": "900000000000"})
    before = world.contents()
    for path in (CHECKOUT, f"{CHECKOUT}/preview"):
        reply = world.call("POST", path, {"items": [{"price": "dear", "quantity": 1_000_000}]})
        assert check_problem(reply) == (422, "amount_too_large")
    assert world.contents() == before
