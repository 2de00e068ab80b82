"""What the compared programs have in common: a process that answers lines of JSON.

    python -m benchmarks.peers.NAME FOLDER [OPTION]

FOLDER holds the work, written by benchmarks/programs.py:

    plan.json     {"layers": [{"name", "kind", "arguments", "inputs", "outputs"}, ...], "threads",
                  "lr", "momentum", "weight_decay"}; layers as alexnet.model.plan gives them
    weights.npz   the initial weights, "conv1.weight", ..., as state_dict gives them
    batch.npz     images (N, 3, H, W) float32, ready to be used, and labels (N,) int64

The program makes the network of it, writes {"ready": ...}, and then answers each line:

    {"do": "numbers", "steps": 3}  {"losses": [...], "moves": {name: |w - initial w|, ...}, "pulls":
                                   {name: (w - initial w) . w / w . w, ...}} after so many training
                                   steps without dropout, from the initial weights
    {"do": "logits"}               {"logits": [[...], ...]} of the first images, initial weights
    {"do": "restart"}              {} after taking the initial weights, velocities 0
    {"do": "step"}                 {"seconds", "loss"} of one training step with dropout, and
                                   "forward", "backward", "update" where the framework can tell
    {"do": "infer"}                {"seconds"} of the batch's logits
    {"do": "memory"}               {"peak": bytes} since the last "forget peak"
    {"do": "forget peak"}          {}

It ends when its input ends. This module needs NumPy only: a program may live in an environment of
its own, without Numba.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

SHOWN_LOGITS = 4  # images


def work(folder) -> tuple[dict, dict]:
    """(plan, batch) of a folder: plan.json, and images and labels. Limits this process to the first
    plan["threads"] processors, which also frameworks without such an option keep to; so it is
    called before one is imported."""
    plan = json.loads((Path(folder) / "plan.json").read_text())
    if hasattr(os, "sched_setaffinity"):
        mine = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, mine[: plan["threads"]])
    with np.load(Path(folder) / "batch.npz") as file:
        return plan, {name: file[name] for name in ("images", "labels")}


def weights(folder):
    """(name, array) of each initial weight in turn: never all of them at once in memory."""
    with np.load(Path(folder) / "weights.npz") as file:
        for name in file.files:
            yield name, file[name]


def serve(program, folder) -> None:
    """Answer the lines of stdin until it ends.

    program  an object with
        versions                     {"library": "version", ...}
        restart(dropout)             take the initial weights; later steps drop, or do not
        step() -> dict               one training step, complete on return: its loss, its seconds
        infer() -> array             the batch's logits (N, classes), complete on return
        state() -> (name, array)     each parameter now, in turn, in weights.npz's layout or with
                                     the numbers of each array in another order
    """
    answer = _answers()
    answer({"ready": type(program).__name__, "versions": program.versions})
    for line in sys.stdin:
        question = json.loads(line)
        match question["do"]:
            case "numbers":
                answer(numbers(program, folder, question["steps"]))
            case "logits":
                program.restart(dropout=False)
                answer({"logits": np.asarray(program.infer())[:SHOWN_LOGITS].tolist()})
            case "restart":
                program.restart(dropout=True)
                answer({})
            case "step":
                answer(program.step())
            case "infer":
                start = time.perf_counter()
                program.infer()
                answer({"seconds": time.perf_counter() - start})
            case "memory":
                answer({"peak": peak_memory()})
            case "forget peak":
                forget_peak_memory()
                answer({})
            case unknown:
                raise ValueError(f"there is nothing to do called {unknown!r}")


def _answers():
    """A function that writes one line of JSON to stdout. From now on nothing else goes there: what
    frameworks print lands on stderr."""
    sys.stdout.flush()
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(reply):
        lines.write(json.dumps(reply) + "\n")
        lines.flush()

    return answer


def numbers(program, folder, steps) -> dict:
    """The answer to "numbers". A pull is how much longer a weight became: weight decay is seen
    there and hardly elsewhere, since gradients stand nearly at right angles to the weights."""
    program.restart(dropout=False)
    losses = [program.step()["loss"] for _ in range(steps)]
    now = dict(program.state())
    moves, pulls = {}, {}
    for name, before in weights(folder):
        if name in now:
            move = now.pop(name) - before
            moves[name] = float(np.linalg.norm(move.ravel()))
            if before.ndim > 1:
                pulls[name] = _dot(move, before) / _dot(before, before)
    return {"losses": losses, "moves": moves, "pulls": pulls}


def _dot(a, b):
    return float((a * b).sum(dtype=np.float64))


def peak_memory() -> int | None:
    """The most bytes of this process that were in memory at once, libraries included; None where
    the system does not tell."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def forget_peak_memory() -> None:
    """Let peak_memory count from now, where the system can: what loading and compiling took is not
    what a step takes."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # Linux: proc_pid_clear_refs(5)
    except OSError:
        pass
