"""A browser that opens the page of alexnet.explore; tests that want one are skipped without."""

import re
import shutil

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

from selenium.common.exceptions import (  # noqa: E402
    StaleElementReferenceException,
    WebDriverException,
)
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

__all__ = ["By", "Keys", "click_at", "heading", "numbers", "opened", "started", "wait"]
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update"
).split()


def started():
    """A browser. Skips the test where none starts."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in FLAGS:
        options.add_argument(flag)
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    try:
        driver = webdriver.Chrome(options=options, service=service)
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {error.msg}")
    driver.set_window_size(1300, 1200)
    return driver


def opened(browser, folder, words):
    """Open a view and wait until it is drawn."""
    browser.get("about:blank")
    browser.get(f"{(folder / 'index.html').as_uri()}#{words}")
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "main > section"))


def wait(browser, condition):
    """Wait until the condition holds; an element that was drawn anew is looked for again."""
    ignored = [StaleElementReferenceException]
    return WebDriverWait(browser, 30, ignored_exceptions=ignored).until(lambda _: condition())


def heading(browser):
    return browser.find_element(By.ID, "number").text


def numbers(browser):
    """(the engine's number, the page's own)."""
    text = browser.find_element(By.CSS_SELECTOR, ".check").text
    found = re.search(r"computed (\S+); the arithmetic here, in float64, gives (\S+)\.$", text)
    return float(found[1]), float(found[2])


def click_at(browser, element, x, y):
    """Click on a place of an element, given in shares of its width and height."""
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    across, down = (
        int(element.size[name] * (at - 0.5)) for name, at in (("width", x), ("height", y))
    )
    ActionChains(browser).move_to_element_with_offset(element, across, down).click().perform()
