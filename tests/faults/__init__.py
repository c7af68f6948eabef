"""Faults on purpose at every call that Prorata makes, through the real handlers, and what must hold all the same."""

import os

os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "CRITICAL")  # before a logger is made
