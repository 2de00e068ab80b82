"""Programs of a training step on a GPU taking turns: first each must compute tinynet's numbers."""

import math
import sys
import traceback

from benchmarks import gpu_device, gpu_programs
from benchmarks.gpu_device import seconds
from benchmarks.peers import protocol
from benchmarks.programs import ProgramError

CHECKED_STEPS = 3
FIRST_STEPS = 2  # the first compiles, a captured step is recorded in the second


class Running:
    """A program that computes tinynet's numbers, with its device and its figures.

    apart, losses  of the check of numbers
    peak_bytes     of a step
    """

    def __init__(self, name, program, device, numbers, apart, before):
        self.name, self.program, self.device = name, program, device
        self.losses, self.apart = numbers["losses"], apart
        program.restart(dropout=True)
        self._first_steps()  # compiles, and tries what is quickest
        program.restart(dropout=True)
        self.peak_bytes = device.peak_bytes(self._first_steps) - before

    def _first_steps(self):
        """A captured step is recorded in the second one."""
        for _ in range(FIRST_STEPS):
            self.program.queue()

    def turn(self, steps) -> dict:
        """{"seconds", "host_seconds"} of a step, the mean of so many after one that is not timed.
        Raises ProgramError for a loss that is not finite: such numbers may take another time."""

        def queue():
            for _ in range(steps):
                self.program.queue()

        self.program.queue()
        timed = seconds(self.device, queue)
        loss = self.program.step()["loss"]
        if not math.isfinite(loss):
            raise ProgramError(f"{self.name}: its loss became {loss}; it is not compared")
        return {"seconds": timed.seconds[0] / steps, "host_seconds": timed.host_seconds / steps}


def start(work, programs, devices, precision) -> tuple[dict, dict]:
    """({name: Running}, {name: why it is left out}).

    programs  {name: function of Work}, tinynet first
    devices   {name: its device}
    Raises ProgramError where tinynet itself fails.
    """
    running, failed, ours = {}, {}, None
    for name, make in programs.items():
        say(f"{name}: starting, comparing its numbers, compiling ...")
        device = devices[name]
        device.release()
        before = device.used_bytes()
        try:
            program = make(work)
            numbers = protocol.numbers(program, work.folder, CHECKED_STEPS)
            ours = ours or numbers
            apart = gpu_programs.check_numbers(name, ours, numbers, precision)
            running[name] = Running(name, program, device, numbers, apart, before)
        except Exception as error:  # whatever stops one program must not stop the others
            failed[name] = _report(name, error)
            if name == "tinynet":
                raise ProgramError(failed[name]) from error
        program = None  # a failed one's memory is free for the next
    return running, failed


def measure(running, failed, devices, rounds, steps) -> tuple[dict, list[float]]:
    """({name: [turn of each round]}, [FLOP/s of sgemm in each round]). A program that fails is
    added to failed."""
    turns, rates = {name: [] for name in running}, []
    for number in range(rounds):
        rates.append(gpu_device.product_rate(devices))
        # Every other round goes backwards: nobody is always the one after a certain other.
        for name in list(turns)[:: -1 if number % 2 else 1]:
            try:
                turns[name].append(running[name].turn(steps))
            except Exception as error:  # as above
                failed[name] = _report(name, error)
                del turns[name]
                continue
            milliseconds = 1e3 * turns[name][-1]["seconds"]
            say(f"round {number + 1} of {rounds}: {name} {milliseconds:.2f} ms")
    if "tinynet" not in turns:
        raise ProgramError(failed["tinynet"])
    return turns, rates


def _report(name, error):
    """The error as a line; the whole of it goes to stderr."""
    if not isinstance(error, ProgramError):
        traceback.print_exception(error)
        return f"{name}: {type(error).__name__}: {error}"
    say(str(error))
    return str(error)


def say(line) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)
