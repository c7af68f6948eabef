"""The pay page and the update page as their payer meets them, with a stand-in for Stripe's Payment Element."""

import pytest

from shared.store import queries
from tests.world import SEAT

FIVE_SEATS = {"items": [{"price": "sales-seat", "quantity": 5}]}


def checkout(world, **more):
    """The pay page of a checkout of five seats."""
    made = world.call("POST", "/accounts/acme/checkout", FIVE_SEATS | more).json
    assert made["status"] == "open"
    return made["payment"]["pay_page"]


def statuses(world):
    """What acme has: its subscriptions, and how far its invoices are paid."""
    subscriptions = world.call("GET", "/accounts/acme/subscriptions").json["items"]
    return [each["status"] for each in subscriptions], [bill["status"] for bill in world.invoices()]


def bought(world, browser, method="A Visa that works"):
    """Five seats, paid on the page; the id of their subscription."""
    browser.open(checkout(world)).choose(method).press("Pay 500.00 USD")
    browser.sees(".standing", "Paid on 25 January 2026")
    [subscription] = world.call("GET", "/accounts/acme/subscriptions").json["items"]
    return subscription["id"]


def pay_page(world, invoice):
    return world.call("GET", f"/accounts/acme/invoices/{invoice}").json["pay_page"]


# -- the pay page ------------------------------------------------------------------------------------------


def test_a_checkout_is_paid_on_its_page_and_its_subscription_starts(world, browser):
    browser.open(checkout(world))
    assert browser.said(".standing") == "500.00 USD to pay."
    assert statuses(world) == ([], ["waiting_for_payer"])
    browser.choose("A Visa that works").press("Pay 500.00 USD")
    browser.sees(".standing", "Paid on 25 January 2026. Thank you.")
    assert browser.said("form, #problem") == ""
    assert statuses(world) == (["active"], ["paid"])


def test_a_declined_card_says_so_and_the_next_card_pays(world, browser):
    browser.open(checkout(world)).choose("A card without funds").press("Pay 500.00 USD")
    browser.sees("#problem", "Your card has insufficient funds.")
    assert statuses(world) == ([], ["waiting_for_payer"])
    browser.choose("A Mastercard that works").press("Pay 500.00 USD")
    browser.sees(".standing", "Paid on 25 January 2026")
    assert statuses(world) == (["active"], ["paid"])
    assert len(world.cloud.stripe._account.payment_intents) == 1


def test_who_chooses_nothing_is_asked_to(world, browser):
    browser.open(checkout(world)).press("Pay 500.00 USD")
    browser.sees("#problem", "Please choose a way to pay.")
    assert statuses(world) == ([], ["waiting_for_payer"])


def test_a_card_whose_bank_asks_is_confirmed_by_its_payer(world, browser):
    browser.open(checkout(world)).choose("A card whose bank asks").press("Pay 500.00 USD")
    browser.sees("#bank", "Your bank asks: is it you who pays?")
    browser.press("Yes, it is me")
    browser.sees(".standing", "Paid on 25 January 2026")
    assert statuses(world) == (["active"], ["paid"])


def test_who_tells_the_bank_no_has_not_paid_and_can_pay_by_another_card(world, browser):
    browser.open(checkout(world)).choose("A card whose bank asks").press("Pay 500.00 USD")
    browser.sees("#bank", "Your bank asks")
    browser.press("No")
    browser.sees("#problem", "Your bank did not confirm that it is you. Please try again, or pay in another way.")
    assert statuses(world) == ([], ["waiting_for_payer"])
    browser.choose("A Visa that works").press("Pay 500.00 USD")
    browser.sees(".standing", "Paid on 25 January 2026")


def test_a_renewal_that_the_bank_asks_about_is_confirmed_with_the_saved_card(world, browser):
    subscription = bought(world, browser)
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_3ds")
    world.on("2026-02-25T12:00:00Z")
    browser.open(pay_page(world, f"{subscription}-00001"))
    assert browser.said(".standing") == "500.00 USD to pay. Your bank asks you to confirm it."
    browser.press("Confirm with the saved card")
    browser.sees("#bank", "Your bank asks")
    browser.press("Yes, it is me")
    browser.sees(".standing", "Paid on 25 February 2026")
    assert statuses(world) == (["active"], ["paid", "paid"])


