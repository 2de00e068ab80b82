"""The compared programs: the same work, the same numbers, and errors that say what is wrong."""

import argparse
import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS, build
from alexnet.network.plan import plan
from alexnet.network.variants import changed
from benchmarks import machine
from benchmarks.programs import channels_last, process, protocol, pytorch
from benchmarks.programs.agreement import DECAY, check_numbers
from benchmarks.programs.process import Program, ProgramError
from benchmarks.programs.tinynet import Tinynet
from benchmarks.programs.workload import write_workload
from tests.benchmarks.told_clock import ToldClock

TINY = changed(SPECS["paper"], width=0.05, init="he")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network of some 90,000 weights with dropout, and four images."""
    path = tmp_path_factory.mktemp("work")
    write_workload(path, TINY, 4, threads=1, num_classes=10, image_size=67)
    return path


@pytest.fixture(scope="module")
def answers(folder):
    """The answers of tinynet's program, as a process."""
    with Program("tinynet", sys.executable, folder, threads=1) as program:
        program.ready()
        assert program.versions["tinynet"] and program.about == {}
        return {
            "numbers": program.ask("numbers", steps=3),
            "logits": program.ask("logits"),
            "turn": program.ask("turn", what="training", steps=2)["steps"],
            "memory": program.ask("memory", what="training")["peak"],
            "use": program.ask("use", batch_size=2),
            "two": program.ask("logits"),
        }


@pytest.fixture(autouse=True)
def free_processors(monkeypatch):
    """Programs in the tests' own process do not take processors away from it."""
    monkeypatch.setattr(os, "sched_setaffinity", lambda *some: None, raising=False)


@pytest.fixture
def free_threads():
    """PyTorch keeps its threads."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def on_gpu(stand_in, monkeypatch):
    """The cupy backend on the processor."""
    monkeypatch.setattr(machine, "gpu_description", lambda: {"gpu": "a stand-in"})
    return stand_in


def test_a_program_tells_its_losses_stages_and_memory(answers):
    losses, moves = (answers["numbers"][what] for what in ("losses", "moves"))
    assert losses[2] < losses[1] < losses[0]
    assert list(moves)[:2] == ["conv1.weight", "conv1.bias"] and len(moves) == 16
    assert min(moves.values()) > 0
    for step in answers["turn"]:
        stages = sum(step[stage] for stage in ("forward", "backward", "update"))
        assert step["data"] > 0 and stages == pytest.approx(step["seconds"])
    assert np.shape(answers["logits"]["logits"]) == (4, 10)
    assert np.shape(answers["two"]["logits"]) == (2, 10)
    assert answers["memory"] is None or answers["memory"] > 50e6


@pytest.mark.parametrize("how", ["eager", "channels-last"])
def test_pytorchs_program_computes_the_same_numbers(folder, answers, free_threads, how):
    program = pytorch.PyTorch(folder, "cpu", how)
    apart = check_numbers("pytorch", answers["numbers"], protocol.numbers(program, folder, 3))
    assert apart["losses"] < 1e-5 and max(apart["moves"], apart["pulls"]) < 1e-3
    program.restart(dropout=False)
    logits = {"logits": program.infer()[0]().tolist()}
    assert check_numbers("pytorch", answers["logits"], logits)["logits"] < 1e-5
    (step,) = protocol.turn(program, "training", 1)
    assert set(step) == {"loss", "seconds", "forward", "backward", "update"}
    program.clock = ToldClock()
    program.use(4, "tf32")
    assert program.clock.precisions == ["tf32"]


@pytest.mark.parametrize("how", ["", "cuda-graph"])
def test_tinynets_program_for_a_gpu_computes_the_same_numbers(on_gpu, folder, answers, how):
    program = Tinynet(folder, "cupy", how, ToldClock())
    program.use(4, "tf32")
    apart = check_numbers("cupy", answers["numbers"], protocol.numbers(program, folder, 3))
    assert max(apart.values()) < 1e-4 and program.clock.precisions == ["float32", "tf32"]
    (step,) = protocol.turn(program, "training", 1)
    assert step["seconds"] > 0 and step["host_seconds"] > 0
    assert "data" not in step and ("forward" in step) == (how == "")
    assert protocol.peak_bytes(program, "training") == 250


def test_a_program_on_a_gpu_reads_the_initial_weights_once(on_gpu, folder, tmp_path):
    """On a processor kept weights would count as the program's memory."""
    for name in ("plan.json", "batch.npz", "weights.npz"):
        os.link(folder / name, tmp_path / name)
    on_processor = Tinynet(tmp_path, "numpy")
    tn.use_backend("cupy")
    program = Tinynet(tmp_path, "cupy", "", ToldClock())
    (tmp_path / "weights.npz").unlink()
    once, again = (protocol.numbers(program, tmp_path, 1) for _ in range(2))
    assert once == again and once["moves"]["conv1.weight"] > 0
    tn.use_backend("numpy")
    with pytest.raises(FileNotFoundError):
        on_processor.restart(dropout=True)


