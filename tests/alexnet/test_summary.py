"""The table of layers: golden counts of every network, and the theory page's table."""

import json
import subprocess
import sys

import pytest

from alexnet import SPECS
from alexnet.network.layer_numbers import summarize, totals
from alexnet.network.plan import plan
from alexnet.network.web_table import shares, web_table
from alexnet.summary import main

# Parameters and multiply-adds of each layer, 1000 classes, from the published geometry.
HEAD = {
    "fc6": (37_752_832, 37_748_736),
    "fc7": (16_781_312, 16_777_216),
    "fc8": (4_097_000, 4_096_000),
}
TWO_TOWERS = {
    "conv1": (34_944, 105_415_200),
    "conv2": (307_456, 223_948_800),
    "conv3": (885_120, 149_520_384),
    "conv4": (663_936, 112_140_288),
    "conv5": (442_624, 74_760_192),
    **HEAD,
}
SINGLE_TOWER = {
    "conv1": (34_944, 105_415_200),
    "conv2": (614_656, 447_897_600),
    "conv3": (885_120, 149_520_384),
    "conv4": (1_327_488, 224_280_576),
    "conv5": (884_992, 149_520_384),
    **HEAD,
}
ONE_GPU = {
    "conv1": (17_472, 52_707_600),
    "conv2": (153_728, 111_974_400),
    "conv3": (221_376, 37_380_096),
    "conv4": (331_968, 56_070_144),
    "conv5": (442_624, 74_760_192),
    **HEAD,
}
ONE_WEIRD_TRICK = {
    "conv1": (23_296, 70_276_800),
    "conv2": (307_392, 223_948_800),
    "conv3": (663_936, 112_140_288),
    "conv4": (884_992, 149_520_384),
    "conv5": (590_080, 99_680_256),
    **HEAD,
}
BATCH_NORM = {
    **SINGLE_TOWER,
    "norm1": (192, 0),
    "norm2": (512, 0),
    "norm3": (768, 0),
    "norm4": (768, 0),
    "norm5": (512, 0),
}
ONNX_ZOO = {  # maps of 54, 26 and 12
    **TWO_TOWERS,
    "conv1": (34_944, 101_616_768),
    "conv2": (307_456, 207_667_200),
    "conv3": (885_120, 127_401_984),
    "conv4": (663_936, 95_551_488),
    "conv5": (442_624, 63_700_992),
}
CIFAR10 = {
    "conv1": (2_432, 2_457_600),
    "conv2": (25_632, 6_553_600),
    "conv3": (51_264, 3_276_800),
    "fc10": (10_250, 10_240),
}


def rows_of(name, num_classes=1000, image_size=None):
    spec = SPECS[name]
    return summarize(plan(spec, num_classes, image_size or spec.image_size))


def counts(rows):
    return {row.layer: (row.parameters, row.multiply_adds) for row in rows}


@pytest.mark.parametrize(
    "name, golden",
    [
        ("paper", TWO_TOWERS),
        ("caffe", TWO_TOWERS),
        ("onnx-zoo", ONNX_ZOO),
        ("caffenet", TWO_TOWERS),
        ("single-tower", SINGLE_TOWER),
        ("one-gpu", ONE_GPU),
        ("one-weird-trick", ONE_WEIRD_TRICK),
        ("torchvision", ONE_WEIRD_TRICK),
        ("batch-norm", BATCH_NORM),
    ],
)
def test_every_layer_has_the_golden_counts(name, golden):
    by_layer = counts(rows_of(name))
    assert {layer: pair for layer, pair in by_layer.items() if pair != (0, 0)} == golden


def test_every_layer_of_cifar10_has_the_golden_counts():
    by_layer = counts(rows_of("cifar10", num_classes=10))
    assert {layer: pair for layer, pair in by_layer.items() if pair != (0, 0)} == CIFAR10


