"""benchmarks/gpu_run.sh, with a stand-in for Python: its parts, its logs and its exit code."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

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
