"""The programs that a benchmark compares, seen from the benchmark: their work, and talking to them.

    write_work(folder, ...)            network, weights and batch, the same for all
    with Program(name, python, folder) as program:
        program.ask("step")            {"seconds": 2.1, ...}
    check_numbers(ours, theirs)        what must agree before anything is timed

Each is a process of its own, which rests, blocked on its input, while another works. What it is
asked and answers is in benchmarks/peers/protocol.py.
"""

import contextlib
import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

import alexnet
import tinynet as tn
from alexnet.data.normalization import Normalization
from alexnet.network.plan import plan

# name: (the module in benchmarks/peers, its option; None: the backend)
PROGRAMS = {
    "tinynet": ("tinynet", None),
    "pytorch": ("pytorch", "eager"),
    "pytorch-channels-last": ("pytorch", "channels-last"),
    "pytorch-compiled": ("pytorch", "compiled"),
    "tensorflow": ("tensorflow", ""),
    "jax": ("jax", ""),
}
LIBRARIES = {"pytorch": "torch", "tensorflow": "tensorflow", "jax": "jax"}  # as imported
ROOT = Path(__file__).resolve().parents[1]

LR, MOMENTUM, WEIGHT_DECAY = 0.001, 0.9, 5e-4  # a smaller rate than the paper's: noise is no photo

# Relative, of float32 numbers after a few steps: losses, how far each parameter moved and how much
# longer each weight became; and of the largest logit. Rounding alone moves losses by 1e-7, but
# lets a maximum fall to another pixel now and then, whose gradient goes elsewhere.
TOLERANCES = {"losses": 1e-4, "moves": 2e-2, "pulls": 5e-2, "logits": 1e-4}


class ProgramError(RuntimeError):
    """A program that ended, or that computes other numbers; the message says which and why."""


# --- the work -------------------------------------------------------------------------------------