@pytest.mark.parametrize(
    "name, num_classes, parameters, multiply_adds",
    [
        ("paper", 1000, 60_965_224, 724_406_816),
        ("paper", 10, 56_909_194, 720_351_776),
        ("code-2012", 1000, 60_965_224, 724_406_816),
        ("caffe", 1000, 60_965_224, 724_406_816),
        ("onnx-zoo", 1000, 60_965_224, 654_560_384),
        ("caffenet", 10, 56_909_194, 720_351_776),
        ("single-tower", 1000, 62_378_344, 1_135_256_096),
        ("single-tower", 10, 58_322_314, 1_131_201_056),
        ("one-gpu", 1000, 59_798_312, 391_514_384),
        ("one-gpu", 10, 55_742_282, 387_459_344),
        ("torchvision", 1000, 61_100_840, 714_188_480),
        ("torchvision", 10, 57_044_810, 710_133_440),
        ("one-weird-trick", 1000, 61_100_840, 714_188_480),
        ("one-weird-trick", 10, 57_044_810, 710_133_440),
        ("batch-norm", 1000, 62_381_096, 1_135_256_096),
        ("cifar10", 10, 89_578, 12_298_240),
    ],
)
def test_totals_are_golden(name, num_classes, parameters, multiply_adds):
    whole = totals(rows_of(name, num_classes))
    assert (whole["parameters"], whole["multiply_adds"]) == (parameters, multiply_adds)


def test_bytes_count_one_images_outputs_in_float32():
    rows = {row.layer: row.bytes for row in rows_of("paper")}
    assert rows["conv1"] == 4 * 96 * 55 * 55
    assert rows["fc8"] == 4 * 1000
    assert totals(rows_of("paper"))["bytes"] == sum(rows.values())


def test_theory_page_is_reproduced_cell_by_cell():
    """The page counts the biases of convolutions as computation, and gives fc layers no biases."""
    rows = {row.layer: row for row in rows_of("single-tower")}
    published = {(cell.layer, cell.quantity): cell.published for cell in web_table(rows.values())}
    sums = [0, 0]
    for layer, row in rows.items():
        if layer.startswith("conv"):
            out, side, _ = row.output
            ours = row.parameters, row.multiply_adds + out * side * side
        elif layer.startswith("fc"):
            ours = row.multiply_adds, row.multiply_adds
        else:
            continue
        assert published.pop((layer, "parameters")) == ours[0]
        assert published.pop((layer, "forward computation")) == ours[1]
        sums = [sums[0] + ours[0], sums[1] + ours[1]]
    assert published == {
        ("total", "parameters"): sums[0],
        ("total", "forward computation"): sums[1],
    }
    assert sums == [62_369_152, 1_135_906_176]


def test_theory_page_is_marked_exactly_where_it_is_inconsistent():
    cells = web_table(rows_of("single-tower"))
    wrong = {(cell.layer, cell.quantity) for cell in cells if cell.published != cell.right}
    assert wrong == {
        *((f"fc{number}", "parameters") for number in (6, 7, 8)),
        *((f"conv{number}", "forward computation") for number in (1, 2, 3, 4, 5)),
        ("total", "parameters"),
        ("total", "forward computation"),
    }
    assert all(bool(cell.note) == (cell.published != cell.right) for cell in cells)
    correct = {(cell.layer, cell.quantity): cell.right for cell in cells}
    assert correct["total", "parameters"] == 62_378_344
    assert correct["total", "forward computation"] == 1_135_256_096


def test_theory_pages_shares_match_the_page():
    first, second = shares()
    assert "3.7 million parameters (6%)" in first and "1.08 billion computations (95%)" in first
    assert "58.6 million parameters (94%)" in second and "(5%)" in second


