"""Write the README's picture anew: ``python -m tests.browser.write_picture``."""

import base64
from pathlib import Path
from threading import Thread

from infra.local import tokens
from infra.local.__main__ import SAMPLE
from infra.local.server import serve
from infra.local.simulate import Simulation
from infra.local.story import StoryFile
from shared.edge import links
from shared.store import queries
from tests.browser.browser import Browser

PICTURE = Path(__file__).parents[2] / "docs/pictures/pay-page.png"


def main():
    """The pay page that ``make run`` names, on a small screen."""
    simulation = Simulation(StoryFile(SAMPLE), lambda _: None)
    assert simulation.play() == []
    server = serve(simulation.cloud, tokens.key(), 0)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    [bill] = queries.unsettled_invoices("globex")
    browser = Browser()
    try:
        path = links.path(links.Link(links.Kind.INVOICE, bill.account_id, bill.id))
        browser.like(width=600).open(f"http://127.0.0.1:{server.server_port}{path}")
        picture = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        PICTURE.write_bytes(base64.b64decode(picture["data"]))
    finally:
        browser.close()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    main()
