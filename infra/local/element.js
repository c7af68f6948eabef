// A stand-in for Stripe.js, as far as the pay page uses it: it offers test methods by what they do.
"use strict";
window.Stripe = (key) => {
  const ask = async (what) => {
    const answer = await fetch("/_local/stripe", { method: "POST", body: JSON.stringify({ key, ...what }) });
    return answer.json();
  };
  const made = (tag, facts, ...inside) => {
    const element = Object.assign(document.createElement(tag), facts);
    element.append(...inside);
    return element;
  };

  const elements = ({ clientSecret, paymentMethodTypes }) => {
    const hearing = {};
    const chosen = () => document.querySelector("input[name=method]:checked")?.value;
    const mount = async (where) => {
      const { methods, error } = await ask({ client_secret: clientSecret, types: paymentMethodTypes });
      if (error) return hearing.loaderror?.({ error });
      const lines = Object.entries(methods).map(([value, label]) => {
        const line = made("label", {}, made("input", { type: "radio", name: "method", value }), ` ${label}`);
        line.style.display = "block";
        return line;
      });
      const legend = made("legend", {}, "Test methods of this machine");
      document.querySelector(where).replaceChildren(made("fieldset", {}, legend, ...lines));
      hearing.ready?.({});
    };
    const submit = async () =>
      chosen() ? {} : { error: { type: "validation_error", message: "Please choose a way to pay." } };
    return { clientSecret, chosen, submit, create: () => ({ mount, on: (what, hear) => { hearing[what] = hear; } }) };
  };

  // The bank's own window: is it you?
  const bankAsks = () => new Promise((resolve) => {
    const yes = made("button", { id: "bank-yes", value: "yes" }, "Yes, it is me");
    const no = made("button", { id: "bank-no", value: "no" }, "No");
    const form = made("form", { method: "dialog" }, made("p", {}, "Your bank asks: is it you who pays?"), yes, no);
    const dialog = made("dialog", { id: "bank" }, form);
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });

  const confirm = async (as, client_secret, payment_method) => {
    let said = await ask({ client_secret, payment_method });
    if (said.intent?.next_action?.type === "use_stripe_sdk") {
      said = await ask({ client_secret, agreed: await bankAsks() });
    }
    return said.error ? { error: said.error } : { [as]: said.intent };
  };
  const entered = (as) => ({ elements: on, clientSecret }) => confirm(as, clientSecret ?? on.clientSecret, on.chosen());

  return {
    elements,
    confirmPayment: entered("paymentIntent"),
    confirmSetup: entered("setupIntent"),
    confirmCardPayment: (secret, { payment_method }) => confirm("paymentIntent", secret, payment_method),
  };
};
