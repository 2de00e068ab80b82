"""Networks and photos beside each other on the page of alexnet.explore, in a real browser."""

import math
import re

import numpy as np
import pytest

from tests.alexnet.inside.page_in_browser import By, Keys, click_at, heading, numbers, opened, wait


def cells(browser, kind="button"):
    """{(network, photo): the number below the cell}, in the page's order, when all are there."""
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".beside"))
    wait(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, ".waiting"))
    found = browser.execute_script(
        f"return [...document.querySelectorAll('{kind}.cell')].map((cell) =>"
        "[cell.dataset.cell, cell.parentElement.querySelector('.value').textContent])"
    )
    return {tuple(map(int, place.split(","))): float(value) for place, value in found}


def colours(browser, row, column):
    """[red, green, blue] of a number of each cell."""
    return browser.execute_script(
        "return [...document.querySelectorAll('button.cell canvas')].map((canvas) =>"
        "[...canvas.getContext('2d').getImageData(arguments[1], arguments[0], 1, 1).data]"
        ".slice(0, 3))",
        row, column,
    )  # fmt: skip


def test_networks_and_photos_stand_beside_each_other(browser, pages, traces):
    folder, at = pages["paper"][0], (3, 2, 4)
    browser.get_log("browser")
    opened(browser, folder, "layer=conv2&at=3,2,4&beside=map")
    expected = {place: float(seen["conv2"].y[0][at]) for place, seen in traces.items()}
    assert list(cells(browser)) == list(expected)  # a row for each network
    assert cells(browser) == pytest.approx(expected, rel=1e-8)
    below = {(1, p): expected[1, p] - expected[0, p] for p in (0, 1)}
    assert cells(browser, "div") == pytest.approx(below, rel=1e-5)
    table = browser.find_element(By.CSS_SELECTOR, ".cells")
    heads = [head.text for head in table.find_elements(By.TAG_NAME, "th")]
    names = [str(folder.parent / name) for name in ("paper.npz", "later.npz")]
    assert heads == ["0.png", "1.png", *names, "less the network above"]

    # One scale: a number has the same colour whatever cell it is in.
    every = [seen["conv2"].y[0] for seen in traces.values()]
    size = max(float(np.abs(y).max()) for y in every)
    stops = np.array([[5, 48, 97], [67, 147, 195], [247, 247, 247], [244, 165, 60], [127, 59, 8]])
    for found, y in zip(colours(browser, *at[1:]), every, strict=True):
        share = 2 + 2 * float(y[at]) / size
        wanted = [np.interp(share, range(5), channel) for channel in stops.T]
        assert found == pytest.approx(wanted, abs=1)

    before = cells(browser)
    browser.refresh()
    assert cells(browser) == before
    assert browser.get_log("browser") == []
    addresses = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert all(address.startswith(("file:", "data:")) for address in addresses)


def test_a_cell_leads_to_its_number_and_back_leads_to_the_cells(browser, pages, traces):
    opened(browser, pages["paper"][0], "layer=pool1&at=2,1,1&beside=map")
    before = cells(browser)
    y = traces[1, 0]["pool1"].y[0]
    row, column = (int(i) for i in np.unravel_index(np.argmax(y[2]), y.shape[1:]))
    cell = browser.find_element(By.ID, "cell-1-0")
    click_at(browser, cell, (column + 0.5) / y.shape[2], (row + 0.5) / y.shape[1])
    wait(browser, lambda: browser.find_elements(By.ID, "number"))
    assert heading(browser).startswith(f"pool1[2, {row}, {column}] ")
    assert numbers(browser)[0] == pytest.approx(float(y[2, row, column]), rel=1e-8)
    browser.back()
    assert cells(browser) == before

    # All maps: by the keyboard the chosen number, by the pointer the map under it.
    browser.find_element(By.ID, "beside-maps").click()
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".tiles"))
    cells(browser)
    browser.find_element(By.ID, "cell-0-1").send_keys(Keys.ENTER)
    wait(browser, lambda: browser.find_elements(By.ID, "number"))
    shown = float(traces[0, 1]["pool1"].y[0][2, 1, 1])
    assert numbers(browser)[0] == pytest.approx(shown, rel=1e-8)
    browser.back()
    cells(browser)
    cell = browser.find_element(By.ID, "cell-0-0")
    tiles = math.ceil(math.sqrt(len(y)))  # in a row
    click_at(browser, cell, 1.5 / tiles, 1.5 / math.ceil(len(y) / tiles))
    wait(browser, lambda: browser.find_elements(By.ID, "number"))
    assert heading(browser).startswith(f"pool1[{tiles + 1}, 1, 1] ")


def test_kernels_of_all_networks_stand_beside_each_other(browser, pages, traces):
    opened(browser, pages["paper"][0], "layer=conv1&at=1,2,4&beside=map")
    kernels = ".filters .row canvas"
    section = browser.find_element(By.CSS_SELECTOR, ".filters")
    browser.execute_script("arguments[0].scrollIntoView()", section)
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, kernels))
    texts = [
        canvas.get_attribute("aria-label")
        for canvas in browser.find_elements(By.CSS_SELECTOR, kernels)
    ]
    first, second = (traces[c, 0]["conv1"].arrays["weight"][1].astype(float) for c in (0, 1))
    shown = [re.findall(r"-?[\d.e-]+\d", text) for text in texts]
    expected = [first, None, second, second - first, None]
    for found, array in zip(shown, expected, strict=True):
        ends = [] if array is None else [array.min(), array.max()]
        assert [float(number) for number in found] == pytest.approx(ends, rel=1e-4)
