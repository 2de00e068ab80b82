"""The compared programs as the benchmark sees them: processes that it asks.

    with Program(name, python, folder, threads, backend) as program:
        program.ready()
        program.ask("turn", what="training", steps=2)

A program rests, blocked on its input, while another works. protocol.py lists the questions.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from alexnet.cli import ending

# name: (module, HOW), on a processor and on a GPU
PROGRAMS = {
    "tinynet": ("tinynet", ""),
    "pytorch": ("pytorch", "eager"),
    "pytorch-channels-last": ("pytorch", "channels-last"),
    "pytorch-compiled": ("pytorch", "compiled"),
    "tensorflow": ("tensorflow", ""),
    "jax": ("jax", ""),
}
GPU_PROGRAMS = {
    "tinynet": ("tinynet", ""),
    "tinynet-cuda-graph": ("tinynet", "cuda-graph"),
    "pytorch": ("pytorch", "eager"),
    "pytorch-channels-last": ("pytorch", "channels-last"),
    "pytorch-compiled": ("pytorch", "compiled"),
    "pytorch-compiled-channels-last": ("pytorch", "compiled-channels-last"),
}
LIBRARIES = {"pytorch": "torch", "tensorflow": "tensorflow", "jax": "jax"}  # as imported
ROOT = Path(__file__).resolve().parents[2]


class ProgramError(RuntimeError):
    """A program that ended, or computes other numbers; the message says which, and why."""


def say(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def run_command(command, name: str) -> int:
    """The exit code of a benchmark's command: as alexnet.cli.ending.run, and 1 after a
    ProgramError."""

    def run():
        try:
            return command()
        except ProgramError as error:
            say(f"benchmarks.{name}: {error}")
            return 1

    return ending.run(run, f"benchmarks.{name}")


# --- which, and where -----------------------------------------------------------------------------


def add_peer_flag(group) -> None:
    """--peer."""
    group.add_argument(
        "--peer", type=_peer, action="append", default=[], metavar="NAME=PYTHON",
        help=f"{', '.join(LIBRARIES)}: take it from the environment of this Python; without the "
        "flag, from tinynet's own environment",
    )  # fmt: skip


def _peer(text):
    """(framework, path of a Python) of NAME=PYTHON."""
    name, _, python = text.partition("=")
    if name not in LIBRARIES:
        raise argparse.ArgumentTypeError(
            f"{text!r} does not name {', '.join(LIBRARIES)}; pytorch=PYTHON fits"
        )
    path = shutil.which(os.path.expanduser(python)) if python else None
    if path is None:
        raise argparse.ArgumentTypeError(
            f"{text!r}: there is no program {python!r}; give the Python of the environment that "
            f"has {name}, such as {name}=/path/of/environment/bin/python"
        )
    return name, os.path.abspath(path)


def installed(names, peers: dict[str, str]) -> dict[str, str]:
    """{program: path of its Python} of the programs that can run; a line on stderr for each
    framework that is missing.

    peers   {framework: path of its Python}; the others are looked for beside tinynet
    """
    pythons, missing = {}, {}
    for name in names:
        framework = (PROGRAMS | GPU_PROGRAMS)[name][0]
        if framework == "tinynet" or framework in peers:
            pythons[name] = peers.get(framework, sys.executable)
        elif importlib.util.find_spec(LIBRARIES[framework]):
            pythons[name] = sys.executable
        else:
            missing[framework] = None
    for framework in missing:
        say(
            f"{framework} is not installed here and is left out; --peer {framework}=PYTHON names "
            "the Python of another environment that has it"
        )
    return pythons


# --- talking --------------------------------------------------------------------------------------


class Program:
    """A running program, which ends with the with block.

    name      a key of PROGRAMS; with backend "cupy" of GPU_PROGRAMS
    python    path of the Python that runs it
    folder    written by workload.write_workload
    backend   tinynet's; the other programs run on a GPU where this one does
    versions, about   what it says of its libraries and its device, once it is ready
    ready and ask raise ProgramError if the process has ended; its last words are in the message.
    """

    def __init__(self, name, python, folder, threads, backend="numba"):
        self.name, on_gpu = name, backend == "cupy"
        module, how = (GPU_PROGRAMS if on_gpu else PROGRAMS)[name]
        device = backend if module == "tinynet" else "cuda" if on_gpu else "cpu"
        words = [str(folder), device, *filter(None, [how])]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [python, "-m", f"benchmarks.programs.{module}", *words], cwd=ROOT,
            env=_environment(threads, on_gpu), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip

    def ready(self) -> None:
        """Wait until it has started."""
        answer = self._answer()
        self.versions, self.about = answer["versions"], answer["about"]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def ask(self, do: str, /, **more) -> dict:
        """The program's answer to {"do": do, ...}."""
        with contextlib.suppress(OSError):  # it has ended; its last words follow
            self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self._process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-6:]
            raise ProgramError("\n  ".join([f"{self.name} ended with exit code {code}:", *last]))
        return json.loads(line)

    def close(self) -> None:
        """End the process: politely, and after a while by force."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def _environment(threads, on_gpu):
    """On a processor every library's number of threads, and no GPU; on a GPU neither."""
    if on_gpu:
        return {**os.environ, "PYTHONUNBUFFERED": "1"}
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    counts = {f"{name}_NUM_THREADS": str(threads) for name in names}
    no_gpu = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **counts, **no_gpu, "TF_CPP_MIN_LOG_LEVEL": "2"}
