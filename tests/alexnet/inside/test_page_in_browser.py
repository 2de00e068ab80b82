"""The page of alexnet.explore in a real browser: what a click shows is what the engine computed."""

import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.explore import main
from alexnet.inside import trace
from alexnet.inside.arithmetic import KINDS
from alexnet.inside.kernel_sources import KERNELS, MARKS
from alexnet.weights import checkpoint
from tests.alexnet.looked_into import NUMPY, make_photo, save

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
if not (shutil.which("chromium") and shutil.which("chromedriver")):
    pytest.skip("chromium and chromedriver are not installed", allow_module_level=True)

from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update"
).split()
NETWORKS = {  # together they have every kind of layer
    "paper": {"spec": "paper", "size": 67},
    "torchvision": {"spec": "torchvision", "size": 67, "norm": "batch"},
    "cifar10": {"spec": "cifar10", "size": 32, "norm": "same-map", "activation": "tanh"},
}


@pytest.fixture(scope="module")
def browser():
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
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """{network: (the page's folder, the trace of its second photo)}; two networks beside each
    other in the first."""
    folder, made = tmp_path_factory.mktemp("pages"), {}
    photos = [make_photo(folder / "photos" / f"{seed}.png", seed) for seed in (0, 1)]
    with tn.use_backend("numpy"):
        for name, changes in NETWORKS.items():
            saved = save(folder / f"{name}.npz", width=0.1, **changes)
            words = [str(folder / f"{name}.npz"), *photos, "--out", str(folder / name), *NUMPY]
            if name == "paper":
                saved.model = {key: 1.5 * array + 0.01 for key, array in saved.model.items()}
                saved.save(folder / "later.npz")
                words += ["--beside", str(folder / "later.npz")]
            assert main(words) == 0
            made[name] = folder / name, traced(folder / f"{name}.npz", photos[1])
    return made


@pytest.fixture(scope="module")
def traces(pages):
    """{(network, photo): trace} of the page with two networks, in the order of its cells."""
    above = pages["paper"][0].parent
    networks, photos = ("paper.npz", "later.npz"), ("0.png", "1.png")
    return {
        (c, p): traced(above / network, above / "photos" / photo)
        for c, network in enumerate(networks)
        for p, photo in enumerate(photos)
    }


def traced(file, photo):
    saved = checkpoint.load(file)
    pixels = centre_crop(read_image(photo, saved.stored_size)[None], saved.build["image_size"])
    with tn.use_backend("numpy"):
        return trace(saved.make_model(), tn.Tensor(saved.normalization(pixels)))


def opened(browser, folder, words):
    """Open a view and wait until it is drawn."""
    browser.get("about:blank")
    browser.get(f"{(folder / 'index.html').as_uri()}#{words}")
    wait(browser, lambda: browser.find_elements(By.CSS_SELECTOR, "main > section"))


def wait(browser, condition):
    return WebDriverWait(browser, 30).until(lambda _: condition())


def heading(browser):
    return browser.find_element(By.ID, "number").text


def numbers(browser):
    """(the engine's number, the page's own)."""
    text = browser.find_element(By.CSS_SELECTOR, ".check").text
    found = re.search(r"computed (\S+); the arithmetic here, in float64, gives (\S+)\.$", text)
    return float(found[1]), float(found[2])


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
            browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
            side = canvas.size["width"] / y.shape[2]
            across = int(side * (column + 0.5) - canvas.size["width"] / 2)
            down = int(side * (row + 0.5) - canvas.size["height"] / 2)
            ActionChains(browser).move_to_element_with_offset(
                canvas, across, down
            ).click().perform()
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
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    side = cell.size["width"] / y.shape[2]
    across, down = (int(side * (place + 0.5 - y.shape[2] / 2)) for place in (column, row))
    ActionChains(browser).move_to_element_with_offset(cell, across, down).click().perform()
    wait(browser, lambda: browser.find_elements(By.ID, "number"))
    assert heading(browser).startswith(f"pool1[2, {row}, {column}] ")
    assert numbers(browser)[0] == pytest.approx(float(y[2, row, column]), rel=1e-8)
    browser.back()
    assert cells(browser) == before

    # All maps: by the keyboard the chosen number, by the pointer the map under it.
    browser.find_element(By.ID, "beside-maps").click()
    wait(browser, lambda: "beside=maps" in browser.current_url)
    cells(browser)
    browser.find_element(By.ID, "cell-0-1").send_keys(Keys.ENTER)
    wait(browser, lambda: browser.find_elements(By.ID, "number"))
    shown = float(traces[0, 1]["pool1"].y[0][2, 1, 1])
    assert numbers(browser)[0] == pytest.approx(shown, rel=1e-8)
    browser.back()
    cells(browser)
    cell = browser.find_element(By.ID, "cell-0-0")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    tiles = math.ceil(math.sqrt(len(y)))  # in a row
    across, down = tiles, math.ceil(len(y) / tiles)
    offsets = cell.size["width"] * (1.5 / across - 0.5), cell.size["height"] * (1.5 / down - 0.5)
    ActionChains(browser).move_to_element_with_offset(cell, *map(int, offsets)).click().perform()
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


def test_an_input_is_followed_back_to_the_photo(browser, pages):
    folder, seen = pages["paper"]
    opened(browser, folder, "photo=1&layer=fc6&at=3")
    names = ["image", *(layer.name for layer in seen)]
    for name in reversed(names[: names.index("fc6")]):
        follow = browser.find_elements(By.CSS_SELECTOR, ".follow")[0]
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", follow)
        follow.click()
        wait(browser, lambda n=name: f"layer={n}&" in browser.current_url)
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
