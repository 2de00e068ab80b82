"""The benchmarks on a GPU, without one: tinynet's kernels on the processor (tests/host_gpu.py),
PyTorch on the processor, and a clock that is told what to say."""

import json
import os
import shutil
import stat
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS
from alexnet.changes import changed
from alexnet.model import Layer, plan
from benchmarks import (
    gpu_device,
    gpu_figures,
    gpu_layer_programs,
    gpu_layers,
    gpu_programs,
    gpu_small_cases,
    gpu_step,
    gpu_tables,
    layer_programs,
    layers,
    programs,
    step,
)
from benchmarks.layer_work import loss_and_update
from benchmarks.layer_work import work as work_of
from benchmarks.peers import protocol
from tests.host_gpu import host_backend
from tinynet import backends
from tinynet.backends.contract import FILES

ROOT = Path(__file__).resolve().parents[1]
ABOUT = {"gpu": "a stand-in", "l2_bytes": 1000}
PLAN = plan(changed(SPECS["cifar10"], norm="lrn", width=0.1), 10, 12)
TINY = "--spec cifar10 --norm lrn --width 0.1 --image-size 12 --rounds 2".split()


class Clock:
    """A device without one: what is queued is done at once, and a mark is a time.

    ticks   of each mark, in turn; None: the processor's clock
    behind  after so many products the device is slower than the processor; None: always
    """

    product_flop = 1000

    def __init__(self, ticks=None, behind=None):
        self.ticks, self.behind, self.products = ticks and iter(ticks), behind, 0
        self.precisions, self.released = [], 0

    def set_precision(self, precision):
        self.precisions.append(precision)

    def mark(self):
        return next(self.ticks) if self.ticks else time.perf_counter()

    def passed(self, mark):
        return self.behind is not None and self.products < self.behind

    def between(self, first, last):
        return last - first

    def synchronize(self):
        self.products = 0

    def product(self):
        self.products += 1

    def copies(self, size):
        self.copied = size
        return lambda: None

    def used_bytes(self):
        return 100

    def peak_bytes(self, run):
        run()
        return 350

    def release(self):
        self.released += 1


