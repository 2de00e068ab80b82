"""benchmarks.step: the same numbers in every program, what is counted, and how it ends."""

import io
import json
import os
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout

import numpy as np
import pytest
import threadpoolctl

from alexnet import SPECS
from alexnet.network.build import plan
from benchmarks import machine, programs, step, step_figures, step_tables
from benchmarks.peers import channels_last, protocol, pytorch

TINY = {"image_size": 67, "width": 0.05, "init": "he"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network of some 90,000 weights, and four images."""
    path = tmp_path_factory.mktemp("work")
    programs.write_work(path, "paper", 4, threads=1, num_classes=10, **TINY)
    return path


@pytest.fixture(scope="module")
def answers(folder):
    """What tinynet's program answers."""
    with programs.Program("tinynet", sys.executable, folder, threads=1) as program:
        return {
            "numbers": program.ask("numbers", steps=3),
            "step": program.ask("step"),
            "logits": program.ask("logits"),
            "infer": program.ask("infer"),
            "memory": program.ask("memory"),
        }


# --- the programs ---------------------------------------------------------------------------------


def test_a_program_tells_its_losses_stages_and_memory(answers):
    losses = answers["numbers"]["losses"]
    assert losses[2] < losses[1] < losses[0]
    moves = answers["numbers"]["moves"]
    assert list(moves)[:2] == ["conv1.weight", "conv1.bias"] and len(moves) == 16
    assert min(moves.values()) > 0
    seconds = answers["step"]
    stages = sum(seconds[stage] for stage in ("forward", "backward", "update"))
    assert seconds["data"] > 0 and stages == pytest.approx(seconds["seconds"])
    assert np.shape(answers["logits"]["logits"]) == (4, 10)
    assert answers["memory"]["peak"] is None or answers["memory"]["peak"] > 50e6


def test_pytorchs_program_computes_the_same_numbers(folder, answers, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr(os, "sched_setaffinity", lambda *some: None, raising=False)
    threads = torch.get_num_threads()
    try:  # not as a process, so that the tests import PyTorch once
        program = pytorch.PyTorch(folder, "channels-last")
        numbers = protocol.numbers(program, folder, 3)
        program.restart(dropout=False)
        logits = {"logits": program.infer()}
        stages = program.step()
    finally:
        torch.set_num_threads(threads)
    apart = programs.check_numbers("pytorch", answers["numbers"], numbers)
    assert apart["losses"] < 1e-5 and max(apart["moves"], apart["pulls"]) < 1e-3
    assert programs.check_numbers("pytorch", answers["logits"], logits)["logits"] < 1e-5
    assert set(stages) == {"loss", "seconds", "forward", "backward", "update"}


def test_a_wrong_weight_is_seen(folder, answers, tmp_path):
    for name in ("plan.json", "batch.npz"):
        os.link(folder / name, tmp_path / name)
    weights = dict(protocol.weights(folder))
    weights["conv4.weight"][3, 2, 1, 0] += 1
    np.savez(tmp_path / "weights.npz", **weights)
    with programs.Program("tinynet", sys.executable, tmp_path, threads=1) as program:
        theirs = {what: program.ask(what, steps=3) for what in ("numbers", "logits")}
    for what, wrong in theirs.items():
        with pytest.raises(programs.ProgramError, match="other numbers than tinynet"):
            programs.check_numbers("peer", answers[what], wrong)


def test_losses_moves_and_logits_must_agree_one_by_one():
    right = {"losses": [2.0, 1.0], "moves": {"a": 1e-6, "b": 1.0}, "pulls": {"a": -1e-6}}
    assert set(programs.check_numbers("peer", right, right).values()) == {0.0}
    for wrong in (
        {"losses": [2.0, 1.0002]},
        {"losses": [2.0, float("nan")]},
        {"moves": {"a": 1.03e-6, "b": 1.0}},
        {"moves": {"a": 1e-6}},
        {"pulls": {"a": 1e-6}},
    ):
        with pytest.raises(programs.ProgramError):
            programs.check_numbers("peer", right, right | wrong)
    with pytest.raises(programs.ProgramError, match="its logits differ"):
        programs.check_numbers("peer", {"logits": [[3.0, 0.0]]}, {"logits": [[3.0, 0.001]]})


def test_a_program_that_ends_is_an_error_with_its_last_words(folder, tmp_path):
    whole = json.loads((folder / "plan.json").read_text())
    whole["layers"][0]["kind"] = "Conv7d"
    (tmp_path / "plan.json").write_text(json.dumps(whole))
    os.link(folder / "batch.npz", tmp_path / "batch.npz")
    with pytest.raises(programs.ProgramError, match="(?s)tinynet ended with exit code 1.*Conv7d"):
        programs.Program("tinynet", sys.executable, tmp_path, threads=1)


def test_pulls_tell_weight_decay(folder, answers):
    """Without it the check of numbers would take SGD without decay for SGD with it."""
    decay = programs.LR * programs.WEIGHT_DECAY * (1 + 1.9 + 2.71)  # of three steps with momentum
    pulls = np.array(list(answers["numbers"]["pulls"].values()))
    assert len(pulls) == 8
    without = {**answers["numbers"], "pulls": dict(enumerate(pulls + decay))}
    with pytest.raises(programs.ProgramError, match="its pulls differ"):
        programs.check_numbers("peer", answers["numbers"], without)


def test_the_batch_of_all_programs_is_that_of_tinynet(folder):
    with np.load(folder / "batch.npz") as file:
        photos, mean, divisor = (file[name] for name in ("photos", "mean", "divisor"))
        images, labels = file["images"], file["labels"]
    assert images.dtype == np.float32 and images.shape == (4, 3, 67, 67)
    np.testing.assert_allclose(images, (photos - mean.astype(float)) / divisor, rtol=1e-6)
    assert labels.dtype == np.int64 and labels.min() >= 0 and labels.max() < 10


def test_weights_go_to_channels_last_and_back():
    layers = json.loads(json.dumps([vars(layer) for layer in plan(SPECS["paper"], 10, 67)]))
    maps = channels_last.flattened(layers)
    assert maps == {"fc6.weight": (256, 1, 1)}
    generator = np.random.default_rng(0)
    maps = {"fc6.weight": (7, 2, 3)}
    fc6, x = generator.random((5, 42)), generator.random((4, 7, 2, 3))
    conv = generator.random((6, 3, 2, 5))
    for name, array in {"fc6.weight": fc6, "fc7.weight": fc6, "c": conv, "b": fc6[0]}.items():
        there = channels_last.to_channels_last(name, array, maps)
        np.testing.assert_array_equal(channels_last.from_channels_last(name, there, maps), array)
    wanted = x.reshape(4, -1) @ fc6.T
    given = x.transpose(0, 2, 3, 1).reshape(4, -1)
    there = channels_last.to_channels_last("fc6.weight", fc6, maps)
    np.testing.assert_allclose(given @ there, wanted)
    assert channels_last.to_channels_last("c", conv, maps).shape == (2, 5, 3, 6)


def test_a_window_over_the_edge_counts_the_cells_inside():
    pool = next(layer for layer in plan(SPECS["cifar10"], 10, 32) if layer.name == "pool2")
    layer = json.loads(json.dumps(vars(pool)))  # 16 to 8, window 3, stride 2, rounded up
    assert channels_last.overhang(layer) == 1
    counts = channels_last.cells_inside(layer)[0, :, :, 0]
    assert counts[0, 0] == 9 and counts[0, 7] == 6 and counts[7, 7] == 4


# --- what is counted ------------------------------------------------------------------------------


def test_flop_are_four_for_the_first_convolution_and_six_for_the_rest():
    layers = plan(SPECS["paper"], 1000, 227)
    rest = 724_406_816 - 105_415_200
    assert step_figures.flop_per_image(layers, "training") == 4 * 105_415_200 + 6 * rest
    assert step_figures.flop_per_image(layers, "inference") == 2 * 724_406_816


def _turns(*seconds):
    """Rounds of one step each."""
    return [[{"seconds": number}] for number in seconds]


def test_a_ratio_is_that_of_a_round():
    # Round by round 2, 2 and 3 times as fast; the quotient of the medians would be 3.
    turns = {"tinynet": _turns(1, 4, 2), "pytorch": _turns(2, 8, 6), "jax": _turns(2, 2, 2)}
    figures = step_figures.summary(turns, [4.0, 1.0, 2.0], batch_size=8, flop=10**9)
    assert figures["tinynet"]["images_per_second"][0] == 4
    assert figures["tinynet"]["of_sgemm"] == (2, 2, 2)
    assert figures["pytorch"]["milliseconds"]["seconds"][0] == 6000
    peaks = {"tinynet": 6, "pytorch": 8, "jax": None}
    rows = step_figures.ratios(turns, figures, peaks, "training", step_figures.BOUNDS)
    measured = {row["what"]: row["ratio"][0] for row in rows}
    assert measured["images/s over pytorch's"] == 2
    assert measured["images/s over jax's"] == 1
    assert measured["peak memory over pytorch's"] == 0.75
    rows = step_figures.ratios(turns, figures, peaks, "inference", {"pytorch": 1.0})
    assert rows[0]["ratio"][0] == 0.5 and rows[0]["at_most"] and step_tables.met(rows[0])


def test_pytorchs_best_is_its_fastest_way():
    turns = {"tinynet": _turns(1), "pytorch": _turns(2), "pytorch-compiled": _turns(1.5)}
    figures = step_figures.summary(turns, [1.0], batch_size=8, flop=10**9)
    rows = step_figures.ratios(turns, figures, {}, "training", step_figures.BOUNDS)
    best = next(row for row in rows if "best" in row["what"])
    assert best["what"].endswith("pytorch-compiled") and best["ratio"][0] == 1.5
    assert best["bound"] == 1.6 and not step_tables.met(best)


def test_bounds_hold_for_the_work_they_were_set_for():
    work = ("paper", {}, 227, 128, 2)
    assert step_figures.bounds_for("training", *work) == step_figures.BOUNDS
    ungrouped = ("paper", {"norm": "none", "groups": 1}, 227, 128, 2)
    assert step_figures.bounds_for("training", *ungrouped) == step_figures.UNGROUPED_BOUNDS
    assert step_figures.bounds_for("inference", "paper", {}, 227, 1, 2)
    for other in (("caffe", *work[1:]), (*work[:2], 67, 128, 2), (*work[:4], 1)):
        assert step_figures.bounds_for("training", *other) == {}


# --- the machine ----------------------------------------------------------------------------------


def test_spread_is_the_median_and_the_middle_four_fifths():
    assert machine.spread(range(21)) == (10, 2, 18)
    assert machine.spread([3.0]) == (3.0, 3.0, 3.0)
    with pytest.raises(ValueError, match="one number or more"):
        machine.spread([])


def test_a_busy_machine_is_not_idle_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(machine, "others_share", lambda: 0.5)
    assert not machine.wait_until_idle(0)
    assert "50% of the processors" in capsys.readouterr().err
    monkeypatch.setattr(machine, "others_share", lambda: None)  # nobody saw it idle
    assert not machine.wait_until_idle(0)
    shares = iter([0.5, 0.05])
    monkeypatch.setattr(machine, "others_share", lambda: next(shares))
    assert machine.wait_until_idle(60)


def test_others_share_leaves_this_process_out(monkeypatch):
    # Of 200 ticks 120 were busy, 90 of them (0.9 s at 100 a second) ours.
    ticks, own = iter([(1000, 5000), (1120, 5200)]), iter([7.0, 7.9])
    monkeypatch.setattr(machine, "_ticks", lambda: next(ticks))
    monkeypatch.setattr(machine.time, "process_time", lambda: next(own))
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 100)
    assert machine.others_share(0) == pytest.approx(0.15)


def test_rates_count_flop_and_bytes(monkeypatch):
    monkeypatch.setattr(machine, "PRODUCTS", ((200, 300, 400), (2, 3, 4)))
    monkeypatch.setattr(machine, "_product_rate", lambda *shape: shape[0])
    assert machine.product_rate(1) == 200  # the fastest shape's
    monkeypatch.undo()
    monkeypatch.setattr(machine, "_median_seconds", lambda run, runs: 2.0)
    assert machine._product_rate(2, 3, 4, 1) == pytest.approx(4.0 / 2)  # GFLOP over seconds
    monkeypatch.setattr(machine, "COPY_BYTES", 1 << 20)
    assert machine.copy_rate(2) == pytest.approx(2 * (1 << 20) / 2 / 1e9)


def test_a_rate_is_measured_with_its_threads_and_leaves_them_as_they_were(monkeypatch):
    libraries = threadpoolctl.ThreadpoolController().select(user_api="blas")

    def counts(*_):
        return {library.get_num_threads() for library in libraries.lib_controllers}

    monkeypatch.setattr(machine, "_product_rate", lambda *shape: max(counts()))
    with libraries.limit(limits=2):
        assert machine.product_rate(1) == 1
        assert counts() == {2}


# --- the command ----------------------------------------------------------------------------------


def test_a_peer_is_a_framework_and_a_python():
    assert programs.parse_peer(f"jax={sys.executable}") == ("jax", os.path.abspath(sys.executable))
    for text, message in (
        ("numpy=python", "does not name pytorch, tensorflow, jax"),
        ("jax=/no/such/python", "there is no program '/no/such/python'"),
        ("jax", "give the Python of the environment"),
    ):
        with pytest.raises(ValueError, match=message):
            programs.parse_peer(text)


def test_a_framework_that_is_not_there_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr(programs.importlib.util, "find_spec", lambda name: None)
    found = programs.find(["tinynet", "pytorch", "pytorch-compiled", "jax"], {"jax": "/bin/python"})
    assert found == {"tinynet": sys.executable, "jax": "/bin/python"}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "pytorch is not installed" in lines[0]


class _Fake:
    """A program whose steps take no time; its answers are given."""

    def __init__(self, name, answers):
        self.name, self.answers = name, iter(answers)

    def ask(self, what):
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_program_that_dies_between_rounds_leaves_the_others_going(monkeypatch, capsys):
    monkeypatch.setattr(machine, "product_rate", lambda threads: 100.0)
    monkeypatch.setattr(step, "PAUSE", 0)
    good = {"seconds": 0.5, "loss": 1.0}
    died = programs.ProgramError("jax ended with exit code -9:")
    running = {"tinynet": _Fake("tinynet", [good] * 6), "jax": _Fake("jax", [good] * 3 + [died])}
    failed = {}
    turns, rates = step.measure(running, failed, "training", rounds=3, steps=1, threads=1)
    assert turns == {"tinynet": [[good]] * 3} and rates == [100.0] * 3
    assert "exit code -9" in failed["jax"] and "exit code -9" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_is_not_timed():
    program = _Fake("jax", [{"seconds": 1.0, "loss": 1.0}, {"seconds": 1.0, "loss": float("nan")}])
    with pytest.raises(programs.ProgramError, match="its loss became nan"):
        step.turn(program, "training", 1)


def test_the_command_writes_every_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "product_rate", lambda threads: 100.0)
    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds: seconds == 9)  # not at the end
    path = tmp_path / "step.json"
    words = "--image-size 67 --width 0.05 --batch-size 2 --rounds 1 --steps-a-turn 1 --wait 9"
    words += f" --threads 1 --only tinynet --json {path}"
    with ExitStack() as stack:
        stack.enter_context(redirect_stderr(io.StringIO()))
        shown = stack.enter_context(redirect_stdout(io.StringIO()))
        code = step.main(words.split())
    assert code == 0 and "paper, width 0.05" in shown.getvalue()
    report = json.loads(path.read_text())
    assert report["options"]["batch_size"] == 2 and report["machine"]["threads"] == 1
    assert report["idle"] is False and "NOT IDLE" in shown.getvalue()
    figures = report["programs"]["tinynet"]
    assert figures["versions"]["tinynet"] and figures["images_per_second"][0] > 0
    assert set(figures["milliseconds"]) == {"seconds", "forward", "backward", "update", "data"}
    assert len(figures["turns"]) == 1 and len(figures["turns"][0]) == 1
    assert [row["what"] for row in report["ratios"]] == ["of sgemm"]


def test_a_network_that_cannot_be_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as error:
        step.main(["--image-size", "20", "--only", "tinynet", "--wait", "0"])
    assert error.value.code == 2 and "the smallest that works" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(capsys):
    with pytest.raises(SystemExit) as error:
        step.main(["--only", "tinynet", "--json", "/nowhere/at/all.json"])
    assert error.value.code == 2 and "there is no folder /nowhere/at" in capsys.readouterr().err
