"""benchmarks.layers: the counts of work, the comparison of the programs, and the report."""

import importlib.util
import json
from types import SimpleNamespace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.network.plan import Layer, plan, smallest_image_size
from benchmarks import layers, machine
from benchmarks.clocks import HostClock
from benchmarks.figures import layers as figures
from benchmarks.figures import roofline
from benchmarks.programs.agreement import OtherNumbers, check_dropout, check_equal
from benchmarks.programs.layer import MOST_COPIES, LayerProgram, PyTorch, Tinynet, copies_for, draw
from benchmarks.work import Work, loss_and_update, work
from tests.benchmarks.told_clock import ToldClock

PAPER = {layer.name: layer for layer in plan(alexnet.SPECS["paper"], 1000, 227)}
OF_2012 = {layer.name: layer for layer in plan(alexnet.SPECS["code-2012"], 1000, 224)}
RATES = {"sgemm": 100.0, "copy": 10.0}
TINY = "--threads 1 --rounds 1 --image-size 67 --batch-size 2 --width 0.03".split()
CONV = {"in_channels": 4, "out_channels": 6, "kernel": 3, "stride": 2, "padding": 1, "groups": 2}
CONV |= {"ceil_mode": False}
UP = CONV | {"padding": 0, "ceil_mode": True}
LRN = {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 2.0, "groups": 1}
TOWERS = LRN | {"divide_by_size": True, "groups": 2}
SAME_MAP = {"size": 3, "alpha": 9.0, "beta": 0.75, "k": 1.0}
POOL = {"window": 3, "stride": 2, "ceil_mode": True}
MAPS = (7, 9, 9)
SMALL = [
    Layer("conv", "Conv2d", CONV, (4, 9, 9), (6, 5, 5)),
    Layer("conv up", "Conv2d", UP, (4, 10, 10), (6, 5, 5)),
    Layer("fc", "Linear", {"in_features": 13, "out_features": 5}, (13,), (5,)),
    Layer("relu", "ReLU", {}, MAPS, MAPS),
    Layer("tanh", "Tanh", {}, MAPS, MAPS),
    Layer("lrn", "LocalResponseNorm", LRN | {"divide_by_size": False}, MAPS, MAPS),
    Layer("lrn/size", "LocalResponseNorm", LRN | {"divide_by_size": True}, MAPS, MAPS),
    Layer("lrn of towers", "LocalResponseNorm", TOWERS, (8, 5, 5), (8, 5, 5)),
    Layer("same-map", "SameMapNorm", SAME_MAP, MAPS, MAPS),
    Layer("batch", "BatchNorm2d", {"channels": 7, "eps": 0.1, "momentum": 0.1}, MAPS, MAPS),
    Layer("max", "MaxPool2d", POOL, (7, 8, 8), (7, 4, 4)),
    Layer("mean", "AvgPool2d", POOL, (7, 8, 8), (7, 4, 4)),
    Layer("adaptive", "AdaptiveAvgPool2d", {"size": 4}, MAPS, (7, 4, 4)),
    Layer("dropout", "Dropout", {"drop": 0.3, "scale": "train"}, MAPS, MAPS),
    Layer("dropout 2012", "Dropout", {"drop": 0.3, "scale": "test"}, MAPS, MAPS),
    Layer("loss", "SoftmaxCrossEntropy", {}, (10,), ()),
    Layer("update", "SGD", {}, (1001,), (1001,)),
]
NAMED = {layer.name: layer for layer in SMALL}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waiting for an idle machine, no long rates; the threads as before afterwards."""
    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds=120: True)
    monkeypatch.setattr(layers.clocks, "product_rate", lambda clock: 1e9 * RATES["sgemm"])
    monkeypatch.setattr(layers.clocks, "copy_rate", lambda clock: 1e9 * RATES["copy"])
    monkeypatch.setattr(layers, "TURN", 0)
    monkeypatch.setattr(layers, "PAUSE", 0)
    torch = importlib.util.find_spec("torch") and pytest.importorskip("torch")
    threads = torch and torch.get_num_threads()
    with tn.use_backend("numpy"):
        yield
    if torch:
        torch.set_num_threads(threads)


def both(clock=HostClock):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    return {"tinynet": (Tinynet(), clock()), "pytorch": (PyTorch("cpu"), clock())}


@pytest.fixture
def spoil(monkeypatch):
    """A function that changes a result of one framework from now on."""

    def spoil(framework, name, change):
        def results(self):
            numbers = correct(self)
            wrong = isinstance(self._framework, framework) and name in numbers
            return numbers | ({name: change(numbers[name])} if wrong else {})

        correct = LayerProgram.results
        monkeypatch.setattr(LayerProgram, "results", results)

    return spoil


def one_wrong(array):
    array = array.copy()
    array.flat[array.size // 2] += 0.02 * np.abs(array).max()
    return array


# --- the counts -----------------------------------------------------------------------------------


def test_convolutions_compute_two_gradients_and_the_first_one_only_one():
    x, y, parameters = 128 * 3 * 227 * 227, 128 * 96 * 55 * 55, 34_944
    once = 2 * 128 * 105_415_200
    need = work(PAPER["conv1"], 128, needs_dx=False)
    assert need["forward"] == Work(once, 4 * (x + parameters + y))
    assert need["backward"] == Work(once, 4 * (y + x + parameters))
    x, y, weight = 128 * 96 * 27 * 27, 128 * 256 * 27 * 27, 256 * 48 * 25
    need = work(PAPER["conv2"], 128)
    assert need["forward"] == Work(2 * 128 * 223_948_800, 4 * (x + weight + 256 + y))
    assert need["backward"] == Work(4 * 128 * 223_948_800, 4 * (y + x + 2 * weight + 256 + x))
    assert work(PAPER["fc6"], 1)["backward"].flop == 4 * 37_748_736


@pytest.mark.parametrize(
    "name, forward, backward, flop",
    [
        ("norm1", 2 * 290_400, 3 * 290_400, 9 * 290_400),
        ("samemap2", 2 * 186_624, 3 * 186_624, 29 * 186_624),
        ("relu1", 2 * 290_400, 3 * 290_400, 290_400),
        ("pool1", 290_400 + 69_984, 69_984 + 290_400, 8 * 69_984),
        ("dropout6", 2 * 4096, 2 * 4096, 4096),
        ("loss", 1000, 2 * 1000, 4 * 1000),
    ],
)
def test_each_array_moves_once_and_arithmetic_is_the_definitions(name, forward, backward, flop):
    others = {"loss": loss_and_update(list(PAPER.values()))[0], "samemap2": OF_2012["samemap2"]}
    need = work((PAPER | others)[name], 128)
    assert need["forward"] == Work(128 * flop, 4 * 128 * forward)
    assert need["backward"].bytes == 4 * 128 * backward


@pytest.mark.parametrize("spec", alexnet.SPECS)
def test_every_layer_of_every_spec_is_counted(spec):
    row = alexnet.SPECS[spec]
    for layer in layers.measurable(plan(row, 10, smallest_image_size(row))):
        assert all(need.flop > 0 and need.bytes > 0 for need in work(layer, 2).values())
    weights = 60_965_224
    update = work(loss_and_update(list(PAPER.values()))[1], 128)["update"]
    assert update == Work(6 * weights, 5 * 4 * weights)


# --- the programs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", SMALL, ids=lambda layer: layer.name)
@pytest.mark.parametrize("clock", [HostClock, ToldClock])
def test_both_programs_compute_the_same(layer, clock, request):
    if clock is ToldClock:
        request.getfixturevalue("stand_in")
    tn.seed(0)
    *_, (measured, device_bound) = layers.measure(layer, 20, both(clock), 2, True)
    assert device_bound
    for directions in measured.values():
        assert directions.keys() == work(layer, 20).keys()
        assert all(len(rounds) == 2 and min(rounds)[0] > 0 for rounds in directions.values())


def test_copies_hold_the_same_numbers_in_other_memory_and_more_than_the_cache():
    arrays = draw(NAMED["conv"], 3)
    program = LayerProgram(Tinynet(), NAMED["conv"], arrays, 3)
    assert len({id(copy.leaves["x"].data) for copy in program.copies}) == 3
    program.backward(program.forward())
    first, *others = [copy.leaves["weight"].grad for copy in program.copies]
    assert len(others) == 2 and all(np.array_equal(first, other) for other in others)
    assert sorted(program.results()) == ["dbias", "dweight", "dx", "y"]
    results = LayerProgram(Tinynet(), NAMED["conv"], arrays, 1, needs_dx=False).results()
    assert results["dx"] is None and results["dweight"] is not None
    arrays = {"x": np.zeros(150, np.uint8), "dy": np.zeros(50, np.uint8)}
    assert [copies_for(arrays, size) for size in (None, 50, 501)] == [1, 4, 11]
    assert copies_for(arrays, 10**6) == MOST_COPIES


@pytest.mark.parametrize(
    "layer, name, change, words",
    [
        *(("conv", name, one_wrong, f"{name} differs") for name in ("y", "dx", "dweight", "dbias")),
        ("relu", "dx", lambda array: array + np.nan, "dx differs from PyTorch's by inf"),
        ("update", "weight", one_wrong, "weight differs"),
        ("dropout", "y", lambda array: array + 1, "not every element is dropped"),
        ("dropout 2012", "dx", lambda array: 2 * array, "not every element is dropped"),
    ],
)  # fmt: skip
def test_one_wrong_number_is_seen(layer, name, change, words, spoil):
    spoil(Tinynet, name, change)
    with pytest.raises(OtherNumbers, match=words):
        list(layers.measure(NAMED[layer], 20, both(), 1, True))


def test_another_momentum_is_seen(monkeypatch):
    """It moves the weights from the second step on."""

    def sgd(self, parameters):
        return tn.optim.SGD(parameters, lr=0.01, momentum=0.5, weight_decay=5e-4)

    monkeypatch.setattr(Tinynet, "sgd", sgd)
    with pytest.raises(OtherNumbers, match="update: weight differs"):
        list(layers.measure(NAMED["update"], 3, both(), 1, True))


def test_a_dropout_that_does_not_drop_is_seen():
    arrays = {"x": np.ones(1000, np.float32), "dy": np.ones(1000, np.float32)}
    results = {"y": 2 * arrays["x"], "dx": 2 * arrays["dy"]}
    with pytest.raises(OtherNumbers, match="dropout"):
        check_dropout(arrays, results, 0.5, 2.0)
    kept = np.arange(1000) % 2 == 0
    results = {name: kept * array for name, array in results.items()}
    check_dropout(arrays, results, 0.5, 2.0)


def test_tf32_explains_differences_of_products_alone():
    ours, theirs = ({"y": np.array([1.0, y], np.float32)} for y in (0.001, 0.003))
    check_equal(NAMED["conv"], {}, ours, theirs, "tf32")
    for name, precision in (("conv", "float32"), ("lrn", "tf32")):
        with pytest.raises(OtherNumbers, match="y differs"):
            check_equal(NAMED[name], {}, ours, theirs, precision)


def test_the_time_on_a_gpu_is_of_one_copy_behind_products():
    clock, calls = ToldClock(behind=5), []
    program = SimpleNamespace(
        copies=[None] * 4, forget=lambda: None, forward=lambda: calls.append("forward"),
        backward=lambda ys: calls.append("backward"),
    )  # fmt: skip
    passes = layers.Passes(NAMED["relu"], program, clock)
    clock.ticks = iter([0, 8, 20] * 4)  # 1, 2 and 4 products are too few, 8 are enough
    assert passes.once() == {"forward": 2.0, "backward": 3.0} and passes.device_bound
    assert calls == ["forward", "backward"] * 6
    clock.behind, clock.ticks = 10**6, iter([0, 8, 20] * 4)  # 8, 16 and 32, then 32 again
    for _ in range(2):
        assert passes.once() == {"forward": 2.0, "backward": 3.0} and not passes.device_bound
    assert next(clock.ticks, None) is None, "no more tries once the most products were too few"


# --- figures --------------------------------------------------------------------------------------


def test_rates_shares_and_ratios_follow_the_definition():
    measured = {
        "tinynet": {"forward": [[1.0, 2.0, 3.0], [2.0], [9.0]]},
        "pytorch": {"forward": [[4.0], [1.0], [6.0]]},
    }
    todo = {"forward": Work(50 * 10**9, 8 * 10**9)}
    (row,) = figures.rows_of(NAMED["conv"], todo, measured, RATES)
    assert row["seconds"]["tinynet"] == {"median": 2.0, "low": 1.0, "high": 9.0}
    assert (row["gflops"], row["gbytes"], row["roof"], row["share"]) == (25.0, 4.0, "sgemm", 0.25)
    assert row["ratio"] == 1.5  # of 0.5, 2 and 1.5
    (row,) = figures.rows_of(NAMED["relu"], todo, measured, RATES)
    assert (row["roof"], row["share"]) == ("copy", 0.4)
    (row,) = figures.rows_of(NAMED["fc"], todo, measured, RATES | {"sgemm tf32": 50.0}, "tf32")
    assert (row["roof"], row["share"]) == ("sgemm tf32", 0.5)


def test_totals_are_sums_and_leave_errors_and_tf32_out():
    def row(direction, ours, theirs, roof, precision="float32"):
        seconds = {"tinynet": {"median": ours}, "pytorch": {"median": theirs}}
        row = {"direction": direction, "seconds": seconds, "roof": roof, "flop": 10**11}
        return row | {"precision": precision}

    rows = [row("forward", 1.0, 2.0, "sgemm"), row("backward", 3.0, 2.0, "copy")]
    rows += [row("forward", 1.0, 2.0, "sgemm tf32", "tf32")]
    rows += [{"direction": "forward", "error": "other numbers", "precision": "float32"}]
    sums = figures.totals(rows, RATES)
    assert sums["forward"] == {"tinynet": 1.0, "pytorch": 2.0, "ratio": 0.5}
    assert sums["all"] == {"tinynet": 4.0, "pytorch": 4.0, "ratio": 1.0, "share": 0.25}
    assert figures.totals(rows[2:], RATES) == {"all": {}}


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_every_layer(tmp_path, capsys):
    file = tmp_path / "layers.json"
    assert layers.main([*TINY, "--backend", "numpy", "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    rows = [(row["layer"], row["direction"]) for row in report["layers"]]
    names = [name for name in PAPER if name != "flatten"] + ["loss"]
    every = [(name, direction) for name in names for direction in ("forward", "backward")]
    assert rows == [*every, ("update", "update")]
    assert all(row["share"] > 0 for row in report["layers"])
    flop = {(row["layer"], row["direction"]): row["flop"] for row in report["layers"]}
    assert flop["conv1", "backward"] == flop["conv1", "forward"]  # no gradient by the images
    assert flop["conv2", "backward"] == 2 * flop["conv2", "forward"]
    assert report["idle"] is True and report["rates"] == RATES and "blas" in report["machine"]
    assert report["complete"] is True and report["layers"][0]["rounds_measured"] == 1
    printed = capsys.readouterr().out
    assert all(name in printed for name in (*names, "update", "total", "sgemm 100.0 GFLOP/s"))


def test_a_command_that_is_killed_leaves_the_rounds_it_has_measured(tmp_path, monkeypatch):
    """In the second of three rounds of norm1."""

    class Killed(BaseException):
        pass

    def once(self):
        turns.append(self)
        if len(turns) > 9:  # a round is an untimed run and a timed one
            raise Killed
        return dict.fromkeys(self.directions, 0.5)

    turns = []
    monkeypatch.setattr(layers.Passes, "once", once)
    monkeypatch.setattr(layers.importlib.util, "find_spec", lambda name: None)
    file = tmp_path / "layers.json"
    flags = ["--backend", "numpy", "--only", "conv1,norm1,update", "--json", str(file)]
    with pytest.raises(Killed):
        layers.main([*TINY, *flags, "--rounds", "3"])
    report = json.loads(file.read_text())
    measured = [
        (row["layer"], row["direction"], row["rounds_measured"]) for row in report["layers"]
    ]
    both = ("forward", "backward")
    assert measured == [*(("conv1", d, 3) for d in both), *(("norm1", d, 1) for d in both)]
    assert report["complete"] is False and report["rounds"] == 3 and "totals" not in report
    assert report["layers"][-1]["seconds"]["tinynet"]["median"] == 0.5


def test_on_a_gpu_products_are_measured_in_both_precisions(stand_in, tmp_path, monkeypatch, capsys):
    """Without PyTorch, whose columns are left out."""
    clock = ToldClock()
    monkeypatch.setattr(layers, "CupyClock", lambda: clock)
    monkeypatch.setattr(layers.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(machine, "gpu_description", lambda: {"gpu": "a stand-in"})
    file = tmp_path / "layers.json"
    flags = ["--backend", "cupy", "--only", "conv2,norm1,update", "--json", str(file)]
    assert layers.main([*TINY, *flags]) == 0
    report = json.loads(file.read_text())
    rows = {(row["layer"], row["precision"]) for row in report["layers"]}
    products = {("conv2", "float32"), ("conv2", "tf32")}
    assert rows == products | {("norm1", "float32"), ("update", "float32")}
    assert set(report["rates"]) == {"sgemm", "sgemm tf32", "copy"}
    assert report["pytorch"] is None and "ratio" not in report["layers"][0]
    printed = capsys.readouterr()
    assert "a stand-in" in printed.out and "PyTorch ms" not in printed.out
    assert "PyTorch is not installed" in printed.err
    assert clock.precisions == ["float32", "tf32"]


def test_a_pytorch_that_reaches_no_gpu_is_left_out(stand_in, monkeypatch, capsys):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(layers, "CupyClock", ToldClock)
    monkeypatch.setattr(machine, "gpu_description", lambda: {"gpu": "a stand-in"})
    flags = ["--backend", "cupy", "--only", "relu7", "--precision", "float32"]
    assert layers.main([*TINY, *flags]) == 0
    assert "PyTorch reaches no GPU: tinynet alone" in capsys.readouterr().err


def test_a_layer_that_differs_is_an_error_and_the_others_go_on(tmp_path, capsys, spoil):
    both()
    spoil(PyTorch, "dweight", one_wrong)
    file = tmp_path / "layers.json"
    flags = ["--backend", "numpy", "--only", "conv1,relu1,norm1", "--json", str(file)]
    assert layers.main([*TINY, *flags]) == 1
    rows = json.loads(file.read_text())["layers"]
    assert ["error" in row for row in rows] == [True, True, False, False, False, False]
    assert "seconds" not in rows[0]
    assert "error: conv1: dweight differs" in capsys.readouterr().out


def test_the_command_draws_a_roofline(tmp_path):
    for package in ("matplotlib", "adjustText"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    file = tmp_path / "roofline.svg"
    flags = ["--backend", "numpy", "--only", "norm1,update", "--plot", str(file)]
    assert layers.main([*TINY, *flags]) == 0
    picture = file.read_text()
    for label in ("norm1", "update", "sgemm 100 GFLOP/s", "copy 10.0 GB/s"):
        assert f"<!-- {label} -->" in picture


def test_labels_of_a_roofline_cover_no_other_label():
    for package in ("matplotlib", "adjustText"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from matplotlib.figure import Figure

    axes = Figure(figsize=roofline.SIZE, dpi=roofline.DPI).subplots()
    row = {"kind": "ReLU", "bytes": 80}
    rows = [
        row | {"layer": f"layer{i}", "flop": 10 + i % 3, "gflops": 1 + i / 99} for i in range(12)
    ]  # twelve points almost on one spot
    roofline._draw_roofs(axes, rows, RATES)
    roofline._draw_labels(axes.figure, axes, rows)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 14
    for number, box in enumerate(boxes):
        assert not box.count_overlaps(boxes[:number])
