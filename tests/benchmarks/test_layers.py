"""benchmarks.layers: what is counted, that the programs are compared, and what is written."""

import importlib.util
import json
import math

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.network.plan import Layer, plan, smallest_image_size
from benchmarks import layer_programs, layers, machine, roofline
from benchmarks.layer_work import Work, loss_and_update, work

PAPER = {layer.name: layer for layer in plan(alexnet.SPECS["paper"], 1000, 227)}
RATES = {"sgemm": 100.0, "copy": 10.0}
TINY = "--backend numpy --threads 1 --rounds 1 --image-size 67 --batch-size 2 --width 0.03".split()
LRN = {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 2.0}
POOL = {"window": 3, "stride": 2, "ceil_mode": True}
MAPS = (7, 9, 9)
SMALL = [
    Layer(
        "conv", "Conv2d",
        {"in_channels": 4, "out_channels": 6, "kernel": 3, "stride": 2, "padding": 1, "groups": 2},
        (4, 9, 9), (6, 5, 5),
    ),
    Layer("fc", "Linear", {"in_features": 13, "out_features": 5}, (13,), (5,)),
    Layer("relu", "ReLU", {}, MAPS, MAPS),
    Layer("tanh", "Tanh", {}, MAPS, MAPS),
    Layer("lrn", "LocalResponseNorm", LRN | {"divide_by_size": False}, MAPS, MAPS),
    Layer("lrn/size", "LocalResponseNorm", LRN | {"divide_by_size": True}, MAPS, MAPS),
    Layer("batch", "BatchNorm2d", {"channels": 7, "eps": 0.1, "momentum": 0.1}, MAPS, MAPS),
    Layer("max", "MaxPool2d", POOL, (7, 8, 8), (7, 4, 4)),
    Layer("mean", "AvgPool2d", POOL, (7, 8, 8), (7, 4, 4)),
    Layer("adaptive", "AdaptiveAvgPool2d", {"size": 4}, MAPS, (7, 4, 4)),
    Layer("dropout", "Dropout", {"drop": 0.3, "scale": "train"}, MAPS, MAPS),
    Layer("dropout 2012", "Dropout", {"drop": 0.3, "scale": "test"}, MAPS, MAPS),
    Layer("loss", "SoftmaxCrossEntropy", {}, (10,), ()),
    Layer("update", "SGD", {}, (1001,), (1001,)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick_on_the_numpy_backend(monkeypatch):
    """No waiting for an idle machine, no long rates; backend and threads as before afterwards."""
    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds=120: True)
    monkeypatch.setattr(machine, "product_rate", lambda threads: RATES["sgemm"])
    monkeypatch.setattr(machine, "copy_rate", lambda threads: RATES["copy"])
    monkeypatch.setattr(layers, "TURN", 0)
    monkeypatch.setattr(layers, "PAUSE", 0)
    torch = importlib.util.find_spec("torch") and pytest.importorskip("torch")
    threads = torch and torch.get_num_threads()
    with tn.use_backend("numpy"):
        yield
    if torch:
        torch.set_num_threads(threads)


# --- what is counted ------------------------------------------------------------------------------


def test_the_first_convolution_computes_no_image_gradient():
    x, y, parameters = 128 * 3 * 227 * 227, 128 * 96 * 55 * 55, 34_944
    once = 2 * 128 * 105_415_200
    need = work(PAPER["conv1"], 128, needs_dx=False)
    assert need["forward"] == Work(once, 4 * (x + parameters + y))
    assert need["backward"] == Work(once, 4 * (y + x + parameters))


def test_other_convolutions_and_connected_layers_compute_two_gradients():
    x, y, weight = 128 * 96 * 27 * 27, 128 * 256 * 27 * 27, 256 * 48 * 25
    need = work(PAPER["conv2"], 128)
    assert need["forward"] == Work(2 * 128 * 223_948_800, 4 * (x + weight + 256 + y))
    assert need["backward"] == Work(4 * 128 * 223_948_800, 4 * (y + x + 2 * weight + 256 + x))
    need = work(PAPER["fc6"], 1)
    assert need["forward"] == Work(2 * 37_748_736, 4 * (9216 + 37_752_832 + 4096))
    assert need["backward"].flop == 4 * 37_748_736


def test_the_products_of_a_step_are_conv1_four_times_and_the_others_six_times():
    needs = [
        work(layer, 1, needs_dx=layer.name != "conv1")
        for layer in PAPER.values()
        if layer.kind in layers.PRODUCTS
    ]
    flop = sum(need["forward"].flop + need["backward"].flop for need in needs)
    assert flop == 4 * 105_415_200 + 6 * (724_406_816 - 105_415_200)


@pytest.mark.parametrize(
    "name, forward, backward",
    [
        ("norm1", 2 * 290_400, 3 * 290_400),
        ("relu1", 2 * 290_400, 3 * 290_400),
        ("pool1", 290_400 + 69_984, 69_984 + 290_400),
        ("dropout6", 2 * 4096, 2 * 4096),
    ],
)
def test_each_array_moves_once(name, forward, backward):
    need = work(PAPER[name], 128)
    assert need["forward"].bytes == 4 * 128 * forward
    assert need["backward"].bytes == 4 * 128 * backward


def test_loss_and_update_are_counted_too():
    loss, update = loss_and_update(list(PAPER.values()))
    assert work(loss, 128)["forward"].bytes == 4 * 128 * 1000
    assert work(loss, 128)["backward"].bytes == 2 * 4 * 128 * 1000
    assert work(update, 128)["update"] == Work(6 * 60_965_224, 5 * 4 * 60_965_224)


def test_the_arithmetic_of_a_layer_is_its_definition_s():
    assert work(PAPER["norm1"], 1)["forward"].flop == 9 * 290_400
    assert work(PAPER["pool1"], 1)["forward"].flop == 8 * 69_984
    assert work(PAPER["relu1"], 1)["backward"].flop == 290_400


@pytest.mark.parametrize("spec", alexnet.SPECS)
def test_every_layer_of_every_spec_is_counted(spec):
    row = alexnet.SPECS[spec]
    for layer in layers.measurable(plan(row, 10, smallest_image_size(row))):
        assert all(need.flop > 0 and need.bytes > 0 for need in work(layer, 2).values())


# --- the programs ---------------------------------------------------------------------------------


def both():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    return {
        "tinynet": layer_programs.tinynet_program, "pytorch": layer_programs.pytorch_program,
    }  # fmt: skip


@pytest.mark.parametrize("layer", SMALL, ids=lambda layer: layer.name)
def test_both_programs_compute_the_same(layer):
    tn.seed(0)
    measured = layers.measure(layer, 20, both(), rounds=2)
    for directions in measured.values():
        assert directions.keys() == work(layer, 20).keys()
        assert all(len(rounds) == 2 and min(rounds)[0] > 0 for rounds in directions.values())


def test_all_gradients_are_compared():
    given = layer_programs.draw(SMALL[0], 3)
    for program in both().values():
        _, results = program(SMALL[0], given)()
        assert sorted(results) == ["dbias", "dweight", "dx", "y"]
        assert results["dweight"].shape == (6, 2, 3, 3)
        _, results = program(SMALL[0], given, needs_dx=False)()
        assert results["dx"] is None and results["dweight"] is not None


def spoiled(name, change):
    """tinynet's program with one of its results changed."""

    def program(*arguments):
        run = layer_programs.tinynet_program(*arguments)

        def wrong():
            seconds, results = run()
            return seconds, results | {name: change(results[name])}

        return wrong

    return both() | {"tinynet": program}


def one_wrong(array):
    array = array.copy()
    array.flat[array.size // 2] += 1e-3 * np.abs(array).max()
    return array


@pytest.mark.parametrize("name", ["y", "dx", "dweight", "dbias"])
def test_one_wrong_number_is_found(name):
    with pytest.raises(
        layer_programs.OtherNumbers, match=rf"conv: {name} differs from PyTorch's by 1.*e-03"
    ):
        layers.measure(SMALL[0], 3, spoiled(name, one_wrong), rounds=1)


def test_a_wrong_update_is_found():
    with pytest.raises(layer_programs.OtherNumbers, match="update: weight differs"):
        layers.measure(SMALL[-1], 3, spoiled("weight", one_wrong), rounds=1)


def test_another_momentum_is_found(monkeypatch):
    """It moves the weights from the second step on."""

    def program(*arguments):
        with monkeypatch.context() as patch:
            patch.setitem(layer_programs.SGD, "momentum", 0.5)
            return layer_programs.tinynet_program(*arguments)

    with pytest.raises(layer_programs.OtherNumbers, match="update: weight differs"):
        layers.measure(SMALL[-1], 3, both() | {"tinynet": program}, rounds=1)


def test_a_number_that_is_none_is_found():
    def spoil(array):
        return np.full_like(array, np.nan)

    with pytest.raises(layer_programs.OtherNumbers, match="relu: dx differs from PyTorch's by inf"):
        layers.measure(SMALL[2], 3, spoiled("dx", spoil), rounds=1)


@pytest.mark.parametrize("name", ["y", "dx"])
def test_a_dropout_that_scales_otherwise_is_found(name):
    dropout = next(layer for layer in SMALL if layer.kind == "Dropout")
    with pytest.raises(layer_programs.OtherNumbers, match="dropout"):
        layers.measure(dropout, 20, spoiled(name, lambda array: array + 1), rounds=1)


def test_a_dropout_that_does_not_drop_is_found():
    given = {"x": np.ones(1000, np.float32), "dy": np.ones(1000, np.float32)}
    results = {"y": 2 * given["x"], "dx": 2 * given["dy"]}
    with pytest.raises(layer_programs.OtherNumbers, match="dropout"):
        layer_programs.check_dropout(given, results, 0.5, 2.0)
    kept = np.arange(1000) % 2 == 0
    results = {name: kept * array for name, array in results.items()}
    layer_programs.check_dropout(given, results, 0.5, 2.0)


# --- figures --------------------------------------------------------------------------------------


def test_rates_shares_and_ratios_are_those_of_the_definition():
    measured = {
        "tinynet": {"forward": [[1.0, 2.0, 3.0], [2.0], [9.0]]},
        "pytorch": {"forward": [[4.0], [1.0], [6.0]]},
    }
    todo = {"forward": Work(50 * 10**9, 8 * 10**9)}
    (row,) = layers.rows_of(SMALL[0], todo, measured, RATES)
    assert row["seconds"]["tinynet"] == {"median": 2.0, "low": 1.0, "high": 9.0}
    assert (row["gflops"], row["gbytes"], row["roof"], row["share"]) == (25.0, 4.0, "sgemm", 0.25)
    assert row["ratio"] == 1.5  # of 0.5, 2 and 1.5
    (row,) = layers.rows_of(SMALL[2], todo, measured, RATES)
    assert (row["roof"], row["share"]) == ("copy", 0.4)


def test_totals_are_sums_and_leave_errors_out():
    def row(direction, ours, theirs, roof):
        seconds = {"tinynet": {"median": ours}, "pytorch": {"median": theirs}}
        return {"direction": direction, "seconds": seconds, "roof": roof, "flop": 10**11}

    rows = [row("forward", 1.0, 2.0, "sgemm"), row("backward", 3.0, 2.0, "copy")]
    rows += [{"direction": "forward", "error": "other numbers"}]
    sums = layers.totals(rows, RATES)
    assert sums["forward"] == {"tinynet": 1.0, "pytorch": 2.0, "ratio": 0.5}
    assert sums["all"] == {"tinynet": 4.0, "pytorch": 4.0, "ratio": 1.0, "share": 0.25}
    assert layers.totals(rows[2:], RATES) == {"all": {}}


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_every_layer(tmp_path, capsys):
    file = tmp_path / "layers.json"
    assert layers.main([*TINY, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    rows = [(row["layer"], row["direction"]) for row in report["layers"]]
    names = [name for name in PAPER if name != "flatten"] + ["loss"]
    every = [(name, direction) for name in names for direction in ("forward", "backward")]
    assert rows == [*every, ("update", "update")]
    assert all(row["share"] > 0 for row in report["layers"])
    flop = {(row["layer"], row["direction"]): row["flop"] for row in report["layers"]}
    assert flop["conv1", "backward"] == flop["conv1", "forward"]  # no gradient by the images
    assert flop["conv2", "backward"] == 2 * flop["conv2", "forward"]
    assert report["idle"] is True and report["rates"] == RATES and "processor" in report["machine"]
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*names, "update", "total", "sgemm 100.0 GFLOP/s"))


def test_without_pytorch_its_columns_are_left_out_with_a_line(tmp_path, capsys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "torch" else found(n))
    file = tmp_path / "layers.json"
    assert layers.main([*TINY, "--only", "conv2,update", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert [row["layer"] for row in report["layers"]] == ["conv2", "conv2", "update"]
    assert report["pytorch"] is None and "ratio" not in report["layers"][0]
    printed = capsys.readouterr()
    assert "PyTorch is not installed" in printed.out and "PyTorch ms" not in printed.out


def test_a_layer_that_differs_is_an_error_and_the_others_go_on(tmp_path, capsys, monkeypatch):
    programs = both()

    def program(layer, given, needs_dx):
        run = programs["pytorch"](layer, given, needs_dx)
        if layer.name != "relu1":
            return run
        return lambda: (run()[0], run()[1] | {"y": -given["x"]})

    monkeypatch.setattr(layer_programs, "pytorch_program", program)
    file = tmp_path / "layers.json"
    assert layers.main([*TINY, "--only", "conv1,relu1,norm1", "--json", str(file)]) == 1
    rows = json.loads(file.read_text())["layers"]
    assert ["error" in row for row in rows] == [False, False, True, True, False, False]
    assert "seconds" not in rows[2]
    assert "error: relu1: y differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--only", "conv9"], "no layer is called conv9; there are conv1 "),
        (["--image-size", "3"], "the smallest that works"),
        (["--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at"),
    ],
)
def test_wrong_options_end_before_anything_is_measured(flags, words, capsys):
    with pytest.raises(SystemExit) as ended:
        layers.main([*TINY, *flags])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


# --- the picture ----------------------------------------------------------------------------------


def test_the_command_draws_a_roofline(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    file = tmp_path / "roofline.svg"
    assert layers.main([*TINY, "--only", "norm1,update", "--plot", str(file)]) == 0
    drawn = file.read_text()
    for label in ("norm1", "update", "sgemm 100 GFLOP/s", "copy 10.0 GB/s"):
        assert f"<!-- {label} -->" in drawn


def test_labels_of_a_roofline_cover_neither_each_other_nor_a_point():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib.figure import Figure

    figure = Figure(figsize=roofline.SIZE, dpi=roofline.DPI)
    axes = figure.subplots()
    # Thirty points almost on one spot.
    rows = [
        {
            "layer": f"layer{i}",
            "kind": "ReLU",
            "flop": 10 + i % 3,
            "bytes": 80,
            "gflops": 1 + i / 99,
        }
        for i in range(30)
    ]
    roofline._draw_roofs(axes, rows, RATES)
    roofline._draw_labels(figure, axes, rows)
    boxes = [text.get_window_extent().extents for text in axes.texts]
    points = axes.transData.transform([(row["flop"] / row["bytes"], row["gflops"]) for row in rows])
    for i, box in enumerate(boxes):
        assert not any(roofline._overlap(box, other) for other in boxes[:i])
        assert not any(roofline._overlap(box, (*point, *(point + 1))) for point in points)
    assert len(boxes) == 32 and math.isfinite(sum(map(sum, boxes)))
