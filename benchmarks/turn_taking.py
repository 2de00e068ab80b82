"""The turns that compared programs take: start them, check their numbers, run them in rounds."""

import contextlib
import itertools
import math
import operator
import sys
import time
from collections.abc import Iterator

from benchmarks.clocks import alternating
from benchmarks.programs.agreement import check_numbers
from benchmarks.programs.process import Program, ProgramError, say

CHECKED_STEPS = 3
PAUSE = 0.3  # seconds between turns: threads that wait for work by spinning have gone to sleep


def start(names, stack, **work) -> tuple[dict, dict]:
    """({name: running Program}, {name: why it is left out}), tinynet first. Raises ProgramError
    where tinynet does not start.

    names  {program: path of its Python}; tinynet is started in any case
    stack  contextlib.ExitStack that ends them
    work   the arguments of Program besides: folder, threads, backend
    """
    pythons = {"tinynet": sys.executable, **names}
    say(f"starting {', '.join(pythons)} ...")
    running = {n: stack.enter_context(Program(n, python, **work)) for n, python in pythons.items()}
    failed = {}
    for name, program in list(running.items()):
        with left_out_on_error(name, running, failed):
            program.ready()
    return running, failed


@contextlib.contextmanager
def left_out_on_error(name, running, failed):
    """A ProgramError inside moves the name from running to failed. An error of tinynet's is raised,
    and so is one of the product rate, without which no share can be told."""
    try:
        yield
    except ProgramError as error:
        if name in ("tinynet", "network", "sgemm"):
            raise
        failed[name] = str(error)
        running.pop(name, None)
        say(str(error))


def check(running, failed, what, limits="processor") -> dict[str, dict]:
    """{name: how far its numbers are from tinynet's}; programs that compute others are moved from
    running to failed. Afterwards each program has taken a first turn, in which it compiles."""
    question = {"training": "numbers", "inference": "logits"}[what]
    more = {"steps": CHECKED_STEPS} if what == "training" else {}
    apart, ours = {}, None
    for name, program in list(running.items()):
        say(f"{name}: comparing its numbers, compiling ...")
        with left_out_on_error(name, running, failed):
            theirs = program.ask(question, **more)
            ours = ours or theirs
            apart[name] = check_numbers(name, ours, theirs, limits)
            program.ask("restart")
            turn(program, what, 1)
        time.sleep(PAUSE)
    return apart


def turn(program, what, steps) -> list[dict]:
    """The program's measured steps. Raises ProgramError, also for a loss that is not finite: steps
    on such numbers may take another time."""
    answers = program.ask("turn", what=what, steps=steps)["steps"]
    losses = [answer.get("loss", 0.0) for answer in answers]
    if not all(map(math.isfinite, losses)):
        raise ProgramError(f"{program.name}: its loss became {losses[-1]}; it is not compared")
    return answers


def take_turns(turns, failed, rounds, pause) -> Iterator[dict[str, list]]:
    """After each round {name: [result of each round so far]} of functions, each called once a
    round. The name of a program that ends goes to failed, with the reason; an error of tinynet's
    own is raised.

    turns  {name: function}; "network" is tinynet too
    pause  seconds before each turn
    """
    results = {name: [] for name in turns}
    for number, pairs in itertools.groupby(alternating(turns, rounds), operator.itemgetter(0)):
        for _, name in pairs:
            if name in results:
                time.sleep(pause)
                say(f"round {number + 1} of {rounds}: {name} ...")
                with left_out_on_error(name, results, failed):
                    results[name].append(turns[name]())
        yield results
