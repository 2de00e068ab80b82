"""The benchmark of whole steps on a GPU, without one: tinynet's kernels and PyTorch on the
processor, and a clock that is told what to say."""

import json
from types import SimpleNamespace

import pytest

import tinynet as tn
from benchmarks import (
    gpu_figures,
    gpu_programs,
    gpu_step,
    gpu_turns,
    programs,
)
from benchmarks.peers import protocol
from tests.benchmarks.gpu_clock import ABOUT, TINY, Clock


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
    running = gpu_turns.Running("pytorch", program, Clock(), numbers, {}, 100)
    with pytest.raises(programs.ProgramError, match="pytorch: its loss became nan"):
        running.turn(3)