def write_work(folder, spec, batch_size, threads, *, num_classes=None, image_size=None, **changes):
    """Write a network, its initial weights and a batch of noise to the folder; returns the layers
    (alexnet.model.plan). changes: as alexnet.build's, which says what they may be."""
    folder, num_classes = Path(folder), num_classes or alexnet.SPECS[spec].num_classes
    with tn.use_backend("numpy"):  # the benchmark's own process computes nothing: no Numba
        tn.seed(0)
        model = alexnet.build(spec, num_classes, image_size, **changes)
    layers = plan(model.spec, model.num_classes, model.image_size)
    numbers = {"lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY, "threads": threads}
    whole = {"layers": [asdict(layer) for layer in layers], **numbers}
    (folder / "plan.json").write_text(json.dumps(whole))
    np.savez(folder / "weights.npz", **model.state_dict())

    generator = np.random.default_rng(0)
    shape = (batch_size, 3, model.image_size, model.image_size)
    photos = generator.integers(0, 256, shape, np.uint8)
    normalization = _normalization(model)
    np.savez(
        folder / "batch.npz",
        photos=photos,
        **normalization.arrays(),
        images=normalization(photos),
        labels=generator.integers(0, num_classes, batch_size),
    )
    return layers


def _normalization(model):
    """What the spec does to an image; a mean image or deviation that training would measure is here
    that of noise, 0 to 255."""
    wanted = model.spec.input
    if not isinstance(wanted.mean, str):
        return Normalization(*(np.reshape(row, (3, 1, 1)) for row in (wanted.mean, wanted.divisor)))
    deviation = math.sqrt((256**2 - 1) / 12) if model.build_arguments["init"] == "he" else 1.0
    return Normalization(np.full((3, 1, 1), 127.5), np.full((3, 1, 1), deviation))


# --- which, and where -----------------------------------------------------------------------------


def parse_peer(text: str) -> tuple[str, str]:
    """(framework, path of a Python) of NAME=PYTHON. ValueError for what does not fit."""
    name, _, python = text.partition("=")
    if name not in LIBRARIES:
        raise ValueError(f"{text!r} does not name {', '.join(LIBRARIES)}; pytorch=PYTHON fits")
    found = shutil.which(os.path.expanduser(python)) if python else None
    if found is None:
        raise ValueError(
            f"{text!r}: there is no program {python!r}; give the Python of the environment that "
            f"has {name}, such as {name}=/path/of/environment/bin/python"
        )
    return name, os.path.abspath(found)


def find(wanted, peers: dict[str, str]) -> dict[str, str]:
    """{program: path of its Python} of those wanted that are there; a line on stderr for each
    framework that is not.

    peers   {framework: path of its Python}; those not given are looked for beside tinynet
    """
    found, missing = {}, {}
    for name in wanted:
        framework = PROGRAMS[name][0]
        if framework == "tinynet" or framework in peers:
            found[name] = peers.get(framework, sys.executable)
        elif importlib.util.find_spec(LIBRARIES[framework]):
            found[name] = sys.executable
        else:
            missing[framework] = None
    for framework in missing:
        print(
            f"{framework} is not installed here and is left out; --peer {framework}=PYTHON names "
            "the Python of another environment that has it",
            file=sys.stderr,
        )
    return found


# --- talking --------------------------------------------------------------------------------------


class Program:
    """A running program; versions is what it said of its libraries. It ends with the with block.

    name      of PROGRAMS
    python    path of the Python that runs it
    folder    of write_work
    backend   of tinynet
    Raises ProgramError, also from ask, where the process ended; its last words are in the message.
    """

    def __init__(self, name, python, folder, threads, backend="numba"):
        self.name = name
        module, option = PROGRAMS[name]
        option = backend if option is None else option
        command = [python, "-m", f"benchmarks.peers.{module}", str(folder), *filter(None, [option])]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(threads), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
        )  # fmt: skip
        try:
            self.versions = self._answer()["versions"]
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def ask(self, what: str, **more) -> dict:
        """The program's answer to {"do": what}."""
        try:
            self._process.stdin.write(json.dumps({"do": what, **more}) + "\n")
            self._process.stdin.flush()
        except OSError:  # it has ended; what it said last is told below
            pass
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


def _environment(threads):
    """Every library's number of threads, and no GPU."""
    names = ("OMP", "OPENBLAS", "MKL", "NUMBA")
    counts = {f"{name}_NUM_THREADS": str(threads) for name in names}
    no_gpu = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **counts, **no_gpu, "TF_CPP_MIN_LOG_LEVEL": "2"}


# --- the same numbers -----------------------------------------------------------------------------


def check_numbers(name: str, ours: dict, theirs: dict) -> dict[str, float]:
    """How far apart two answers to "numbers" are, {"losses": ..., "moves": ..., "pulls": ...}, the
    largest relative difference of each; or {"logits": ...} of two answers to "logits".

    Raises ProgramError where they are further apart than rounding in float32 explains.
    """
    if "logits" in ours:
        a, b = np.array(ours["logits"]), np.array(theirs["logits"])
        apart = {"logits": float(np.abs(a - b).max() / np.abs(a).max())}
    else:
        if list(ours["moves"]) != list(theirs["moves"]):
            raise ProgramError(f"{name} has parameters of other names: {sorted(theirs['moves'])}")
        apart = {"losses": _relative(ours["losses"], theirs["losses"])}
        for what in ("moves", "pulls"):
            apart[what] = _relative(*(list(answer[what].values()) for answer in (ours, theirs)))
    for what, distance in apart.items():
        if not distance <= TOLERANCES[what]:  # NaN is no agreement
            raise ProgramError(
                f"{name} computes other numbers than tinynet: its {what} differ by {distance:.2g} "
                f"of their size, rounding explains {TOLERANCES[what]:g}; it is not compared"
            )
    return apart


def _relative(a, b):
    """The largest relative difference of two lists of numbers; NaN if there is one."""
    a, b = np.array(a), np.array(b)
    return float((np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), 1e-30)).max())