@pytest.fixture
def stand_in(monkeypatch):
    """The cupy backend on the processor, as the default."""
    if not shutil.which("g++"):
        pytest.skip("g++ is not installed: no CUDA kernels on the processor")
    monkeypatch.setitem(backends._loaded, "cupy", host_backend())
    with tn.use_backend("cupy"):
        yield tn.get_backend()


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A small network with dropout, and three images."""
    folder = tmp_path_factory.mktemp("work")
    sizes = {"image_size": 67, "width": 0.03, "init": "he", "num_classes": 5}
    programs.write_work(folder, "paper", 3, 1, **sizes)
    return gpu_programs.Work(folder)


def on_processor(work, **how):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    return gpu_programs.PyTorch(work, device="cpu", **how)


# --- the clock ------------------------------------------------------------------------------------


def test_the_time_of_a_part_is_that_between_its_marks():
    queued = []
    device = Clock(ticks=[1.0, 3.0, 3.5], behind=2)
    timed = gpu_device.seconds(device, lambda: queued.append("a"), lambda: queued.append("b"))
    assert (timed.seconds, timed.device_bound, queued) == ([2.0, 0.5], False, ["a", "b"])
    device = Clock(ticks=[1.0, 2.0], behind=2)
    assert gpu_device.seconds(device, lambda: None, behind=2).device_bound


def test_rates_are_those_of_the_faster_library():
    # Each library runs once before it is timed: marks 0 and 9.
    slow = Clock(ticks=[0, 9, 0, 10, 14, 22])  # 1000 FLOP in 10, 4 and 8 seconds
    fast = Clock(ticks=[0, 9, 0, 3, 7, 9])
    assert gpu_device.product_rate([slow, fast], runs=3) == 1000 / 2
    slow = Clock(ticks=[0, 9, 0, 10, 14, 22])
    fast = Clock(ticks=[0, 9, 0, 3, 7, 9])
    assert gpu_device.copy_rate([slow, fast], size=60, runs=3) == 2 * 60 / 3  # the median run
    assert slow.copied == 60 and slow.released == 1


def test_products_last_as_long_as_they_are_wanted_to():
    assert gpu_device.products_lasting(Clock(), 0.0, 500.0) == 1
    assert gpu_device.products_lasting(Clock(), 4.1, 500.0) == 3  # of two seconds each


def test_the_matrices_of_the_best_rate_hold_no_zeros():
    a, b = gpu_device.square_matrices(600)
    assert a.shape == b.shape == (600, 600) and a.dtype == np.float32
    assert np.abs(a).min() > 0 and not np.array_equal(a, b)


# --- the same numbers -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["channels-first", "channels-last"])
def test_tinynets_step_and_pytorchs_compute_the_same(stand_in, work, order):
    ours, theirs = gpu_programs.Tinynet(work), on_processor(work, order=order)
    numbers = [protocol.numbers(program, work.folder, 2) for program in (ours, theirs)]
    apart = gpu_programs.check_numbers("pytorch", *numbers, "float32")
    assert max(apart.values()) < 1e-4
    assert numbers[0]["losses"][1] < numbers[0]["losses"][0]
    launched = {name.removesuffix("_float") for name in stand_in.gpu.launched}
    assert {"local_response_norm_2", "max_pool2d_backward", "sgd_paper"} <= launched


def test_a_wrong_kernel_is_seen(stand_in, work, monkeypatch):
    right = protocol.numbers(on_processor(work), work.folder, 2)
    kernel = stand_in.max_pool2d_backward

    def wrong(dy, switches, *more):
        kernel(dy, switches, *more)
        more[-1][0, :, 0] = 1.0

    monkeypatch.setattr(stand_in, "max_pool2d_backward", wrong)
    ours = protocol.numbers(gpu_programs.Tinynet(work), work.folder, 2)
    with pytest.raises(programs.ProgramError, match="other numbers than tinynet: its (losses|mov)"):
        gpu_programs.check_numbers("pytorch", ours, right, "float32")


def test_a_step_is_wrapped_once_a_restart_and_drops_only_when_it_shall(stand_in, work):
    wrapped = []

    def wrap(step):
        wrapped.append(step)
        return step

    program = gpu_programs.Tinynet(work, wrap)
    losses = []
    for dropout in (False, False, True):
        tn.seed(len(wrapped))
        program.restart(dropout)
        losses.append(program.step()["loss"])
    assert len(wrapped) == 3
    assert losses[0] == losses[1] != losses[2]


def test_numbers_may_be_as_far_apart_as_the_precision_explains():
    right = {"losses": [2.0, 1.0], "moves": {"a": 1e-6}, "pulls": {"a": -1e-6}}
    for precision, factor, pull in (("float32", 1.01, 1e-7), ("tf32", 1.029, 5e-7)):
        close = {"losses": [2.0, 1.0], "moves": {"a": 1e-6 * factor}, "pulls": {"a": pull - 1e-6}}
        gpu_programs.check_numbers("peer", right, close, precision)
    for precision, wrong in (
        ("float32", {"losses": [2.0, 1.002]}),
        ("tf32", {"losses": [2.0, 1.02]}),
        ("tf32", {"losses": [2.0, float("nan")]}),
        ("float32", {"moves": {"a": 1.03e-6}}),
        ("tf32", {"moves": {"b": 1e-6}}),
        ("tf32", {"pulls": {"a": -1e-6 + gpu_programs.DECAY}}),  # no weight decay
    ):
        with pytest.raises(programs.ProgramError):
            gpu_programs.check_numbers("peer", right, right | wrong, precision)


# --- figures --------------------------------------------------------------------------------------


def turns(*seconds):
    return [{"seconds": second, "host_seconds": second / 4} for second in seconds]


def test_speeds_and_shares_are_those_of_each_round():
    found = gpu_figures.figures({"tinynet": turns(0.5, 0.25, 1.0)}, [1e6, 1e6, 2e6], 128, 1000)
    row = found["tinynet"]
    assert row["images_per_second"] == (256.0, 128.0, 512.0)
    assert row["milliseconds"] == (500.0, 250.0, 1000.0)
    assert row["host_milliseconds"][0] == 125.0
    assert row["of_sgemm"] == (0.256, 0.064, 0.512)  # of 0.256, 0.512 and 0.064


def test_ratios_are_those_of_one_round_with_the_bounds_of_the_paper():
    every = {
        "tinynet": turns(1.0, 2.0, 1.0),
        "pytorch": turns(3.0, 2.0, 4.0),
        "pytorch-channels-last": turns(2.0, 2.0, 2.0),
        "pytorch-compiled-channels-last": turns(1.0, 1.0, 1.0),
    }
    bounds = gpu_figures.bounds_for("paper", {}, 227, 512)
    rows = gpu_figures.ratios(every, bounds)
    assert [(row["ratio"][0], row["bound"]) for row in rows] == [
        (3.0, 1.2),
        (2.0, None),
        (1.0, 1.0),
    ]
    assert rows[0]["what"] == "tinynet over pytorch" and rows[0]["ratio"] == (3.0, 1.0, 4.0)
    for other in (
        ("paper", {"groups": 1}, 227, 128),
        ("paper", {}, 67, 128),
        ("paper", {}, 227, 64),
    ):
        assert gpu_figures.bounds_for(*other) == {}


# --- the step's command ---------------------------------------------------------------------------


def run_step(tmp_path, made, *flags):
    """(exit code, report) of gpu_step.benchmark; made: {name: function of Work}."""
    file = tmp_path / "step.json"
    given = gpu_step.parser().parse_args(
        [*TINY, "--steps-a-turn", "1", "--json", str(file), *flags]
    )
    devices = {name: Clock() for name in made}
    code = gpu_step.benchmark(given, made, devices, ABOUT)
    return code, json.loads(file.read_text()), devices


def test_the_steps_report_holds_every_program_batch_size_and_precision(stand_in, tmp_path, capsys):
    made = {
        "tinynet": gpu_programs.Tinynet,
        "tinynet-captured": lambda work: gpu_programs.Tinynet(work, lambda step: step),
        "pytorch": on_processor,
    }
    code, report, devices = run_step(tmp_path, made, "--batch-size", "1", "2", "--rounds", "1")
    assert code == 0
    runs = report["runs"]
    assert [(run["batch_size"], run["precision"]) for run in runs] == [
        (1, "float32"), (1, "tf32"), (2, "float32"), (2, "tf32"),
    ]  # fmt: skip
    assert devices["pytorch"].precisions == ["float32", "tf32"] * 2
    for run in runs:
        assert list(run["programs"]) == list(made) and run["failed"] == {}
        row = run["programs"]["tinynet-captured"]
        assert row["peak_bytes"] == 250 and row["apart"]["losses"] == 0 and len(row["turns"]) == 1
        assert len(row["losses"]) == 3 and row["of_sgemm"][0] > 0
        assert len(run["ratios"]) == 2
    assert report["options"]["changes"] == {"norm": "lrn", "width": 0.1}
    printed = capsys.readouterr().out
    assert "batch 2, tf32" in printed and "tinynet-captured over pytorch" in printed


def test_a_program_that_differs_or_breaks_is_left_out_and_the_others_go_on(
    stand_in, tmp_path, capsys
):
    class Other(gpu_programs.Tinynet):
        def step(self):
            return {"loss": super().step()["loss"] + 1}

    class Late(gpu_programs.Tinynet):
        steps = 0

        def queue(self):
            super().queue()
            self.steps += 1
            if self.steps == 9:
                raise RuntimeError("out of memory")

    def broken(work):
        raise RuntimeError("no compiler")

    made = {"tinynet": gpu_programs.Tinynet, "pytorch": broken, "pytorch-channels-last": Other}
    made["pytorch-compiled"] = Late
    code, report, _ = run_step(tmp_path, made, "--batch-size", "2", "--precision", "tf32")
    (run,) = report["runs"]
    assert code == 1 and list(run["programs"]) == ["tinynet"] and run["ratios"] == []
    assert run["failed"]["pytorch"] == "pytorch: RuntimeError: no compiler"
    assert "its losses differ" in run["failed"]["pytorch-channels-last"]
    assert "out of memory" in run["failed"]["pytorch-compiled"]
    assert "pytorch-compiled is left out" in capsys.readouterr().out


def test_where_tinynet_itself_breaks_nothing_else_is_started(tmp_path, capsys):
    started = []

    def broken(work):
        raise RuntimeError("an illegal address")

    code, report, _ = run_step(tmp_path, {"tinynet": broken, "pytorch": started.append})
    assert code == 1 and not started
    assert [run["failed"] for run in report["runs"]] == [
        {"tinynet": "tinynet: RuntimeError: an illegal address"}
    ] * 2
    assert "nothing measured" in capsys.readouterr().out


def test_a_loss_that_is_not_finite_is_not_timed(stand_in, work):
    program = SimpleNamespace(
        restart=lambda dropout: None, queue=lambda: None, step=lambda: {"loss": float("nan")}
    )
    numbers = {"losses": [1.0]}
    running = gpu_step.Running("pytorch", program, Clock(), numbers, {}, 100)
    with pytest.raises(programs.ProgramError, match="pytorch: its loss became nan"):
        running.turn(3)


# --- layers ---------------------------------------------------------------------------------------

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


# --- the small cases ------------------------------------------------------------------------------


def test_the_small_cases_are_all_kernels_and_agree_with_the_reference(stand_in, capsys):
    kernels = set(sum(FILES.values(), [])) - {"winograd_pays"}
    assert {call.kernel for call in gpu_small_cases.calls("float32")} == kernels
    assert gpu_small_cases.check(stand_in) == []
    assert len(capsys.readouterr().out.splitlines()) >= 2 * len(kernels)


@pytest.mark.parametrize("kernel", ["relu", "max_pool2d", "sgd_paper"])
def test_a_wrong_small_case_is_found(monkeypatch, kernel):
    reference = tn.get_backend("numpy")
    right = getattr(reference, kernel)

    def wrong(*arguments):
        right(*arguments)
        last = arguments[0] if kernel == "sgd_paper" else [arguments[-1]]
        last[0].flat[-1] += 1

    backend = SimpleNamespace(**vars(reference))
    setattr(backend, kernel, wrong)
    found = gpu_small_cases.check(backend)
    assert [line.split(":")[0] for line in found] == [f"{kernel} float32", f"{kernel} float64"]


# --- the commands ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command, flags",
    [
        (step.main, ["--backend", "cupy"]),
        (layers.main, ["--backend=cupy", "--batch-size", "4"]),
        (gpu_small_cases.main, None),
    ],
)
def test_without_a_device_a_command_says_so_and_ends_with_4(command, flags, monkeypatch, capsys):
    def missing(name):
        raise tn.BackendError("no NVIDIA driver answers")

    monkeypatch.delitem(backends._loaded, "cupy", raising=False)
    monkeypatch.setattr(backends, "_load", missing)
    assert command(*([] if flags is None else [flags])) == 4
    assert "no NVIDIA driver answers" in capsys.readouterr().err


def test_a_command_goes_to_the_gpu_where_it_is_asked_to(monkeypatch):
    monkeypatch.delenv("TINYNET_BACKEND", raising=False)
    for argv in (["--backend", "cupy"], ["--rounds", "3", "--backend=cupy"]):
        assert gpu_device.asked_for(argv)
    for argv in ([], ["--backend", "numba"], ["--spec", "cupy"]):
        assert not gpu_device.asked_for(argv)
    monkeypatch.setenv("TINYNET_BACKEND", "cupy")
    assert gpu_device.asked_for([]) and not gpu_device.asked_for(["--backend", "numba"])


@pytest.mark.parametrize(
    "main, flags, words",
    [
        (gpu_step.main, ["--batch-size", "0"], "'0' does not fit"),
        (gpu_step.main, ["--precision", "float16"], "invalid choice: 'float16'"),
        (gpu_step.main, ["--only", "jax"], "'jax' is none of tinynet, "),
        (gpu_step.main, ["--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at"),
        (gpu_layers.main, ["--only", "conv9"], "no layer is called conv9; there are conv1 "),
        (gpu_layers.main, ["--image-size", "3"], "the smallest that works"),
        (gpu_layers.main, ["--json", "/nowhere/at/all.json"], "there is no folder /nowhere/at"),
    ],
)
def test_wrong_flags_end_before_a_device_is_asked_for(main, flags, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_flags_of_the_step():
    given = gpu_step.parser().parse_args(["--batch-size", "128", "512", "--precision", "tf32"])
    assert (given.batch_size, given.precision) == ([128, 512], ["tf32"])
    given = gpu_step.parser().parse_args(["--groups", "1", "--norm", "none"])
    assert (given.groups, given.norm, given.precision) == (1, "none", ["float32", "tf32"])


# --- the script -----------------------------------------------------------------------------------


def run_script(tmp_path, parts, python, *folders):
    """(exit code, gpu-run.log) of benchmarks/gpu_run.sh with a stand-in for Python."""
    stub = tmp_path / "python"
    stub.write_text(f"#!/usr/bin/env bash\n{python}\n")
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    results = tmp_path / "results"
    done = subprocess.run(
        [ROOT / "benchmarks" / "gpu_run.sh", results, *folders],
        env={**os.environ, "PARTS": parts, "PYTHON": str(stub)}, capture_output=True, timeout=60,
    )  # fmt: skip
    return done.returncode, (results / "gpu-run.log").read_text(), results


@pytest.mark.skipif(not shutil.which("timeout"), reason="timeout of coreutils is not installed")
def test_a_part_that_fails_does_not_stop_the_others(tmp_path):
    stub = 'echo "ran $*"; case "$*" in *pytest*) exit 3;; esac'
    code, log, results = run_script(tmp_path, "tests sanitizer layers step train", stub)
    assert code == 1
    assert "exit code 3" in log
    assert "ran -m pytest -m gpu -q" in (results / "gpu-tests.log").read_text()
    assert "ran -m benchmarks.gpu_small_cases" in (results / "gpu-sanitizer.log").read_text()
    assert f"ran -m benchmarks.layers --backend cupy --json {results}/gpu-layers.json" in log
    assert f"--batch-size 128 512 --json {results}/gpu-step.json" in log
    assert "alexnet.train" not in log  # no photos


@pytest.mark.skipif(not shutil.which("timeout"), reason="timeout of coreutils is not installed")
def test_the_log_of_a_training_is_kept(tmp_path):
    stub = """while [ $# -gt 0 ]; do
    [ "$1" = --out ] && mkdir -p "$2" && echo '{"epoch": 1}' > "$2/log.jsonl"
    shift
done"""
    photos = tmp_path / "photos"
    photos.mkdir()
    code, log, results = run_script(tmp_path, "train", stub, photos)
    assert code == 0, log
    assert f"-m alexnet.train {photos} --backend cupy" in log
    assert (results / "gpu-train.jsonl").read_text() == '{"epoch": 1}\n'
