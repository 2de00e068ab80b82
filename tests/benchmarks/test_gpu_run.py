"""benchmarks/gpu_run.sh, with a stand-in for Python: its parts, their limits, and its results."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from alexnet.cli.train_flags import train_parser
from benchmarks.programs.process import GPU_PROGRAMS
from tests.conftest import needs_gcc
from tests.gpu_on_cpu import host_kernels
from tinynet.backends import contract
from tinynet.backends.cupy.device import launch

pytestmark = pytest.mark.skipif(
    not shutil.which("timeout"), reason="timeout of coreutils is not installed"
)
ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu_run.sh"
PARTS = {
    "first": ["facts", "train", "train-tf32", "small", "probe", "step"],
    "second": ["facts", "profile", "step-512", "tests", "layers", "memcheck"],
}
LIMITS = {"first": 280, "second": 420}
# It tells its arguments, and writes the files that they name.
PYTHON = """printf 'ran: '; printf '%q ' "$@"; echo
while [ $# -gt 0 ]; do
    [ "$1" = --json ] && echo '{}' > "$2"
    [ "$1" = --out ] && mkdir -p "$2" && echo '{"epoch": 1}' > "$2/log.jsonl"
    shift
done"""


def run_script(tmp_path, call, python=PYTHON, **environment):
    """(exit code, the call's log, folder of results)."""
    for name, text in {"python": python, "compute-sanitizer": PYTHON}.items():
        stub = tmp_path / name
        stub.write_text(f"#!/usr/bin/env bash\n{text}\n")
        stub.chmod(0o755)
    environment = {"PYTHON": str(tmp_path / "python"), **environment}
    environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    results = tmp_path / "results"
    done = subprocess.run(
        [SCRIPT, call, results], env={**os.environ, **environment}, capture_output=True, timeout=60
    )
    return done.returncode, (results / f"gpu-{call}.log").read_text(), results


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """{call: {part: its words behind Python or compute-sanitizer}}, as Python gets them."""
    every = {}
    for call in LIMITS:
        _, log, _ = run_script(tmp_path_factory.mktemp(call), call)
        parts = re.findall(r"^== (\S+), at most .*\nran: (.*)$", log, flags=re.M)
        every[call] = {part: shlex.split(words) for part, words in parts}
    return every


# --- limits, and failures -------------------------------------------------------------------------


@pytest.mark.parametrize("call", LIMITS)
def test_the_limits_of_a_calls_parts_are_together_its_own(call, tmp_path):
    code, log, results = run_script(tmp_path, call)
    parts = re.findall(r"^== (\S+), at most (\d+) s: ", log.split("s in all")[0], flags=re.M)
    assert code == 0, log
    assert [part for part, _ in parts] == PARTS[call]
    assert sum(int(seconds) for _, seconds in parts) <= LIMITS[call]
    files = [file.relative_to(results) for file in results.rglob("*")]
    assert len(files) <= 8 and all(re.fullmatch(r"[\w.-]+", str(file)) for file in files)


@pytest.mark.parametrize("call", LIMITS)
def test_a_part_that_fails_does_not_stop_the_others(call, tmp_path):
    fails = '[[ "$*" != "-m pytest"* ]] || exit 3'
    code, log, _ = run_script(tmp_path, call, f"{fails}\n{PYTHON}")
    failed = "small" if call == "first" else "tests"
    endings = dict(re.findall(r"^== (\S+): (.*) after", log, flags=re.M))
    assert code == 1
    assert endings == dict.fromkeys(PARTS[call], "done") | {failed: "exit code 3"}


@pytest.mark.parametrize("deaf", ["", "trap '' INT;"])
def test_a_part_that_hangs_is_stopped(deaf, tmp_path):
    """By Ctrl-C, and where it does not hear it, for good."""
    hangs = f'[[ "$*" != *gpu_probe* ]] || {{ {deaf} sleep 50; sleep 50; }}\n{PYTHON}'
    code, log, results = run_script(tmp_path, "first", hangs, PARTS="probe step", PART_LIMIT="2")
    assert code == 1
    assert re.search(r"^== probe: stopped after [1-3] s$", log, flags=re.M)
    assert "== step: done" in log and (results / "gpu-step.json").exists()


def test_the_logs_of_both_trainings_are_kept(tmp_path):
    code, _, results = run_script(tmp_path, "first", PARTS="train train-tf32")
    assert code == 0
    assert (results / "gpu-train.jsonl").read_text() == '{"epoch": 1}\n'
    assert (results / "gpu-train-tf32.jsonl").read_text() == '{"epoch": 1}\n'
    shutil.rmtree(results)
    code, log, _ = run_script(tmp_path, "first", "exit 4", PARTS="train")
    assert code == 1 and "exit code 4" in log


def test_a_call_or_a_part_that_does_not_exist_is_a_usage_error(tmp_path):
    code, log, _ = run_script(tmp_path, "first", PARTS="profile")
    assert code == 2 and "PARTS=profile names no part of the first call" in log
    done = subprocess.run([SCRIPT, "third", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and "usage: " in done.stderr


def test_versions_are_told_without_importing_the_libraries(tmp_path):
    _, log, _ = run_script(
        tmp_path, "first", PARTS="facts", PYTHON=sys.executable, PYTHONPROFILEIMPORTTIME="1"
    )
    imported = re.findall(r"^import time:.*\| *(\S+)$", log, flags=re.M)
    assert re.search(r"^numpy \d", log, flags=re.M) and "importlib.metadata" in imported
    assert not {"numpy", "cupy", "torch"} & set(imported)


# --- the commands are real ------------------------------------------------------------------------


def test_the_programs_take_the_flags_of_their_parts(commands):
    """A flag that is renamed would cost the part."""
    for part in ("train", "train-tf32"):
        dash_m, module, *words = commands["first"][part]
        args = train_parser().parse_args(words)
        assert (dash_m, module, args.backend, args.max_steps) == ("-m", "alexnet.train", "cupy", 40)
        assert (args.cuda_graph, args.precision) == (
            (False, None) if part == "train" else (True, "tf32")
        )
    for call, part, batch_size in (
        ("first", "probe", 128), ("first", "step", [128]), ("second", "step-512", [512]),
        ("second", "profile", 128), ("second", "layers", 128),
    ):  # fmt: skip
        dash_m, module, *words = commands[call][part]
        args = import_module(module)._parser().parse_args(words)
        assert dash_m == "-m" and args.batch_size == batch_size and "/gpu-" in args.json
        assert getattr(args, "backend", "cupy") == "cupy"
        assert set(getattr(args, "only", None) or []) <= set(GPU_PROGRAMS)
    assert "pytorch-compiled" in commands["second"]["step-512"][-3]


def test_pytest_takes_the_flags_of_its_parts(commands):
    """The small cases are those of every layer: they are selected by the names of tests."""
    memcheck = commands["second"]["memcheck"]
    python = memcheck.index("-m")
    assert memcheck[python:] == [*commands["first"]["small"], "--sanitizer"]
    small = [word for word in commands["first"]["small"] if word not in ("-m", "gpu")]
    assert commands["first"]["small"][:4] == ["-m", "pytest", "-m", "gpu"]
    every = commands["second"]["tests"] + [__file__]  # one file: the flags are the question
    for words, codes in ((["-m", *small], {0}), (every, {0, 5})):  # 5: no test is marked
        done = subprocess.run(
            [sys.executable, *words, "--collect-only"], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode in codes, done.stdout + done.stderr
        if words != every:
            cases = done.stdout
    layers = {Path(file).stem for file in contract.FILES} - {"sgd", "winograd"}
    assert layers >= {"conv2d", "max_pool2d", "dropout", "tanh", "linear"}
    selected = [line for line in cases.splitlines() if "test_layers_float32.py" in line]
    missing = [name for name in layers if not any(f"-{name}" in line for line in selected)]
    assert not missing, f"no case of {missing} is selected"
    assert "test_optim.py::test_ten_steps" in cases and "test_winograd.py::test_the_same" in cases


@needs_gcc
def test_the_sanitizer_checks_every_kernel_of_ours_and_none_of_a_library(commands):
    words = commands["second"]["memcheck"]
    key, _, pattern = words[words.index("--kernel-name") + 1].partition("=")
    assert key == "regex"
    names = []
    for file in [*ROOT.glob("tinynet/**/*.cu"), *ROOT.glob("alexnet/**/*.cu")]:
        program = host_kernels.HEADER.read_text() + launch.source(file)
        names += host_kernels._kernel_names(program)
    assert {"im2col_float", "x_to_V_3_double", "sum_of_parts_float", "crop_float"} <= set(names)
    assert [name for name in names if not re.search(pattern, name)] == []
    others = [
        "cupy_copy__float32_float32", "cupy_fill", "cupy_sum__float32_float32", "splitKreduce",
        "ampere_sgemm_128x64_nn", "sm90_xmma_gemm_f32f32_tf32f32_f32_nn_n_tilesize128x128x32",
        "triton_poi_fused_relu_0", "_ZN2at6native13reduce_kernelILi512ELi1EEEvT_",
        "_ZN7cutlass7KernelI66cutlass_80_tensorop_s1688gemm_128x256_16x3_nn_align4EEvT_",
    ]  # fmt: skip
    assert [name for name in others if re.search(pattern, name)] == []
