"""The benchmark of layers on a GPU, without one: tinynet's kernels and PyTorch on the processor,
and a clock that is told what to say."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet.network.build import Layer
from benchmarks import (
    gpu_layer_programs,
    gpu_layers,
    gpu_tables,
    layer_programs,
    layers,
)
from benchmarks.layer_work import loss_and_update
from benchmarks.layer_work import work as work_of
from tests.benchmarks.gpu_clock import ABOUT, PLAN, TINY, Clock

CONV = Layer(
    "conv", "Conv2d",
    {"in_channels": 4, "out_channels": 6, "kernel": 3, "stride": 1, "padding": 1, "groups": 2},
    (4, 7, 5), (6, 7, 5),
)  # fmt: skip
NORM = {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 2.0, "divide_by_size": False}
POOL = {"window": 3, "stride": 2, "ceil_mode": False}
SMALL = [
    CONV,
    Layer("norm", "LocalResponseNorm", NORM, (7, 5, 4), (7, 5, 4)),
    Layer("pool", "MaxPool2d", POOL, (3, 7, 5), (3, 3, 2)),
    Layer("relu", "ReLU", {}, (3, 5, 4), (3, 5, 4)),
    Layer("fc", "Linear", {"in_features": 20, "out_features": 9}, (20,), (9,)),
    Layer("drop", "Dropout", {"drop": 0.5, "scale": "test"}, (400,), (400,)),
]
SMALL += loss_and_update(SMALL[:1] + [Layer("fc", "Linear", SMALL[4].arguments, (20,), (9,))])


def both():
    pytest.importorskip("torch", reason="PyTorch is not installed")

    def pytorch_program(*arguments):
        return gpu_layer_programs.pytorch_program(*arguments, device="cpu")

    return {
        "tinynet": (gpu_layer_programs.tinynet_program, Clock()),
        "pytorch": (pytorch_program, Clock()),
    }


@pytest.mark.parametrize("layer", SMALL, ids=lambda layer: layer.name)
def test_both_layers_compute_the_same(stand_in, layer):
    tn.seed(0)
    rates = {"sgemm": 1.0, "copy": 1.0}
    rows = gpu_layers.rows_of(layer, 3, both(), 2, True, "float32", rates, 1000)
    assert [row["direction"] for row in rows] == list(work_of(layer, 3))
    assert all(row["ratio"] > 0 and row["device_bound"] for row in rows)


def test_the_copies_of_a_layers_arrays_hold_the_same_in_other_memory(stand_in):
    given = layer_programs.draw(CONV, 2)
    program = gpu_layer_programs.tinynet_program(CONV, given, 3)
    assert len(program.copies) == 3
    places = {id(copy.leaves["x"].data.host) for copy in program.copies}
    assert len(places) == 3
    program.backward(program.forward())
    first, *others = [copy.leaves["weight"].grad.host for copy in program.copies]
    assert all(np.array_equal(first, other) for other in others)
    program.forget()
    assert all(copy.leaves["x"].grad is None for copy in program.copies)
    first_layer = gpu_layer_programs.tinynet_program(CONV, given, 1, needs_dx=False)
    assert first_layer.results()["dx"] is None and first_layer.results()["dweight"] is not None


def test_copies_are_more_than_the_cache_holds():
    given = {"x": np.zeros(150, np.uint8), "dy": np.zeros(50, np.uint8)}
    assert gpu_layer_programs.copies_for(given, 50) == 4
    assert gpu_layer_programs.copies_for(given, 501) == 11
    assert gpu_layer_programs.copies_for(given, 10**6) == gpu_layer_programs.MOST_COPIES


@pytest.mark.parametrize("name", ["y", "dx", "dweight", "dbias"])
def test_one_wrong_number_of_a_layer_is_an_error_of_its_rows(stand_in, name):
    programs = both()
    make, clock = programs["tinynet"]

    def spoiled(*arguments):
        program = make(*arguments)
        right = program.results

        def wrong():
            results = right()
            results[name].flat[3] += 0.02 * np.abs(results[name]).max()
            return results

        program.results = wrong
        return program

    programs["tinynet"] = spoiled, clock
    rates = {"sgemm": 1.0, "copy": 1.0}
    rows = gpu_layers.rows_of(CONV, 3, programs, 1, True, "tf32", rates, 1000)
    assert [row["direction"] for row in rows] == ["forward", "backward"]
    assert all(f"conv: {name} differs from PyTorch's by" in row["error"] for row in rows)
    assert "seconds" not in rows[0]


def test_tf32_explains_differences_of_products_alone():
    ours = {"y": np.array([1.0, 0.001], np.float32)}
    theirs = {"y": np.array([1.0, 0.003], np.float32)}
    gpu_layer_programs.check_equal(CONV, {}, ours, theirs, "tf32")
    for layer, precision in ((CONV, "float32"), (SMALL[1], "tf32")):
        with pytest.raises(layer_programs.OtherNumbers, match="y differs"):
            gpu_layer_programs.check_equal(layer, {}, ours, theirs, precision)


def test_the_time_of_a_layer_is_that_of_one_copy_behind_products():
    clock = Clock(behind=5)
    calls = []
    program = gpu_layer_programs.LayerProgram([gpu_layer_programs.Copy(None)] * 4, None)
    program.forward = lambda: calls.append("forward")
    program.backward = lambda ys: calls.append("backward")
    passes = gpu_layers.Passes(SMALL[3], program, clock, 1e3)
    clock.ticks = iter([0, 8, 20] * 4)  # 1, 2 and 4 products are too few, 8 are enough
    times, device_bound = passes.once()
    assert times == {"forward": 2.0, "backward": 3.0} and device_bound
    assert calls == ["forward", "backward"] * 6
    clock.behind = 1000
    clock.ticks = iter([0, 8, 20] * gpu_layers.MOST_TRIES)
    assert passes.once() == ({"forward": 2.0, "backward": 3.0}, False)


def run_layers(tmp_path, *flags):
    file = tmp_path / "layers.json"
    given = gpu_layers.parser().parse_args(
        [*TINY, "--batch-size", "2", "--rounds", "1", "--json", str(file), *flags]
    )
    only = given.only.split(",") if given.only else [row.name for row in layers.measurable(PLAN)]
    code = gpu_layers.benchmark(given, "cifar10", PLAN, only, both(), ABOUT)
    return code, json.loads(file.read_text())


def test_the_layers_report_holds_every_layer_and_products_in_tf32_too(stand_in, tmp_path, capsys):
    code, report = run_layers(tmp_path)
    assert code == 0
    rows = [(row["layer"], row["direction"], row["precision"]) for row in report["layers"]]
    names = [layer.name for layer in layers.measurable(PLAN)]
    assert names == list(dict.fromkeys(name for name, _, _ in rows))
    assert ("update", "update", "float32") in rows and ("conv2", "backward", "tf32") in rows
    assert {name for name, _, precision in rows if precision == "tf32"} == {
        "conv1", "conv2", "conv3", "fc10",
    }  # fmt: skip
    first = {row["direction"]: row for row in report["layers"] if row["layer"] == "conv1"}
    assert first["backward"]["flop"] == first["forward"]["flop"]  # no gradient by the images
    assert set(report["rates"]["sgemm"]) == {"float32", "tf32"}
    assert 0 < report["least_share"]["share"] <= report["least_share"]["median"]
    assert "PyTorch µs" in capsys.readouterr().out


def test_the_table_of_layers_shows_floor_gaps_and_errors():
    seconds = {"tinynet": {"median": 2e-6}, "pytorch": {"median": 3e-6}}
    row = {"seconds": seconds, "roof": "copy", "gbytes": 1500.0, "share": 0.75, "ratio": 0.66}
    cells = gpu_tables._layer_cells(row | {"device_bound": False})
    assert cells == ["2.0 *", "1.5", "", "1,500", "75%", "3.0", "0.66"]
    assert gpu_tables._layer_cells({"error": "other numbers"}) == ["error"]
