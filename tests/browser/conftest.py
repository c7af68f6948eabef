"""A seller whose local server answers on a free port of loopback, and a browser, both gone after the tests."""

from threading import Thread

import pytest

from infra.local import tokens
from infra.local.server import serve
from tests.browser.browser import Browser
from tests.world import World


@pytest.fixture(scope="session")
def chromium():
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium):
    """The browser, which has nothing to complain of in the end."""
    chromium.like()
    chromium.complaints()
    yield chromium
    assert chromium.complaints() == []


@pytest.fixture
def world():
    """Acme has saved nothing yet; its API is served over HTTP for as long as the test lasts."""
    world = World(card=None).sells()
    server = serve(world.cloud, tokens.key(), 0)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield world
    server.shutdown()
    server.server_close()
    thread.join()