@pytest.mark.parametrize("what, method", [("training", "step"), ("inference", "infer")])
def test_a_turn_has_one_step_more_than_it_tells_and_memory_is_of_the_same_steps(what, method):
    def once():
        calls.append(method)
        return lambda: 1.5, {"start": program.clock.mark(), "end": program.clock.mark()}

    calls = []
    program = SimpleNamespace(restart=lambda dropout: None, step=None, infer=None)
    program.clock = ToldClock([0, 9, 0, 1, 0, 2])
    setattr(program, method, once)
    answers = protocol.turn(program, what, 2)
    assert [answer["seconds"] for answer in answers] == [1, 2] and len(calls) == 3  # 9 untimed
    program.clock = ToldClock()
    assert protocol.peak_bytes(program, what) == 250 and len(calls) == 3 + protocol.WATCHED_STEPS


def test_the_logits_are_copied_after_the_time_of_inference_is_taken(on_gpu, folder, monkeypatch):
    program = Tinynet(folder, "cupy", "", ToldClock())
    order = []
    monkeypatch.setattr(program.clock, "mark", lambda: order.append("mark"))
    monkeypatch.setattr(tn.gpu, "download", lambda logits: order.append("copy"))
    program.infer()
    assert order == ["mark", "mark", "copy"]


def test_a_step_drops_only_when_it_should(folder, answers, free_threads):
    program = Tinynet(folder, "numpy")
    losses = []
    for dropout in (False, False, True):
        program.restart(dropout)
        losses.append(program.step()[0]())
    assert losses[0] == losses[1] != losses[2]
    assert losses[0] == pytest.approx(answers["numbers"]["losses"][0], rel=1e-5)


def test_a_wrong_kernel_is_seen(on_gpu, folder, answers, monkeypatch):
    kernel = on_gpu.max_pool2d_backward

    def wrong(dy, switches, *more):
        kernel(dy, switches, *more)
        more[-1][0, :, 0] = 1.0

    monkeypatch.setattr(on_gpu, "max_pool2d_backward", wrong)
    ours = protocol.numbers(Tinynet(folder, "cupy", "", ToldClock()), folder, 3)
    with pytest.raises(ProgramError, match="other numbers than tinynet: its (losses|moves)"):
        check_numbers("cupy", answers["numbers"], ours, "float32")


def test_a_wrong_weight_is_seen(folder, answers, tmp_path):
    for name in ("plan.json", "batch.npz"):
        os.link(folder / name, tmp_path / name)
    weights = dict(protocol.weights(folder))
    weights["conv4.weight"][3, 2, 1, 0] += 1
    np.savez(tmp_path / "weights.npz", **weights)
    with Program("tinynet", sys.executable, tmp_path, threads=1) as program:
        program.ready()
        for question in ({"do": "numbers", "steps": 3}, {"do": "logits"}):
            theirs = program.ask(question.pop("do"), **question)
            name = "logits" if "logits" in theirs else "numbers"
            with pytest.raises(ProgramError, match="other numbers than tinynet"):
                check_numbers("peer", answers[name], theirs)


ONE = {"losses": [2.0, 1.0], "moves": {"a": 1e-6, "b": 1.0}, "pulls": {"a": -1e-6}}


