"""The command that explains one number: its tables, its page, its JSON, its lines."""

import html.parser
import json
import re

import numpy as np
import pytest
from PIL import Image

from alexnet import explore
from alexnet.explain import main
from tests.alexnet.looked_into import save

pytestmark = pytest.mark.usefixtures("backend_as_before")
NUMPY = ["--backend", "numpy", "--threads", "1"]


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.fromarray(pixels).save(path)
    return str(path)


def explain(file, photo, capsys, *words):
    assert main([file, photo, *words, *NUMPY]) == 0
    return capsys.readouterr().out


def test_the_tables_show_the_products_their_sum_and_every_backend(file, photo, capsys):
    text = explain(file, photo, capsys, "--layer", "conv1", "--at", "1,2,3")
    assert "conv1[1, 2, 3] = " in text
    assert "sees rows 8 to 18 and columns 12 to 22 of the 67 x 67 pixels" in text
    assert "The 10 largest of 363 terms, of the image" in text
    value = float(re.search(r"conv1\[1, 2, 3\] = (\S+)", text)[1])
    steps = {name: float(x) for name, x in re.findall(r"^ *(sum of w x|b|y) +(\S+) *$", text, re.M)}
    assert steps["y"] == pytest.approx(value, rel=1e-5)
    assert steps["sum of w x"] + steps["b"] == pytest.approx(steps["y"], rel=1e-6)
    assert "numpy, im2col" in text and "exact" in text and "nearest: " in text


def test_json_holds_every_product_and_the_gradient(file, photo, capsys):
    words = ["--layer", "fc6", "--at", "3", "--backward", "--json"]
    record = json.loads(explain(file, photo, capsys, *words))
    products = np.multiply(record["read"], record["weights"])
    assert np.allclose(products, record["terms"], rtol=1e-12)
    assert sum(record["terms"]) + record["steps"]["b"] == pytest.approx(record["value"], rel=1e-4)
    numerator, denominator = map(int, record["exact"].split("/"))
    assert numerator / denominator == pytest.approx(record["steps"]["y"])
    gradient = record["gradient"]
    assert np.allclose(gradient["by_inputs"], gradient["by_output"] * np.array(record["weights"]))
    assert np.allclose(gradient["by_weights"], gradient["by_output"] * np.array(record["read"]))


def test_without_a_place_the_largest_output_is_explained(file, photo, capsys):
    record = json.loads(explain(file, photo, capsys, "--layer", "fc7", "--json"))
    others = [
        json.loads(explain(file, photo, capsys, "--layer", "fc7", "--at", str(unit), "--json"))
        for unit in range(0, 100, 9)
    ]
    assert all(record["value"] >= other["value"] for other in others)


class Page(html.parser.HTMLParser):
    """Counts what opens and closes, and collects the text."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.images, self.addresses = [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.addresses += [values[name] for name in ("src", "href") if name in values]
        if tag == "img":
            self.images.append(values["alt"])
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_has_the_same_tables_and_two_pictures_and_asks_no_server(
    file, photo, capsys, tmp_path
):
    out = tmp_path / "why.html"
    text = explain(
        file, photo, capsys, "--layer", "norm1", "--at", "1,2,3", "--backward", "--html", str(out)
    )
    page = Page()
    page.feed(out.read_text(encoding="utf-8"))
    assert page.open == []
    seen = "rows 8 to 18, columns 12 to 22"
    assert page.images == [f"the photo, {seen} framed", f"the photo's {seen}"]
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    for cell in ("scale ** beta", "sum of squares", "off by units in the last place"):
        assert cell in text and cell in page.text


def test_step_prints_the_kernels_lines_with_what_they_change(file, photo, capsys):
    text = explain(file, photo, capsys, "--layer", "pool1", "--at", "0,1,1", "--step")
    assert "tinynet/backends/numpy/max_pool2d.py" in text
    assert "wins = (candidate > y) | np.isnan(candidate)   (9 times)" in text
    assert "float32" in text and "at [0, 0, 1, 1]" in text
    text = explain(file, photo, capsys, "--layer", "flatten", "--step")
    assert "flatten (Flatten) has no kernel in test mode" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "conv1", "--step", "--json", "--backward"], "leave out --backward, --json"),
        (["--layer", "conv9"], "the layers of this network are conv1, relu1, "),
        (["--layer", "conv1", "--at", "3"], "CHANNEL,ROW,COLUMN counts from 0"),
        (["--layer", "conv1", "--at", "0,15,0"], "up to"),
        (["--layer", "fc6", "--at", "0,0,0"], "UNIT counts from 0, up to"),
        (["--layer", "fc6", "--backward", "--label", "yeti"], "knows no such class"),
    ],
)
def test_wrong_layers_places_and_classes_are_named(file, photo, capsys, words, message):
    assert main([file, photo, *words, *NUMPY]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("place", ["1,2", "a,b,c", "-1,0,0", "1.5"])
def test_a_place_that_is_none_is_refused_with_an_example(file, photo, capsys, place):
    with pytest.raises(SystemExit) as ended:
        main([file, photo, "--layer", "conv1", f"--at={place}"])
    assert ended.value.code == 2
    assert "CHANNEL,ROW,COLUMN such as 17,4,9 fits" in " ".join(capsys.readouterr().err.split())


def test_an_image_that_cannot_be_read_is_an_error_with_its_path(file, tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    assert main([file, str(broken), "--layer", "conv1", *NUMPY]) == 3
    assert str(broken) in capsys.readouterr().err


def test_a_network_whose_numbers_are_not_finite_is_an_error_with_its_path(photo, tmp_path, capsys):
    saved = save(tmp_path / "net.npz", width=0.03)
    for name in ("conv3.weight", "conv4.weight"):
        saved.model[name] *= np.float32(1e30)
    saved.save(tmp_path / "net.npz")
    for command in (
        lambda: main([str(tmp_path / "net.npz"), photo, "--layer", "conv1", *NUMPY]),
        lambda: explore.main(
            [str(tmp_path / "net.npz"), photo, "--out", str(tmp_path / "page"), *NUMPY]
        ),
    ):
        assert command() == 3
        error = capsys.readouterr().err
        assert f"{tmp_path / 'net.npz'}: its activations at conv4 are not finite" in error
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]
