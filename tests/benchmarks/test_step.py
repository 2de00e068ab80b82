"""benchmarks.step: its figures, and how it ends."""

import contextlib
import json

import pytest

from alexnet import SPECS
from alexnet.network.plan import plan
from benchmarks import machine, step, turn_taking
from benchmarks.figures import step as figures
from benchmarks.programs.process import ProgramError
from benchmarks.work import flop_per_image

TINY = "--image-size 67 --width 0.05 --batch-size 2 --rounds 1 --steps-a-turn 1".split()


def test_flop_are_four_for_the_first_convolution_and_six_for_the_rest():
    layers = plan(SPECS["paper"], 1000, 227)
    rest = 724_406_816 - 105_415_200
    assert flop_per_image(layers, "training") == 4 * 105_415_200 + 6 * rest
    assert flop_per_image(layers, "inference") == 2 * 724_406_816


# --- figures --------------------------------------------------------------------------------------


def turns_of(**seconds):
    """{program: rounds of one step each}."""
    return {
        name.replace("_", "-"): [[{"seconds": number}] for number in numbers]
        for name, numbers in seconds.items()
    }


def test_a_ratio_compares_turns_of_one_round():
    # Round by round 2, 2 and 3 times as fast; the quotient of the medians would be 3.
    turns = turns_of(tinynet=[1, 4, 2], pytorch=[2, 8, 6], jax=[2, 2, 2])
    every = figures.summary(turns, [4.0, 1.0, 2.0], batch_size=8, flop=10**9)
    assert every["tinynet"]["images_per_second"][0] == 4
    assert every["tinynet"]["of_sgemm"] == (2, 2, 2)
    assert every["pytorch"]["milliseconds"]["seconds"][0] == 6000
    assert figures.ratios(turns, every, {"tinynet": 6, "pytorch": 8, "jax": None}) == {
        "tinynet over pytorch": (2, 2, 3), "tinynet over jax": (1, 0.5, 2),
        "peak memory, tinynet over pytorch": (0.75, 0.75, 0.75),
    }  # fmt: skip


def test_pytorchs_best_is_its_fastest_way_and_both_ways_of_tinynet_are_compared():
    turns = turns_of(tinynet=[1], tinynet_cuda_graph=[0.5], pytorch=[2], pytorch_compiled=[1.5])
    every = figures.summary(turns, [1.0], batch_size=8, flop=10**9)
    assert {what: ratio[0] for what, ratio in figures.ratios(turns, every, {}).items()} == {
        "tinynet over pytorch": 2, "tinynet over pytorch-compiled (PyTorch's best)": 1.5,
        "tinynet-cuda-graph over pytorch": 4,
        "tinynet-cuda-graph over pytorch-compiled (PyTorch's best)": 3,
    }  # fmt: skip


# --- measuring ------------------------------------------------------------------------------------

GOOD = {"seconds": 0.5, "loss": 1.0}


class Scripted:
    """A program whose answers are written down: a dict, or an error to raise."""

    versions, about = {}, {}

    def __init__(self, name, *turns, **answers):
        self.name, self.turns, self.answers = name, iter(turns), answers
        self.questions = []

    def ready(self):
        self.ask("ready")

    def ask(self, do, /, **more):
        self.questions.append((do, more))
        answer = next(self.turns) if do == "turn" else self.answers.get(do, {})
        if isinstance(answer, BaseException):
            raise answer
        return {"steps": [answer] * more["steps"]} if do == "turn" else answer


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(step, "PAUSE", 0)
    monkeypatch.setattr(turn_taking, "PAUSE", 0)
    monkeypatch.setattr(step, "product_rate", lambda clock: 100e9)
    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds: seconds == 9)


def test_a_program_that_dies_between_rounds_leaves_the_others_going(quick, capsys):
    def dies():
        if len(calls) > 2:
            raise ProgramError("jax ended with exit code -9:")
        calls.append("jax")

    calls, failed = [], {}
    turns = {"tinynet": lambda: calls.append("tinynet"), "jax": dies}
    *_, results = turn_taking.take_turns(turns, failed, 3, pause=0)
    assert results == {"tinynet": [None] * 3}
    assert calls == ["tinynet", "jax", "jax", "tinynet", "tinynet"]
    assert "exit code -9" in failed["jax"] and "exit code -9" in capsys.readouterr().err


def test_a_program_with_other_numbers_is_left_out_and_tinynets_own_error_ends_all(quick):
    numbers = {"losses": [2.0], "moves": {"a": 1.0}, "pulls": {"a": 1.0}}
    others = numbers | {"losses": [2.1]}
    running = {
        "tinynet": Scripted("tinynet", GOOD, numbers=numbers),
        "pytorch": Scripted("pytorch", GOOD, numbers=numbers),
        "jax": Scripted("jax", GOOD, numbers=others),
    }
    failed = {}
    apart = turn_taking.check(running, failed, "training")
    assert list(running) == ["tinynet", "pytorch"] and apart["pytorch"]["losses"] == 0
    assert "its losses differ" in failed["jax"]
    assert running["pytorch"].questions[1:] == [
        ("restart", {}), ("turn", {"what": "training", "steps": 1}),
    ]  # fmt: skip
    broken = Scripted("tinynet", numbers=ProgramError("tinynet ended"))
    with pytest.raises(ProgramError, match="tinynet ended"):
        turn_taking.check({"tinynet": broken}, {}, "training")


