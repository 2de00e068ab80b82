"""A command in a process of its own: its exit code, its time, its largest memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

from alexnet.cli.interrupts import handled_by


def measured(command: list[str], folder: Path | None = None) -> tuple[int, float, int]:
    """(exit code, seconds, largest resident memory in bytes) of a command, in this working folder.

    Signals to stop go to it, once: in a session of its own it gets none from the terminal. A
    command that ends well all the same has the exit code of the signal, so that its caller stops.
    Memory counts from this process's own at the start, which a new process shares.
    """
    asked, process, began = [], None, time.monotonic()

    def pass_on(number, frame=None):
        asked.append(number)
        if process is not None and process.returncode is None:
            os.kill(process.pid, number)  # send_signal could take the exit code from wait4

    with handled_by(pass_on):
        # With a preexec_fn Python forks: after a vfork the memory would count from this process's
        # largest so far.
        process = subprocess.Popen(command, cwd=folder, preexec_fn=os.setsid)
        for number in list(asked):
            os.kill(process.pid, number)
        _, status, usage = os.wait4(process.pid, 0)
        code = process.returncode = os.waitstatus_to_exitcode(status)
    if code <= 0:
        code = 128 - code if code else 128 + asked[0] if asked else 0
    unit = 1 if sys.platform == "darwin" else 1024
    return code, time.monotonic() - began, usage.ru_maxrss * unit
