"""What the functions share: the rules, the store, the edge and the way to Stripe."""
