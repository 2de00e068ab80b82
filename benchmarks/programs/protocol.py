"""What the compared programs have in common: a process that answers lines of JSON.

    python -m benchmarks.programs.NAME FOLDER DEVICE [HOW]

FOLDER holds the work (workload.py). DEVICE is tinynet's backend, or "cpu" or "cuda" of another
framework. The program makes the network, writes {"ready": ...}, and then answers each line:

    {"do": "use", "batch_size": 128, "precision": "float32"}   {}: the first images of the batch
    {"do": "numbers", "steps": 3}  {"losses": [...], "moves": {name: |w - w0|, ...}, "pulls": {name:
                                   (w - w0) . w0 / w0 . w0, ...}} after as many training steps
                                   without dropout, from the initial weights w0; no pull for biases
    {"do": "logits"}               {"logits": [[...], ...]} of the first images, initial weights
    {"do": "restart"}              {} after taking the initial weights, velocities 0
    {"do": "turn", "what": "training" or "inference", "steps": 3}
                                   {"steps": [{"seconds", "loss", ...}, ...]} after one step to warm
                                   up; a training step has dropout, and "forward", "backward",
                                   "update" where the framework can tell; on a GPU "host_seconds",
                                   in which the processor queued the step
    {"do": "memory", "what": ...}  {"peak": bytes} of two steps of training or inference
    {"do": "product rate"}         {"flop_per_second": ...} of a large product, on a GPU

It ends when its input ends. This module needs NumPy only: a program may live in an environment of
its own, without Numba.
"""

import functools
import itertools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.clocks import product_rate

SHOWN_LOGITS = 4  # images
WATCHED_STEPS = 2  # of memory: a CUDA graph is recorded in the second one


def work(folder):
    """(plan, batch) of a folder: plan.json, and batch.npz, open. It reads an array only when asked
    for it, so a program's memory holds no array that it does not use. Call it before a framework is
    imported: it limits the process to plan["threads"] processors."""
    plan = json.loads((Path(folder) / "plan.json").read_text())
    use_processors(plan["threads"])
    return plan, np.load(Path(folder) / "batch.npz")


def use_processors(count) -> None:
    """Limit this process to the first `count` processors that it may use, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def weights(folder):
    """(name, array) of each initial weight in turn: never all of them at once in memory."""
    with np.load(Path(folder) / "weights.npz") as file:
        for name in file.files:
            yield name, file[name]


def initial_weights(folder, clock):
    """The same for a program with this clock. On a GPU, where memory is counted without the
    processor's, they are read once and kept."""
    return _kept_weights(folder) if clock.asynchronous else weights(folder)


@functools.cache
def _kept_weights(folder):
    return list(weights(folder))


def serve(program, folder) -> None:
    """Answer the lines of stdin until it ends.

    program  an object with
        versions                     {"library": "version", ...}
        about                        a description of the device, or {}
        clock                        a clock from benchmarks/clocks.py
        use(batch_size, precision)   take the first images, and this precision of products
        restart(dropout)             take the initial weights; later steps drop, or do not
        step() -> (loss, marks)      one training step. loss: a function that returns its number.
                                     marks: {"start": mark, stage: mark at its end, ...}
        infer() -> (logits, marks)   the same for the logits of the batch, (N, classes)
        state() -> (name, array)     each parameter now, in turn, in the layout of weights.npz
    """
    answer = _answers()
    answer({"ready": type(program).__name__, "versions": program.versions, "about": program.about})
    for line in sys.stdin:
        question = json.loads(line)
        match question.pop("do"):
            case "use":
                program.use(**question)
                answer({})
            case "numbers":
                answer(numbers(program, folder, question["steps"]))
            case "logits":
                program.restart(dropout=False)
                logits, _ = program.infer()
                answer({"logits": np.asarray(logits())[:SHOWN_LOGITS].tolist()})
            case "restart":
                program.restart(dropout=True)
                answer({})
            case "turn":
                answer({"steps": turn(program, **question)})
            case "memory":
                answer({"peak": peak_bytes(program, **question)})
            case "product rate":
                answer({"flop_per_second": product_rate(program.clock)})
            case unknown:
                raise ValueError(f"there is nothing to do called {unknown!r}")


def _answers():
    """A function that writes one line of JSON to stdout. From now on nothing else goes there: what
    frameworks print goes to stderr."""
    sys.stdout.flush()
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(reply):
        lines.write(json.dumps(reply) + "\n")
        lines.flush()

    return answer


def turn(program, what: str, steps: int) -> list[dict]:
    """The answer to "turn". "seconds" leaves out the stage "data", which the other programs are
    spared."""
    run, clock = {"training": program.step, "inference": program.infer}[what], program.clock
    run()
    clock.synchronize()
    start = time.perf_counter()
    done = [run() for _ in range(steps)]
    host_seconds = (time.perf_counter() - start) / steps
    clock.synchronize()
    answers = []
    for result, marks in done:
        pairs = itertools.pairwise(marks.items())
        stages = {stage: clock.between(before, mark) for (_, before), (stage, mark) in pairs}
        seconds = sum(taken for stage, taken in stages.items() if stage != "data")
        answers.append({"seconds": seconds, **(stages if len(stages) > 1 else {})})
        if what == "training":
            answers[-1]["loss"] = result()
        if clock.asynchronous:
            answers[-1]["host_seconds"] = host_seconds
    return answers


def numbers(program, folder, steps) -> dict:
    """The answer to "numbers". A pull is how much longer a weight became: it shows weight decay,
    which hardly shows elsewhere, since gradients are nearly at right angles to the weights."""
    program.restart(dropout=False)
    losses = [program.step()[0]() for _ in range(steps)]
    now = dict(program.state())
    moves, pulls = {}, {}
    for name, before in initial_weights(folder, program.clock):
        if name in now:
            move = now.pop(name) - before
            moves[name] = float(np.linalg.norm(move.ravel()))
            if before.ndim > 1:
                pulls[name] = _dot(move, before) / _dot(before, before)
    return {"losses": losses, "moves": moves, "pulls": pulls}


def _dot(a, b):
    return float((a * b).sum(dtype=np.float64))


def peak_bytes(program, what: str) -> int | None:
    """The most memory in use at once during some steps, the first ones after a restart; what
    compiling took is not counted where the system can leave it out."""
    once = {"training": program.step, "inference": program.infer}[what]

    def run():
        for _ in range(WATCHED_STEPS):
            result, _ = once()
        result()

    program.restart(dropout=True)
    return program.clock.peak_bytes(run)
