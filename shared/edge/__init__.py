"""What callers see: HTTP, queues and the machine's clock."""
