"""benchmarks.gpu_probe on the processor, with small sizes: its answers, and its failures."""

import json

import numpy as np
import pytest

import tinynet as tn
from benchmarks import gpu_probe, machine
from tests.benchmarks.told_clock import ToldClock

TINY = "--image-size 67 --width 0.05 --batch-size 3".split()


@pytest.fixture(autouse=True)
def quick(stand_in, monkeypatch):
    """The cupy backend on the processor, short rows, and one timed product a rate."""
    monkeypatch.setattr(gpu_probe, "CupyClock", ToldClock)
    monkeypatch.setattr(machine, "gpu_description", lambda: {"gpu": "a stand-in"})
    monkeypatch.setattr(gpu_probe, "COLUMNS", ((51, 51), (51, 52), (52, 52)))
    monkeypatch.setattr(gpu_probe, "RUNS", 1)
    monkeypatch.setattr(gpu_probe, "TIMES", 1)
    names = [{"name": "gemm"}, {"name": "splitKreduce_kernel"}]
    monkeypatch.setattr(gpu_probe, "kernels", lambda clock, run: (run(), names)[1])
    return stand_in


def answers(tmp_path, code=0):
    """The report of the command, which must end with this code."""
    assert gpu_probe.main([*TINY, "--json", str(tmp_path / "probe.json")]) == code
    return json.loads((tmp_path / "probe.json").read_text())


def test_every_question_has_an_answer(tmp_path, capsys):
    before = tn.gpu.device().chunk_bytes
    report = answers(tmp_path)
    assert report["machine"] == {"gpu": "a stand-in"} and report["batch_size"] == 3
    both = list(tn.gpu.PRECISIONS)
    assert [row["precision"] for row in report["split_k"]] == both  # of 2 images; 4 are too many
    for row in report["split_k"]:
        assert row["inner"] == 256
        names = ("large_product", "product", "by_hand_4", "by_hand_16", "by_hand_64")
        assert all(row[name] > 0 for name in names)
    names = [row["kernels"] for row in report["split_k_kernels"]]
    assert names == [["gemm", "splitKreduce_kernel"]] * 2
    assert [(row["columns"], row["apart"]) for row in report["tf32"]] == [*gpu_probe.COLUMNS]
    assert all(row["float32"] > 0 and row["tf32"] > 0 for row in report["tf32"])
    assert len(report["overlap"]) == 6 and all(row["equal"] for row in report["overlap"])
    rows = [(row["layer"], row["precision"], row["chunk_bytes"]) for row in report["chunks"]]
    sizes = (125, 250, 500, 1000)  # of a cache of 1000 bytes
    names = [f"conv{number}" for number in range(1, 6)]
    assert rows == [(name, how, size) for name in names for how in both for size in sizes]
    assert all(row["forward"] > 0 and row["backward"] > 0 for row in report["chunks"])
    assert tn.gpu.device().chunk_bytes == before
    printed = capsys.readouterr().out
    assert all(question in printed for question in ("split_k", "tf32", "overlap", "chunks"))


def test_the_product_that_is_cut_by_hand_is_the_whole_one(quick):
    gpu = tn.gpu.device()
    dy, columns = (gpu_probe._normal(gpu, rows, 128) for rows in (5, 7))
    cut = gpu.xp.asnumpy(gpu_probe._cut(gpu, dy, columns, 4)())
    whole = gpu.xp.asnumpy(dy) @ gpu.xp.asnumpy(columns).T
    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)


def test_the_stacks_share_memory(monkeypatch):
    """Else the answer would say nothing about overlapping ones."""
    gpu, stacks = tn.gpu.device(), []
    product = gpu.product
    monkeypatch.setattr(
        gpu, "product", lambda a, *more: stacks.append(a.strides) or product(a, *more)
    )
    gpu_probe.overlap(gpu, ToldClock(), [], 3)
    matrix = 40 * 48 * 4  # bytes, side by side with no other
    assert {stack for stack, _, _ in stacks} == {48 * 4, 0, matrix // 2}


def test_a_product_of_overlapping_matrices_that_is_not_numpys_is_a_failure(tmp_path, monkeypatch):
    gpu = tn.gpu.device()
    product = gpu.product

    def wrong(a, b, out, add=False):
        product(a, b, out, add)
        if a.strides[0] == 0:
            out[1] = 0.0

    monkeypatch.setattr(gpu, "product", wrong)
    monkeypatch.setattr(gpu_probe, "QUESTIONS", (gpu_probe.overlap, gpu_probe.tf32))
    report = answers(tmp_path, code=1)
    equal = [(row["case"], row["equal"]) for row in report["overlap"]]
    assert [case for case, same in equal if not same] == ["one matrix"] * 2
    assert len(report["tf32"]) == 3


def test_a_question_that_fails_loses_no_other(tmp_path, monkeypatch, capsys):
    def fails(*question):
        raise RuntimeError("cuBLAS: status 14")

    monkeypatch.setattr(gpu_probe, "QUESTIONS", (fails, gpu_probe.tf32))
    report = answers(tmp_path, code=1)
    assert report["fails"] == {"error": "RuntimeError: cuBLAS: status 14"}
    assert len(report["tf32"]) == 3
    assert "cuBLAS: status 14" in capsys.readouterr().err


def test_without_a_profiler_the_rates_of_split_k_are_kept(tmp_path, monkeypatch):
    def fails(clock, run):
        raise RuntimeError("CUPTI is not there")

    monkeypatch.setattr(gpu_probe, "kernels", fails)
    questions = (gpu_probe.split_k, gpu_probe.split_k_kernels)
    monkeypatch.setattr(gpu_probe, "QUESTIONS", questions)
    report = answers(tmp_path, code=1)
    assert len(report["split_k"]) == 2
    assert report["split_k_kernels"] == {"error": "RuntimeError: CUPTI is not there"}


def test_a_probe_that_is_killed_leaves_its_answers(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*question):
        raise Killed

    monkeypatch.setattr(gpu_probe, "QUESTIONS", (gpu_probe.tf32, killed))
    killed.__name__ = "killed"
    with pytest.raises(Killed):
        answers(tmp_path)
    assert len(json.loads((tmp_path / "probe.json").read_text())["tf32"]) == 3
