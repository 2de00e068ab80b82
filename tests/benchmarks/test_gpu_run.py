"""benchmarks/gpu_run.sh, with a stand-in for Python: its parts, its logs and its exit code."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinynet.backends import contract

pytestmark = pytest.mark.skipif(
    not shutil.which("timeout"), reason="timeout of coreutils is not installed"
)
SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_run.sh"


def run_script(tmp_path, parts, python, *folders):
    """(exit code, gpu-run.log, folder of results)."""
    stub, results = tmp_path / "python", tmp_path / "results"
    stub.write_text(f"#!/usr/bin/env bash\n{python}\n")
    stub.chmod(0o755)
    environment = {**os.environ, "PARTS": parts, "PYTHON": str(stub)}
    command = [SCRIPT, results, *folders]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    return done.returncode, (results / "gpu-run.log").read_text(), results


def test_a_part_that_fails_does_not_stop_the_others(tmp_path):
    stub = 'echo "ran $*"; case "$*" in *pytest*) exit 3;; esac'
    code, log, results = run_script(tmp_path, "tests sanitizer layers step train", stub)
    assert code == 1 and "exit code 3" in log
    assert "ran -m pytest -m gpu -q" in (results / "gpu-tests.log").read_text()
    assert "-m pytest -m gpu --sanitizer" in (results / "gpu-sanitizer.log").read_text()
    assert f"ran -m benchmarks.layers --backend cupy --json {results}/gpu-layers.json" in log
    assert f"--batch-size 128 512 --json {results}/gpu-step.json" in log
    assert "alexnet.train" not in log  # no photos


def test_the_sanitizer_runs_cases_of_every_layer():
    """The script's expression selects them by the names of tests, which may change."""
    files = re.findall(r"tests/tinynet/[a-z_/]+\.py", SCRIPT.read_text())
    (chosen,) = re.findall(r'-k "(float32 and .*)"', SCRIPT.read_text())
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *files, "-k", chosen]
    done = subprocess.run(command, cwd=SCRIPT.parents[1], capture_output=True, text=True)
    cases = done.stdout
    layers = {Path(file).stem for file in contract.FILES} - {"sgd", "winograd"}
    assert len(files) == 3 and layers >= {"conv2d", "max_pool2d", "dropout", "tanh", "linear"}
    missing = [name for name in layers if f"float32-{name}" not in cases]
    assert not missing, f"no case of {missing} is selected"
    assert "test_optim.py::test_ten_steps" in cases and "test_winograd.py::test_the_same" in cases


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
