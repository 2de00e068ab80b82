"""A number on the page of alexnet.explore, in a real browser: a unit's whole sum, and the lines of
the kernels that made it."""

import numpy as np
import pytest

import tinynet as tn
from alexnet.explore import main
from alexnet.inside.kernel_sources import MARKS
from tests.alexnet.inside.page_in_browser import By, opened, wait
from tests.alexnet.looked_into import NUMPY, make_photo, save


def test_a_units_products_and_the_rest_make_its_number(browser, pages):
    folder, seen = pages["paper"]
    layer, unit = seen["fc6"], 5
    products = layer.arrays["weight"][unit].astype(float) * layer.x[0]
    products = products[np.argsort(-np.abs(products), kind="stable")]
    opened(browser, folder, f"photo=1&layer=fc6&at={unit}")

    def column(table, number):
        rows = browser.find_elements(By.CSS_SELECTOR, f"table.{table} tbody tr")
        cells = [row.find_elements(By.TAG_NAME, "td") for row in rows]
        return [float(row[number].text) for row in cells]

    largest, rest, total, bias, y = column("steps", 1)
    assert (largest, rest) == pytest.approx((products[:24].sum(), products[24:].sum()), rel=1e-5)
    assert largest + rest == pytest.approx(total, rel=1e-6)
    assert total + bias == pytest.approx(y, rel=1e-6)
    assert y == pytest.approx(float(layer.y[0, unit]), rel=2e-5)
    assert column("terms", 3) == pytest.approx(products[:24], rel=1e-5)
    sums = np.cumsum(products)
    counts = [1, 4, 16, len(products)]
    assert column("growth", 1) == pytest.approx([sums[count - 1] for count in counts], rel=1e-5)


def marked(browser):
    """The marked lines of the open source."""
    found = browser.find_elements(By.CSS_SELECTOR, ".running")
    return {line.get_attribute("textContent")[6:].strip() for line in found}


def test_the_lines_of_a_step_are_marked_in_every_language(browser, pages):
    opened(browser, pages["paper"][0], "layer=norm1")
    for name in ("numba/local_response_norm.py", "cupy/local_response_norm.cu"):
        tabs = browser.find_elements(By.CSS_SELECTOR, "[role=tab]")
        (tab,) = [tab for tab in tabs if tab.text == name]
        browser.execute_script("arguments[0].click()", tab)
        wait(browser, lambda n=name: n.replace("/", "%2F") in browser.current_url)
        wait(browser, lambda n=name: marked(browser) == {line for _, line in MARKS[n]})
        top, bottom = browser.execute_script(
            "const [source, line] = ['pre', '.running'].map((name) =>"
            "document.querySelector(name).getBoundingClientRect());"
            "return [line.top - source.top, source.bottom - line.bottom]"
        )
        assert top >= 0 and bottom >= 0  # scrolled to it


def test_no_line_is_marked_where_another_algorithm_ran(browser, tmp_path):
    with tn.use_backend("numpy"), tn.conv_algorithm("winograd"):
        save(tmp_path / "net.npz", spec="cifar10", size=32, width=0.1)
        photo = make_photo(tmp_path / "0.png", 0)
        words = [str(tmp_path / "net.npz"), photo, "--out", str(tmp_path / "page"), *NUMPY]
        assert main(words) == 0
    opened(browser, tmp_path / "page", "layer=conv1")
    assert marked(browser) == set()
    said = browser.find_element(By.CSS_SELECTOR, ".marks").text
    assert (
        said == "No line is marked: numpy made this number by Winograd's tiles, in numpy/winograd."
    )
    opened(browser, tmp_path / "page", "layer=conv1&file=numba/conv2d.py")
    assert marked(browser) == {line for _, line in MARKS["numba/conv2d.py"]}