def test_r72_a_bank_debit_is_on_its_way_and_the_subscription_is_there(world, browser):
    address = checkout(world, payment_methods=["us_bank_account"])
    browser.open(address)
    assert "Visa" not in browser.said("#element"), "only what the checkout accepts is offered"
    browser.choose("that can be debited").press("Pay 500.00 USD")
    browser.sees(".standing", "Your bank debit is on its way.")
    assert statuses(world) == (["active"], ["processing"])
    world.on("2026-01-30T15:00:00Z")
    browser.open(address)
    assert browser.said(".standing").startswith("Paid on 29 January 2026")


def test_of_two_windows_one_pays_and_the_other_shows_that_it_is_paid(world, browser):
    browser.open(checkout(world))
    [intent] = world.cloud.stripe._account.payment_intents
    world.cloud.stripe.pay(intent, "pm_card_visa")
    browser.choose("A Mastercard that works").press("Pay 500.00 USD")
    browser.sees(".standing", "Paid on 25 January 2026. Thank you.")
    assert statuses(world) == (["active"], ["paid"])


# -- the update page ---------------------------------------------------------------------------------------


def test_f28_another_card_is_saved_and_charged_for_what_is_past_due(world, browser):
    subscription = bought(world, browser)
    world.cloud.stripe.becomes(queries.account("acme").payment_method, "card_lost")
    world.on("2026-02-25T12:00:00Z")
    assert statuses(world) == (["past_due"], ["paid", "waiting_for_payer"])
    browser.open(world.call("GET", f"/accounts/acme/subscriptions/{subscription}").json["update_page"])
    assert browser.said(".owed") == f"Invoice {subscription}-00001: 500.00 USD"
    browser.choose("A card that is declined").press("Save")
    browser.sees("#problem", "Your card was declined.")
    browser.choose("A Mastercard that works").press("Save")
    browser.sees(".standing", "Charged at present: Mastercard ending in 4444.")
    assert statuses(world) == (["active"], ["paid", "paid"])


def test_a_card_whose_bank_asks_is_saved_once_its_payer_has_confirmed_it(world, browser):
    subscription = bought(world, browser)
    browser.open(world.call("GET", f"/accounts/acme/subscriptions/{subscription}").json["update_page"])
    browser.choose("A card whose bank asks").press("Save")
    browser.sees("#bank", "Your bank asks")
    browser.press("Yes, it is me")
    browser.sees(".standing", "Charged at present: Visa ending in 3184.")


# -- for everybody -----------------------------------------------------------------------------------------

CONTRAST = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => parts(colour).slice(0, 3).map((it) => it / 255)
  .map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4))
  .reduce((sum, it, i) => sum + it * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  const { backgroundColor } = getComputedStyle(element);
  return parts(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
};
return [...document.querySelectorAll(arguments[0])].map((element) => {
  const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
});
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_in_dark(world, browser, theme):
    browser.like(theme=theme).open(checkout(world)).press("Pay 500.00 USD")
    browser.sees("#problem", "Please choose")
    found = browser.run(CONTRAST, "h1, p, th, td, label, button:enabled, a")
    assert len(found) > 10
    assert min(found) >= 4.5, "what WCAG 2.2 asks for (AA)"
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (theme == "light")


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_sticks_out_of_a_phone(world, browser, width):
    long = "Enterprise-Unternehmensplattform-Gesamtnutzungsberechtigung " * 3
    world.sells(**{"sales-seat": SEAT | {"name": long.strip()}})
    browser.like(width=width).open(checkout(world))
    assert browser.run("return document.scrollingElement.scrollWidth - innerWidth") <= 0


def test_everything_has_a_name_that_can_be_read_aloud(world, browser):
    browser.open(checkout(world))
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = {"button", "radio", "table", "columnheader", "heading", "main", "status", "alert", "RootWebArea"}
    found = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if "role" in node]
    assert roles <= {role for role, _ in found}
    assert [role for role, name in found if role in ("button", "radio", "heading", "RootWebArea") and not name] == []
    assert browser.run("return document.documentElement.lang") == "en"


def test_a_link_that_is_none_says_nothing_of_anybody(world, browser):
    address = checkout(world)
    browser.driver.get(f"{address}x")
    assert browser.said("body") == "There is nothing at this address."
    assert all("404" in complaint for complaint in browser.complaints())
