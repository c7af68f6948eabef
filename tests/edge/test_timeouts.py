"""Functions of the template whose upstream never answers: Lambda ends them in time, and says so in its own words."""

import socket
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from infra.local.runtime import Runtime
from tests.architecture.test_template import PRORATA
from tests.edge.test_sample_events import FUNCTION, sample

pytest.importorskip("awslambdaric", reason="AWS makes its runtime client for Linux")


@pytest.mark.parametrize("name", ["accounts", "rollover_work", "charges_work"])
def test_a_function_that_nobody_answers_is_ended(name):
    function = replace(PRORATA.functions[FUNCTION[name]], timeout=timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes a connection, and says nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with closing(Runtime(function, {"AWS_ENDPOINT_URL": address, "STRIPE_API_BASE": address})) as runtime:
            error, failed = runtime.invoke(sample(name))
            assert (failed, error["errorType"]) == (True, "Sandbox.Timedout"), (error, runtime.logs)
            assert error["errorMessage"].endswith(" Error: Task timed out after 1.00 seconds")
        silent.setblocking(False)
        asked, _ = silent.accept()
        asked.close()