def test_command_prints_the_table_uncut(capsys):
    assert main(["--spec", "single-tower"]) == 0
    text = capsys.readouterr().out
    for figure in (
        "copied web text",
        "62,378,344",
        "1,135,256,096",
        "105,705,600 *",
        "FC8 + ReLU",
        "96 x 55 x 55",
    ):
        assert figure in text
    assert "…" not in text


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize(
    "columns, changes",
    [(None, ""), ("80", ""), ("200", ""), ("40", "--norm lrn --groups 1 --num-classes 21841")],
)
def test_the_table_fits_80_columns_and_cuts_no_number(name, columns, changes, capsys, monkeypatch):
    """In a pipe (None) and in a terminal of this many columns."""
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert main(["--spec", name, *changes.split(), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert main(["--spec", name, *changes.split()]) == 0
    text = capsys.readouterr().out
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    table = {}  # of lines by their first word; the theory page's table comes after ours
    for line in text.splitlines():
        table.setdefault(line.partition(" ")[0], line.split())
    for row in [*record["layers"], {"layer": "total", **record["totals"]}]:
        shown = table[row["layer"]]
        kilobytes = row["bytes"] / 1000
        assert (f"{kilobytes:,.0f}" if kilobytes >= 1 else f"{kilobytes:g}") == shown[-1]
        for count in ("parameters", "multiply_adds"):
            assert not row[count] or f"{row[count]:,}" in shown


def test_the_kernel_column_says_every_number_of_a_layer(capsys):
    assert main(["--spec", "caffe"]) == 0
    text = capsys.readouterr().out
    assert main(["--spec", "code-2012"]) == 0
    text += capsys.readouterr().out
    for words in (
        "11x11x3 / 4 ceil", "2x LRN 5 alpha 1e-4/5 k 2", "map 5x5 alpha 1e-3/25 k 1",
        "11x11x3 / 4", "5x5x48 pad 2 groups 2", "max 3x3 / 2 ceil", "LRN 5 alpha 1e-4/5 k 1",
        "0.5, scaled in train",
    ):  # fmt: skip
        assert f" {words} " in text


def test_the_last_lines_say_where_the_parameters_and_the_multiply_adds_are(capsys):
    assert main(["--spec", "single-tower"]) == 0
    text = capsys.readouterr().out
    assert "convolutions      6.0% of the parameters,  94.8% of the multiply-adds" in text
    assert "fully connected  94.0% of the parameters,   5.2% of the multiply-adds" in text


def test_command_leaves_the_theory_page_out_for_another_network(capsys):
    for arguments in (["--spec", "paper"], ["--spec", "single-tower", "--num-classes", "10"]):
        assert main(arguments) == 0
        assert "copied web text" not in capsys.readouterr().out


def test_json_holds_layers_totals_and_the_web_table(capsys):
    assert main(["--spec", "single-tower", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["totals"]["parameters"] == 62_378_344
    assert record["layers"][0]["output"] == [96, 55, 55]
    assert len(record["theory_page"]) == 18


def test_command_describes_a_network_without_a_layer_and_with_towers_apart(capsys):
    assert main(["--without", "conv4", "--apart"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert "changed: apart, without conv4".split() in lines
    table = {words[0]: words for words in lines if words}
    assert table["conv5"] == (
        "conv5 256 x 13 x 13 3x3x192 pad 1 groups 2 442,624 74,760,192 173".split()
    )
    assert not {"conv4", "relu4"} & set(table)
    assert table["total"][1] == f"{60_965_224 - 663_936 - 384 * 128 * 9:,}"


def test_json_describes_a_changed_network(capsys):
    arguments = "--spec paper --image-size 67 --num-classes 10 --pool 2 2 --norm none --json"
    assert main(arguments.split()) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["changes"] == {"norm": "none", "pool": [2, 2]}
    layers = {row["layer"]: row["output"] for row in record["layers"]}
    assert layers["pool5"] == [256, 1, 1] and layers["fc8"] == [10]
    assert "norm1" not in layers


def test_cifar10_is_described_with_its_ten_classes(capsys):
    assert main(["--spec", "cifar10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["totals"]["parameters"] == 89_578


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--spec lenet", "invalid choice: 'lenet'"),
        ("--image-size 66", "the smallest that works with spec paper is 67"),
        ("--spec cifar10 --groups 2", "only groups=1 fits"),
        ("--dropout 1", "a number from 0, below 1"),
        ("--without conv9", "without must be one of conv2, conv3, conv4, conv5, fc6, fc7, got"),
        ("--without=", "'' names nothing"),
        ("--apart --groups 1", "groups=1 makes them one"),
    ],
)
def test_wrong_arguments_exit_with_2_and_say_what_fits(arguments, words):
    command = [sys.executable, "-m", "alexnet.summary", *arguments.split()]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 2
    assert words in process.stderr.splitlines()[-1]
