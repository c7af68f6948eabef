// Mounts Stripe's Payment Element and confirms with it: what is entered goes to Stripe, and never to us.
"use strict";
(async () => {
  const form = document.getElementById("paying");
  const again = document.getElementById("again");
  const problem = document.getElementById("problem");
  const { kind, key, currency, types, method } = form.dataset;
  const paying = kind === "invoice";
  const here = location.origin + location.pathname;
  const once = crypto.randomUUID();
  const theme = matchMedia("(prefers-color-scheme: dark)").matches ? "night" : "stripe";
  let secret;

  const busy = (is) => {
    for (const button of form.querySelectorAll("button")) button.disabled = is;
  };
  // What Stripe and we say to payers is shown as it is; anything else would mean nothing to them.
  const tell = (what) => {
    const unconfirmed = /_authentication_failure$/.test(what.code);
    const meant = ["card_error", "validation_error", "refused"].includes(what.type);
    problem.textContent = unconfirmed
      ? "Your bank did not confirm that it is you. Please try again, or pay in another way."
      : meant ? what.message : "That did not work. Please try again in a minute.";
  };
  const clientSecret = async () => {
    if (!secret) {
      const answer = await fetch(here, { method: "POST", headers: { "Idempotency-Key": once } });
      const said = await answer.json();
      if (!answer.ok) throw { type: "refused", message: said.detail };
      secret = said.client_secret;
    }
    return secret;
  };
  const mount = async (stripe) => {
    const about = paying
      ? { clientSecret: await clientSecret() }
      : { mode: "setup", currency, paymentMethodTypes: types.split(" ") };
    const elements = stripe.elements({ ...about, appearance: { theme } });
    const element = elements.create("payment");
    element.on("ready", () => busy(false));
    element.on("loaderror", ({ error }) => tell(error));
    element.mount("#element");
    return elements;
  };
  const confirmEntered = async (stripe, elements) => {
    const checked = await elements.submit();
    if (checked.error) return checked;
    const how = { elements, confirmParams: { return_url: here }, redirect: "if_required" };
    return paying
      ? stripe.confirmPayment(how)
      : stripe.confirmSetup({ ...how, clientSecret: await clientSecret() });
  };
  const confirmSaved = async (stripe) => stripe.confirmCardPayment(await clientSecret(), { payment_method: method });
  const attempt = (confirm) => async (event) => {
    event.preventDefault();
    busy(true);
    problem.textContent = "";
    try {
      const { error, setupIntent } = await confirm();
      if (error) throw error;
      location.replace(setupIntent ? `${here}?setup_intent=${setupIntent.id}` : here);
    } catch (what) {
      if (/_unexpected_state$/.test(what.code)) return location.replace(here);  // it was paid elsewhere
      tell(what);
      busy(false);
    }
  };

  try {
    const stripe = Stripe(key);
    const elements = await mount(stripe);
    form.addEventListener("submit", attempt(() => confirmEntered(stripe, elements)));
    again?.addEventListener("click", attempt(() => confirmSaved(stripe)));
  } catch (what) {
    tell(what);
  }
})();