@pytest.mark.parametrize(
    "limits, theirs",
    [
        ("processor", {"losses": [2.0, 1.0002]}),
        ("processor", {"losses": [2.0, float("nan")]}),
        ("processor", {"moves": {"a": 1.03e-6, "b": 1.0}}),
        ("processor", {"moves": {"a": 1e-6}}),
        ("processor", {"pulls": {"a": 1e-6}}),
        ("float32", {"losses": [2.0, 1.002]}),
        ("tf32", {"losses": [2.0, 1.02]}),
        ("tf32", {"moves": {"a": 1e-6, "b": 1.04}}),
        ("tf32", {"pulls": {"a": -1e-6 + DECAY}}),  # no weight decay
    ],
)
def test_losses_moves_and_pulls_must_agree_one_by_one(limits, theirs):
    assert set(check_numbers("peer", ONE, ONE, limits).values()) == {0.0}
    with pytest.raises(ProgramError, match="peer"):
        check_numbers("peer", ONE, ONE | theirs, limits)


def test_logits_must_agree_and_numbers_may_be_as_far_apart_as_rounding():
    with pytest.raises(ProgramError, match="its logits differ"):
        check_numbers("peer", {"logits": [[3.0, 0.0]]}, {"logits": [[3.0, 0.001]]})
    close = ONE | {"losses": [2.0, 1.009], "moves": {"a": 1.029e-6, "b": 1.0}}
    check_numbers("peer", ONE, close, "tf32")


def test_pulls_tell_weight_decay(answers):
    """Without it the check of numbers would take SGD without decay for SGD with it."""
    pulls = np.array(list(answers["numbers"]["pulls"].values()))
    assert len(pulls) == 8
    without = {**answers["numbers"], "pulls": dict(enumerate(pulls + DECAY))}
    with pytest.raises(ProgramError, match="its pulls differ"):
        check_numbers("peer", answers["numbers"], without)


def test_a_program_that_ends_is_an_error_with_its_last_words(folder, tmp_path):
    whole = json.loads((folder / "plan.json").read_text())
    whole["layers"][0]["kind"] = "Conv7d"
    (tmp_path / "plan.json").write_text(json.dumps(whole))
    os.link(folder / "batch.npz", tmp_path / "batch.npz")
    with Program("tinynet", sys.executable, tmp_path, threads=1) as program:
        with pytest.raises(ProgramError, match="(?s)tinynet ended with exit code 1.*Conv7d"):
            program.ready()


def test_the_images_of_all_programs_are_tinynets_photos_normalised(folder):
    with np.load(folder / "batch.npz") as file:
        photos, mean, divisor = (file[name] for name in ("photos", "mean", "divisor"))
        images, labels = file["images"], file["labels"]
    assert images.dtype == np.float32 and images.shape == (4, 3, 67, 67)
    np.testing.assert_allclose(images, (photos - mean.astype(float)) / divisor, rtol=1e-6)
    assert labels.dtype == np.int64 and labels.min() >= 0 and labels.max() < 10


def test_weights_go_to_channels_last_and_back():
    layers = json.loads(json.dumps([vars(layer) for layer in plan(SPECS["paper"], 10, 67)]))
    assert channels_last.flattened(layers) == {"fc6.weight": (256, 1, 1)}
    generator = np.random.default_rng(0)
    maps = {"fc6.weight": (7, 2, 3)}
    fc6, x = generator.random((5, 42)), generator.random((4, 7, 2, 3))
    moved = channels_last.to_channels_last("fc6.weight", fc6, maps)
    by_rows = x.transpose(0, 2, 3, 1).reshape(4, -1) @ moved
    np.testing.assert_allclose(by_rows, x.reshape(4, -1) @ fc6.T)
    for name, shape in (("conv", (5, 7, 2, 3)), ("fc7.weight", (5, 42)), ("bias", (5,))):
        array = generator.random(shape)
        moved = channels_last.to_channels_last(name, array, maps)
        np.testing.assert_array_equal(channels_last.from_channels_last(name, moved, maps), array)
    back = channels_last.from_channels_last(
        "fc6.weight", channels_last.to_channels_last("fc6.weight", fc6, maps), maps
    )
    np.testing.assert_array_equal(back, fc6)


