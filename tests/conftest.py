"""What holds for every test: no real credentials, quiet logs, and the same examples in every run."""

import os

from hypothesis import settings

os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",
    "POWERTOOLS_METRICS_DISABLED": "true",
}

settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.load_profile("ci")
