"""benchmarks.gpu_profile: the sums of a profile's events, and how a program fails."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import gpu_profile, machine
from benchmarks.programs import pytorch
from benchmarks.programs.tinynet import Tinynet
from tests.benchmarks.told_clock import ToldClock

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
DeviceType = torch.autograd.DeviceType
TINY = "--image-size 67 --width 0.05 --batch-size 2".split()


def event(name, microseconds, device="CUDA", annotation=False):
    return SimpleNamespace(
        name=name, device_type=getattr(DeviceType, device), is_user_annotation=annotation,
        time_range=SimpleNamespace(elapsed_us=lambda: microseconds),
    )  # fmt: skip


def test_kernels_are_summed_by_name_and_nothing_else_is():
    events = [
        event("im2col_float", 2), event("gemm", 5), event("im2col_float", 4),
        event("aten::mm", 99, "CPU"), event("Optimizer.step#SGD.step", 99, annotation=True),
    ]  # fmt: skip
    rows = gpu_profile.by_name(events)
    assert [(row["name"], row["count"]) for row in rows] == [("im2col_float", 2), ("gemm", 1)]
    assert [row["seconds"] for row in rows] == pytest.approx([6e-6, 5e-6])


def test_events_of_pytorchs_profiler_have_these_attributes():
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        torch.ones(3).sum()
    assert len(profile.events()) > 0 and gpu_profile.by_name(profile.events()) == []


@pytest.fixture
def on_gpu(stand_in, monkeypatch):
    """Both programs on the processor, with events as of a GPU."""
    monkeypatch.setattr(machine, "gpu_description", lambda: {"gpu": "a stand-in"})
    monkeypatch.setattr("os.sched_setaffinity", lambda *some: None, raising=False)
    threads = torch.get_num_threads()
    monkeypatch.setattr(gpu_profile, "Tinynet", lambda *where: Tinynet(*where, "", ToldClock()))
    monkeypatch.setattr(
        gpu_profile,
        "PyTorch",
        lambda folder, cuda: pytorch.PyTorch(folder, "cpu", "eager", ToldClock()),
    )
    rows = gpu_profile.by_name([event("im2col_float", 3e6), event("relu_float", 1e6)])
    monkeypatch.setattr(gpu_profile, "kernels", lambda clock, run: run() and rows)
    yield
    torch.set_num_threads(threads)


def test_both_programs_have_a_profile_in_both_precisions(on_gpu, tmp_path, capsys):
    path = tmp_path / "profile.json"
    assert gpu_profile.main([*TINY, "--json", str(path)]) == 0
    report = json.loads(path.read_text())
    steps = [(step["program"], step["precision"]) for step in report["steps"]]
    both = ("float32", "tf32")
    assert steps == [(name, how) for name in ("tinynet", "pytorch") for how in both]
    assert report["machine"] == {"gpu": "a stand-in"} and report["batch_size"] == 2
    for step in report["steps"]:
        assert step["seconds"] > 0 and step["kernel_seconds"] == 4
        assert step["kernels"][0] == {"name": "im2col_float", "count": 1, "seconds": 3}
    printed = capsys.readouterr().out
    assert "pytorch, tf32: a step of" in printed and "75.0%" in printed


def test_a_program_that_fails_loses_no_other(on_gpu, tmp_path, monkeypatch):
    def of_one(clock, run):
        return [] if clock is first[0] else kernels(clock, run)

    def first_program(*where):
        first.append(ToldClock())
        return Tinynet(*where, "", first[0])

    first, kernels = [], gpu_profile.kernels
    monkeypatch.setattr(gpu_profile, "Tinynet", first_program)
    monkeypatch.setattr(gpu_profile, "kernels", of_one)
    path = tmp_path / "profile.json"
    assert gpu_profile.main([*TINY, "--json", str(path)]) == 1
    steps = json.loads(path.read_text())["steps"]
    assert ["error" in step for step in steps] == [True, True, False, False]
    assert "torch.profiler saw no kernel" in steps[0]["error"]


def test_without_pytorch_there_is_no_profiler(stand_in, monkeypatch, capsys):
    monkeypatch.setattr(gpu_profile.importlib.util, "find_spec", lambda name: None)
    assert gpu_profile.main(TINY) == 2
    assert "pip install torch" in capsys.readouterr().err