class TinynetsOps:
    """The functions that channels_last.forward asks of a framework, by this project's."""

    add_bias, reshape = np.add, staticmethod(np.reshape)
    relu = staticmethod(lambda x: np.maximum(x, 0))

    def _by_maps(self, function, x):
        with tn.no_grad():
            y = function(tn.Tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))).numpy()
        return y.transpose(0, 2, 3, 1)

    def convolution(self, x, weight, stride, padding, groups, **sizes):
        weight = np.ascontiguousarray(weight.transpose(3, 2, 0, 1))
        return self._by_maps(lambda x: tn.conv2d(x, weight, None, stride, padding, groups), x)

    def bordered(self, x, before, after):
        return np.pad(x, [(0, 0), (before, after), (before, after), (0, 0)])

    def max_pool(self, x, window, stride, overhang):
        x = np.pad(x, [(0, 0), (0, overhang), (0, overhang), (0, 0)], constant_values=-np.inf)
        return self._by_maps(lambda x: tn.max_pool2d(x, window, stride), x)

    def sum_pool(self, x, window, stride, overhang):
        x = self.bordered(x, 0, overhang)
        return window**2 * self._by_maps(lambda x: tn.avg_pool2d(x, window, stride), x)

    def local_response_norm(self, x, half, k, alpha, beta):
        return self._by_maps(lambda x: tn.local_response_norm(x, 2 * half + 1, alpha, beta, k), x)


@pytest.mark.parametrize(
    "spec, size, changes",
    [("code-2012", 69, {}), ("code-2012", 71, {}), ("cifar10", 17, {"norm": "same-map"})],
)
def test_a_network_channels_last_computes_what_the_network_computes(spec, size, changes):
    """At these sizes conv1 of 2012 hangs over by 2, and by 0; its towers have 4 maps and more."""
    model = build(spec, 10, size, "float64", width=0.1, init="he", **changes).eval()
    rows = plan(model.spec, 10, size)
    layers = json.loads(json.dumps([vars(layer) for layer in rows]))
    maps = channels_last.flattened(layers)
    parameters = {
        name: channels_last.to_channels_last(name, array, maps)
        for name, array in model.state_dict().items()
    }
    images = 50 * np.random.default_rng(0).standard_normal((2, 3, size, size))
    ours = model(tn.Tensor(images)).numpy()
    with tn.use_backend("numpy"):
        x = images.transpose(0, 2, 3, 1)
        theirs = channels_last.forward(TinynetsOps(), layers, parameters, x, "test")
    np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-9 * abs(ours).max())


def test_a_window_over_the_edge_counts_the_cells_inside():
    pool = next(layer for layer in plan(SPECS["cifar10"], 10, 32) if layer.name == "pool2")
    layer = json.loads(json.dumps(vars(pool)))  # 16 to 8, window 3, stride 2, rounded up
    assert channels_last._overhang(layer) == 1
    counts = channels_last._cells_inside(layer)[0, :, :, 0]
    assert counts[0, 0] == 9 and counts[0, 7] == 6 and counts[7, 7] == 4


# --- which, and where -----------------------------------------------------------------------------


def test_on_a_processor_every_library_gets_the_threads_and_no_program_a_gpu():
    here = process._environment(3, on_gpu=False)
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    assert [here[f"{name}_NUM_THREADS"] for name in names] == ["3"] * 4
    assert here["CUDA_VISIBLE_DEVICES"] == "-1" and here["JAX_PLATFORMS"] == "cpu"
    assert "CUDA_VISIBLE_DEVICES" not in process._environment(3, on_gpu=True).keys() - os.environ


def test_a_program_is_limited_to_its_processors(monkeypatch):
    limits = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {7, 3, 5}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda *call: limits.append(call), raising=False)
    protocol.use_processors(2)
    assert limits == [(0, [3, 5])]


def test_a_peer_is_a_framework_and_a_python():
    assert process._peer(f"jax={sys.executable}") == ("jax", os.path.abspath(sys.executable))
    with pytest.raises(argparse.ArgumentTypeError, match="give the Python of the environment"):
        process._peer("jax")


def test_a_framework_that_is_not_there_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    names = ["tinynet", "pytorch", "pytorch-compiled", "jax"]
    pythons = process.installed(names, {"jax": "/bin/python"})
    assert pythons == {"tinynet": sys.executable, "jax": "/bin/python"}
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "pytorch is not installed" in lines[0]
