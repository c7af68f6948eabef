"""What Prorata is deployed with and run on; nothing imports it."""
