"""A command as one of several ranks: what it prints, and how all ranks end together.

mpiexec starts the same command several times. Rank 0 prints; the others print their errors, each
line with their name. The way in which a rank ends:

    all ranks come to the end     the exit code is the command's
    a rank fails                  it prints its error and ends all ranks. Errors that every rank
                                  has are printed once: the others wait a second for rank 0's
    a rank dies, or mpiexec is    mpiexec sends SIGCONT and SIGTERM to the other ranks, and
    stopped by Ctrl-C             SIGKILL a quarter of a second later. Each says so in that time,
                                  by a thread of its own: the rank may be inside a kernel

The last is what Open MPI 5.0.11 was seen to do. srun sends the same two signals to all ranks when
the job is cancelled or its time is over, and SIGKILL half a minute later (KillWait): time enough to
stop and save, as after any SIGTERM (interrupts.py).
"""

import contextlib
import os
import signal
import socket
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable

import tinynet as tn
from tinynet.parallel import ParallelError, by_open_mpi, launched, launched_rank

SECONDS_FOR_RANK_0 = 1.0
# SIGCONT and SIGTERM of mpiexec come within this time.
_SECONDS_OF_AN_END = 0.5
# Open MPI's mpiexec passes this signal on to all ranks, as `kill -USR1` of mpiexec sends it.
PASSED_ON = [signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else []

_ending, _listening = threading.Event(), threading.Event()
_last_words = [lambda: ""]


def is_ending() -> bool:
    """Whether the launcher ends this process now. After a signal, the thread that knows it gets a
    moment to look."""
    return _ending.wait(0.05) if _listening.is_set() else False


def say_at_the_end(words: Callable[[], str]) -> None:
    """Set what a rank adds when the launcher ends it: how the run goes on."""
    _last_words[0] = words


def refuse_ranks(name: str) -> str | None:
    """The message of a command that is one process, where a launcher started several."""
    try:
        size = launched()
    except ParallelError as error:
        return str(error)
    if size == 1:
        return None
    return f"the launcher started {size} processes, and {name} is one; start it without mpiexec"


def run_as_rank(run: Callable[[Callable[[], int]], int], command: Callable[[], int]) -> int:
    """run(command), which returns the exit code, on one of the ranks; without a launcher as it is.
    Where a rank fails, the process ends here, and all others with it.

    run  turns an error of the command into a message on stderr and an exit code (ending.py)
    """
    if _processes() == 1:
        return run(command)
    rank, together = launched_rank(), False

    def to_the_end():
        nonlocal together
        code = command()
        together = True
        return code

    with contextlib.ExitStack() as inside:
        inside.enter_context(_last_words_of(rank))
        held = None
        if rank > 0:
            nowhere = inside.enter_context(open(os.devnull, "w"))
            inside.enter_context(contextlib.redirect_stdout(nowhere))
            held = inside.enter_context(contextlib.redirect_stderr(_Held(rank)))
        try:
            code = run(to_the_end)
        except SystemExit as error:  # argparse's
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
            code = 1
        if not together:
            _end_all(code or 1, held)
        if held:
            held.show()
    return code


def _processes():
    with contextlib.suppress(ParallelError):  # the command's own start says so
        return launched()
    return 1


def _end_all(code, held):
    """End all ranks, since this one has failed."""
    if held:
        time.sleep(SECONDS_FOR_RANK_0)
        if is_ending():  # rank 0 has failed too, and said why
            time.sleep(SECONDS_FOR_RANK_0)
        held.show()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    tn.parallel.end_all(code)


class _Held:
    """A stderr whose text is kept until show(), each line with the rank's name before it."""

    def __init__(self, rank):
        self._rank, self._stream, self._text = rank, sys.__stderr__, ""

    def write(self, text):
        self._text += text
        return len(text)

    def flush(self):
        pass

    def show(self):
        lines = self._text.splitlines()
        self._text = ""
        if self._stream is not None and lines:
            name = f"rank {self._rank} on {socket.gethostname()}: "
            self._stream.write("".join(f"{name}{line}\n" for line in lines))
            self._stream.flush()


@contextlib.contextmanager
def _last_words_of(rank):
    """Inside the block a thread says that Open MPI's mpiexec ends this process. Python's own
    handlers run between two of its instructions only, and a kernel may take longer than there is
    time."""
    main = threading.current_thread() is threading.main_thread()
    if not (main and by_open_mpi() and hasattr(signal, "SIGCONT")):
        yield
        return
    reads, writes = socket.socketpair()
    writes.setblocking(False)
    before = signal.set_wakeup_fd(writes.fileno(), warn_on_full_buffer=False)
    handler = signal.signal(signal.SIGCONT, lambda number, frame: None)  # else none is written
    thread = threading.Thread(target=_listen, args=(reads, rank), name="launcher", daemon=True)
    thread.start()
    _listening.set()
    try:
        yield
    finally:
        _listening.clear()
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGCONT, handler)
        writes.close()
        thread.join()
        reads.close()


def _listen(reads, rank):
    """Read the numbers of signals until the other end is closed."""
    continued = -_SECONDS_OF_AN_END
    while numbers := reads.recv(64):
        for number in numbers:
            now = time.monotonic()
            if number == signal.SIGCONT:
                continued = now
            elif number == signal.SIGTERM and now - continued < _SECONDS_OF_AN_END:
                first = not _ending.is_set()
                _ending.set()
                if first:
                    _say_ended(rank)


def _say_ended(rank):
    line = (
        f"rank {rank} on {socket.gethostname()}: ended by the launcher, since another rank has "
        "ended or the launcher was stopped"
    )
    words = _last_words[0]()
    line = f"{line}{words and '; '}{words}\n".encode()
    try:
        stderr = os.open(_launchers_stderr(), os.O_WRONLY | os.O_APPEND)
    except OSError:
        stderr = 2
    with contextlib.suppress(OSError):
        os.write(stderr, line)


def _launchers_stderr():
    """The path of the stderr of Open MPI's mpiexec, on its own machine: once it was interrupted, it
    no longer passes on what ranks write. Raises OSError if another process started this one, or if
    that stderr is a file, in which it would write over the line."""
    parent = f"/proc/{os.getppid()}"
    with open(f"{parent}/comm") as file:
        name = file.read().strip()
    path = f"{parent}/fd/2"
    if name not in ("prterun", "mpiexec", "mpirun") or stat.S_ISREG(os.stat(path).st_mode):
        raise FileNotFoundError(path)
    return path
