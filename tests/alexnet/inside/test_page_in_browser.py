"""The page of alexnet.explore in a real browser: what a click shows is what the engine computed."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from alexnet.explore import main
from alexnet.inside.arithmetic import KINDS
from alexnet.inside.kernel_sources import KERNELS, MARKS
from tests.alexnet.inside.conftest import NETWORKS
from tests.alexnet.inside.page_in_browser import By, Keys, click_at, heading, numbers, opened, wait
from tests.alexnet.looked_into import NUMPY, make_photo, save


def one_of_each_kind(seen):
    """The last layer of each kind."""
    return {layer.kind: layer for layer in seen}.values()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_click_shows_the_engines_number_and_its_arithmetic(network, browser, pages):
    folder, seen = pages[network]
    for layer in one_of_each_kind(seen):
        y = layer.y[0]
        opened(browser, folder, f"photo=1&layer={layer.name}")
        if y.ndim == 3:
            # The largest output: a 0 would look right in many wrong ways.
            channel, row, column = (int(i) for i in np.unravel_index(np.argmax(y), y.shape))
            browser.find_elements(By.CSS_SELECTOR, ".all .map")[channel].click()
            wait(browser, lambda c=channel: f"[{c}, " in heading(browser))
            canvas = browser.find_element(By.CSS_SELECTOR, ".large canvas")
            side = canvas.size["width"] / y.shape[2]
            click_at(browser, canvas, (column + 0.5) / y.shape[2], (row + 0.5) / y.shape[1])
            at = (channel, row, column)
        else:
            bar = browser.find_elements(By.CSS_SELECTOR, ".bars .bar")[2]
            at = (int(np.argsort(-y, kind="stable")[2]),)
            browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", bar)
            bar.click()
        place = f"{layer.name}[{', '.join(map(str, at))}]"
        wait(browser, lambda p=place: heading(browser).startswith(p))
        shown, own = numbers(browser)
        assert shown == pytest.approx(float(y[at]), rel=1e-8), place
        assert own == pytest.approx(shown, rel=2e-5, abs=2e-6), place
        running = browser.find_elements(By.CSS_SELECTOR, "pre .running")
        name = f"numpy/{KERNELS[layer.kind]}.py" if layer.kind in KERNELS else None
        assert len(running) == len(MARKS.get(name, [])), place  # the source's lines are marked
        if y.ndim == 3:
            left, top = browser.execute_script(
                "const [mark, map] = ['.mark', '.large canvas'].map((name) =>"
                "document.querySelector(name).getBoundingClientRect());"
                "return [mark.left - map.left, mark.top - map.top]"
            )
            assert (left, top) == pytest.approx((side * column, side * row), abs=0.6), place


def test_the_networks_have_every_kind_of_layer(pages):
    kinds = {layer.kind for _, seen in pages.values() for layer in seen}
    assert kinds == set(KINDS)


def test_an_input_is_followed_back_to_the_photo(browser, pages):
    folder, seen = pages["paper"]
    opened(browser, folder, "photo=1&layer=fc6&at=3")
    names = ["image", *(layer.name for layer in seen)]
    for name in reversed(names[: names.index("fc6")]):
        follow = browser.find_elements(By.CSS_SELECTOR, ".follow")[0]
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", follow)
        follow.click()
        if name != "image":
            wait(browser, lambda n=name: heading(browser).startswith(f"{n}["))
    wait(browser, lambda: "layer=image&" in browser.current_url)
    wait(browser, lambda: not browser.find_elements(By.ID, "number"))
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "main > section"))
    assert "of the photo, normalised" in browser.find_element(By.TAG_NAME, "h2").text


def test_keys_move_through_layers_maps_numbers_photos_and_networks(browser, pages):
    folder, _ = pages["paper"]
    opened(browser, folder, "layer=conv1&at=2,3,4")

    def press(key, element=None):
        (element or browser.find_element(By.TAG_NAME, "body")).send_keys(key)

    def at(words):
        return wait(browser, lambda: words in browser.current_url.replace("%2C", ","))

    press(Keys.ARROW_RIGHT)
    assert at("layer=relu1")
    press(Keys.ARROW_LEFT)
    assert at("layer=conv1")
    press(Keys.ARROW_DOWN)
    assert at("at=1,7,7")
    press("p")
    assert at("photo=1")
    press("c")
    assert at("checkpoint=1")
    wait(browser, lambda: browser.find_elements(By.ID, "large-map"))
    press(Keys.ARROW_DOWN, browser.find_element(By.ID, "large-map"))
    assert at("at=1,8,7")
    wait(browser, lambda: heading(browser).startswith("conv1[1, 8, 7]"))
    assert browser.switch_to.active_element.get_attribute("id") == "large-map"
    press(Keys.ARROW_RIGHT, browser.switch_to.active_element)
    assert at("at=1,8,8")


def test_every_control_has_a_name_and_every_picture_a_text(browser, pages):
    folder, seen = pages["paper"]
    for words in ("layer=conv2", "layer=pool1", "layer=fc6", "layer=conv1&beside=map"):
        opened(browser, folder, words)
        wait(browser, lambda: not browser.find_elements(By.CSS_SELECTOR, ".waiting"))
        nameless = browser.execute_script(
            """return [...document.querySelectorAll(
            "button, select, input, [tabindex], [role=img]")].filter((e) =>
            !(e.getAttribute("aria-label") || e.closest("label") || e.textContent.trim()))
            .map((e) => e.outerHTML.slice(0, 100))"""
        )
        assert nameless == []
        pictures = browser.find_elements(By.TAG_NAME, "img")
        assert all(picture.get_attribute("alt") is not None for picture in pictures)


@pytest.mark.parametrize("width", [500, 900, 1400])  # a phone: the narrowest that chromium takes
@pytest.mark.parametrize("words", ["layer=conv1", "layer=fc6", "layer=conv1&beside=maps"])
def test_the_page_scrolls_in_one_direction(browser, pages, words, width):
    browser.set_window_size(width, 900)
    try:
        opened(browser, pages["paper"][0], words)
        width, room = browser.execute_script(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
        )
        assert width <= room
    finally:
        browser.set_window_size(1300, 1200)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser, pages, scheme):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    opened(browser, pages["paper"][0], "layer=conv2")
    ink = browser.execute_script("return getComputedStyle(document.body).color")
    light = sum(map(int, re.findall(r"\d+", ink)[:3])) > 3 * 128
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert light == (scheme == "dark")


def test_the_browser_reports_no_error_and_asks_no_server(browser, pages):
    browser.get_log("browser")
    opened(browser, pages["paper"][0], "layer=conv2")
    assert browser.get_log("browser") == []
    addresses = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert all(address.startswith(("file:", "data:")) for address in addresses)


def test_a_missing_file_of_data_is_named(browser, pages, tmp_path):
    folder = tmp_path / "page"
    shutil.copytree(pages["cifar10"][0], folder)
    (folder / "data" / "c0" / "p0" / "conv2.js").unlink()
    opened_at = f"{(folder / 'index.html').as_uri()}#layer=conv2"
    browser.get(opened_at)
    alert = wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, ".error"))
    assert alert[0].text == "data/c0/p0/conv2.js is missing from this folder"


def test_names_from_outside_are_text_not_markup(browser, tmp_path):
    evil = "<img src=x onerror=document.title='evil'>"
    with tn.use_backend("numpy"):
        save(tmp_path / "net.npz", classes=[evil, "b"], spec="cifar10", size=32, width=0.1)
        photo = make_photo(tmp_path / f"{evil.replace('/', '')}.png", 0)
        assert (
            main([str(tmp_path / "net.npz"), photo, "--out", str(tmp_path / "page"), *NUMPY]) == 0
        )
    opened(browser, tmp_path / "page", "layer=fc10")
    assert browser.title == "AlexNet from the inside"
    assert evil in browser.find_element(By.CSS_SELECTOR, ".answers").text


def test_index_holds_what_the_first_view_needs(pages):
    folder, seen = pages["paper"]
    text = (folder / "data" / "index.js").read_text()
    assert text.startswith('explore.receive("index", ')
    index = json.loads(text[len('explore.receive("index", ') : -3])
    assert [layer["name"] for layer in index["answers"][0]["layers"]] == [t.name for t in seen]
    assert Path(folder / "data" / "c1" / "p1" / "fc8-terms.js").exists()