def test_a_loss_that_is_not_finite_is_not_timed():
    with pytest.raises(ProgramError, match="jax: its loss became nan"):
        turn_taking.turn(Scripted("jax", GOOD | {"loss": float("nan")}), "training", 1)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_every_figure(tmp_path, quick, capsys):
    path = tmp_path / "step.json"
    flags = f"--threads 1 --only tinynet --wait 9 --json {path}".split()
    assert step.main([*TINY, *flags]) == 0
    printed, report = capsys.readouterr().out, json.loads(path.read_text())
    assert "paper, 67 x 67, width 0.05" in printed and "NOT IDLE" in printed
    assert report["idle"] is False
    assert report["options"]["batch_size"] == 2 and report["machine"]["threads"] == 1
    assert report["machine"]["blas"] and "forced" in report["machine"]
    assert report["sgemm_gflop_per_second"]["rounds"] == [100.0]
    row = report["programs"]["tinynet"]
    assert row["versions"]["tinynet"] and row["images_per_second"][0] > 0
    assert set(row["milliseconds"]) == {"seconds", "forward", "backward", "update", "data"}
    assert [len(turn) for turn in row["turns"]] == [1]
    assert report["ratios"] == {}
    assert report["complete"] is True and report["rounds_measured"] == 1


class Killed(BaseException):
    """The end of the process."""


def test_a_command_that_is_killed_leaves_the_rounds_it_has_measured(tmp_path, quick, monkeypatch):
    numbers = {"losses": [2.0], "moves": {"a": 1.0}, "pulls": {"a": 1.0}}
    steps = [GOOD] * 4  # the first turn of the check, three rounds
    path = tmp_path / "step.json"
    for end, rounds in ((steps[:3] + [Killed()], 2), (steps, 3)):  # in a round; in measuring memory
        script = Scripted("tinynet", *end, numbers=numbers, memory=Killed())
        monkeypatch.setattr(
            turn_taking, "Program", lambda *how, now=script, **w: contextlib.nullcontext(now)
        )
        flags = f"--threads 1 --only tinynet --wait 9 --rounds 3 --json {path}".split()
        with pytest.raises(Killed):
            step.main([*TINY, *flags])
        report = json.loads(path.read_text())
        assert report["complete"] is False and report["options"]["rounds"] == 3
        assert report["rounds_measured"] == rounds == len(report["programs"]["tinynet"]["turns"])
        assert report["programs"]["tinynet"]["images_per_second"] == [4, 4, 4]
        assert report["programs"]["tinynet"]["peak_bytes"] is None


def test_on_a_gpu_every_batch_size_and_precision_has_a_report(
    stand_in, tmp_path, quick, monkeypatch, capsys
):
    """With scripted programs in the place of a GPU's."""
    numbers = {"losses": [2.0], "moves": {"a": 1.0}, "pulls": {"a": 1.0}}
    answers = {
        "numbers": numbers, "memory": {"peak": 10**9}, "product rate": {"flop_per_second": 5e13},
    }  # fmt: skip
    alone = ProgramError("pytorch-channels-last ended with exit code -9:")
    late = ProgramError("pytorch-compiled ended with exit code 1:\n  no compiler")
    programs = {}

    def program(name, python, folder, threads, backend):
        good = [GOOD | {"host_seconds": 0.1}] * 99
        turns = [*good[:3], *[late] * 9] if name == "pytorch-compiled" else good
        more = {"memory": alone} if name == "pytorch-channels-last" else {}
        programs[name] = Scripted(name, *turns, **answers | more)
        programs[name].about = {"gpu": "a stand-in"} if backend == "cupy" else {}
        return contextlib.nullcontext(programs[name])

    monkeypatch.setattr(turn_taking, "Program", program)
    monkeypatch.setattr(step, "installed", lambda names, peers: dict.fromkeys(names, "python"))
    path = tmp_path / "step.json"
    sizes = ["--batch-size", "1", "2"]
    assert step.main([*TINY, *sizes, "--backend", "cupy", "--json", str(path)]) == 1
    reports = json.loads(path.read_text())
    works = [(r["options"]["batch_size"], r["options"]["precision"]) for r in reports]
    assert works == [(1, "float32"), (1, "tf32"), (2, "float32"), (2, "tf32")]
    uses = [more for do, more in programs["pytorch"].questions if do == "use"]
    assert uses == [{"batch_size": size, "precision": name} for size, name in works]
    for report in reports:
        assert set(report["programs"]) == set(step.GPU_PROGRAMS) - set(report["failed"])
        assert report["machine"] == {"gpu": "a stand-in"} and report["idle"] is False
        assert report["complete"] is True and report["rounds_measured"] == 1
        assert "exit code -9" in report["failed"]["pytorch-channels-last"]
        assert report["sgemm_gflop_per_second"]["rounds"] == [5e4]
        assert report["programs"]["tinynet"]["milliseconds"]["host_seconds"][0] == 100
    assert "no compiler" in reports[-1]["failed"]["pytorch-compiled"]
    printed = capsys.readouterr().out
    assert "batch 2, tf32" in printed and "host" in printed
    assert "pytorch-compiled is left out: pytorch-compiled ended with exit code 1:" in printed


def test_without_the_product_rate_there_is_no_report():
    def ends():
        raise ProgramError("tinynet ended with exit code 1:")

    with pytest.raises(ProgramError, match="tinynet ended"):
        list(turn_taking.take_turns({"tinynet": lambda: [], "sgemm": ends}, {}, 1, pause=0))


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--only tinynet-cuda-graph", "tinynet-cuda-graph cannot run training on backend numpy"),
        ("--backend cupy --only tinynet,jax", "jax cannot run training on backend cupy"),
        ("--backend cupy --what inference --only tinynet-cuda-graph", "cannot run inference"),
    ],
)
def test_a_program_that_cannot_run_here_is_a_usage_error(flags, words, stand_in, capsys):
    backend = [] if "cupy" in flags else ["--backend", "numpy"]
    assert step.main([*TINY, *backend, *flags.split()]) == 2
    assert words in capsys.readouterr().err
