"""A headless Chromium: what its user sees and does, and what its console complains of."""

import os
import shutil

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

SECONDS = 20
"""How long a page may take on a busy machine."""
ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing leaves this machine
)


class Browser:
    """One window; its profile is new, and gone when it is closed."""

    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = _found("chromium", "chromium-browser", "google-chrome")
        for argument in (*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(_found("chromedriver"))
        self.driver = webdriver.Chrome(options, service)

    def open(self, address):
        """Go to an address; with something to enter on its page, wait until that can be done."""
        self.driver.get(address)
        self.until(lambda: not self._all("#paying") or self._all("#paying button:enabled, #problem:not(:empty)"))
        return self

    def said(self, selector):
        """The text that is seen of an element, in one line; nothing, if there is none."""
        return " ".join(each.text for each in self._all(selector))

    def until(self, found):
        """Wait for something."""
        WebDriverWait(self.driver, SECONDS, 0.05).until(lambda _: found())

    def sees(self, selector, text):
        """Wait until an element says something."""
        self.until(
            lambda: text in self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
        )

    def choose(self, label):
        """Choose one of several by its label."""
        self.driver.find_element(By.XPATH, f"//label[contains(., '{label}')]").click()
        return self

    def press(self, name):
        """Press a button by its name."""
        self.driver.find_element(By.XPATH, f"//button[contains(., '{name}')]").click()
        return self

    def run(self, script, *arguments):
        """What a piece of JavaScript answers."""
        return self.driver.execute_script(script, *arguments)

    def complaints(self):
        """What the console has said since it was last asked: errors, and what the policy forbids."""
        return [line["message"] for line in self.driver.get_log("browser")]

    def like(self, **media):
        """Make the window that of another machine: ``width`` in pixels, ``theme`` ``light`` or ``dark``."""
        width, theme = media.get("width", 0), media.get("theme", "light")
        size = {"width": width, "height": 0, "deviceScaleFactor": 0, "mobile": False}
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        return self

    def close(self):
        """End it."""
        self.driver.quit()

    def _all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)


def _found(*names):
    path = next(filter(None, map(shutil.which, names)), None)
    assert path, f"There is no {names[0]} here: `make browser` installs it, or says how."
    return path
