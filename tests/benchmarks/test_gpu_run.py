"""What goes with the GPU's benchmarks: the small cases, the way to their commands, the script that
runs them all."""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinynet as tn
from benchmarks import (
    gpu_device,
    gpu_layers,
    gpu_small_cases,
    gpu_step,
    layers,
    step,
)
from tinynet import backends
from tinynet.backends.contract import FILES

ROOT = Path(__file__).resolve().parents[2]


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
