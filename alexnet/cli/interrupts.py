"""Requests to stop: Ctrl-C, SIGTERM, SIGHUP, a stdout that can no longer be written, and the end of
--max-time. Several ranks stop together, whichever of them was asked; they take SIGUSR1 for a
request too, which mpiexec passes on to all of them.

The first request lets the current batch finish, so that the command can save; a second signal ends
the command at once.
"""

import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import tinynet as tn
from alexnet.cli import launcher

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]

# One request can arrive twice: `timeout` sends SIGTERM to the process and to its group, and a
# terminal that closes sends SIGHUP, as does the shell in it.
SECONDS_OF_ONE_REQUEST = 0.5


class Interrupted(Exception):
    """A request to stop came, and the current batch is finished."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP ends the command at once, as KeyboardInterrupt does after Ctrl-C.

    number  the signal
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


def end_at_once(number: int, frame=None) -> None:
    """The handler of a signal that ends the command at once: raises KeyboardInterrupt for Ctrl-C,
    else Terminated."""
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)


@contextlib.contextmanager
def handled_by(handler, numbers: Iterable[int] = SIGNALS) -> Iterator[None]:
    """Inside the block these signals call the handler. SIGTERM and SIGHUP stay ignored where they
    are: `nohup` ignores SIGHUP.

    Python delivers signals to the main thread only; in any other thread nothing changes.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            now = signal.getsignal(number)
            ignored = now == signal.SIG_IGN and number != signal.SIGINT
            if now is not None and not ignored:  # None: set by another language
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, handler_before in before.items():
            signal.signal(number, handler_before)


class Interrupts:
    """Inside `with Interrupts() as interrupts:` the first request to stop sets `asked`, which loops
    check between batches; a second signal raises KeyboardInterrupt or Terminated at once.

    ranks         an engine (tinynet/parallel): a request to one rank is a request to all, so every
                  rank must ask `asked` as often. None: one process
    seconds_left  returns the seconds until the command has to end; without it, there is no such end
    cause         None (also when the time is over), the signal's number, or the OSError of a stdout
                  that cannot be written. Text for such a stdout is lost; print raises nothing.
    """

    def __init__(self, seconds_left: Callable[[], float] = lambda: math.inf, ranks=None):
        self.cause, self._seconds_left = None, seconds_left
        self._ranks = tn.parallel.Single() if ranks is None else ranks

    @property
    def asked(self) -> bool:
        """Whether to stop after the current batch."""
        return self.asked_within(0)

    def asked_within(self, seconds: float | None) -> bool:
        """Whether to stop now, or before work that takes so long would end; None: it is unknown how
        long."""
        own = self.cause is not None or self._seconds_left() <= (seconds or 0)
        if not tn.parallel.any_rank(self._ranks, own):
            return False
        causes = [cause for cause in self._ranks.share(self.cause) if cause is not None]
        self.cause = causes[0] if causes else None
        return True

    def __enter__(self):
        self._inside = contextlib.ExitStack()
        signals = SIGNALS if self._ranks.size == 1 else [*SIGNALS, *launcher.PASSED_ON]
        self._inside.enter_context(handled_by(self._signal, signals))
        if sys.stdout is not None:
            output = _Output(sys.stdout, self._ask)
            self._inside.enter_context(contextlib.redirect_stdout(output))
        return self

    def __exit__(self, *error):
        self._inside.close()

    def _ask(self, cause):
        if self.cause is None:
            self.cause, self._since = cause, time.monotonic()

    def _signal(self, number, frame):
        if launcher.is_ending():  # it has said so, and leaves no time for the batch
            return
        if self.cause is not None:
            again = time.monotonic() - self._since < SECONDS_OF_ONE_REQUEST
            if number == signal.SIGINT or not again:
                end_at_once(number)
            return
        self._ask(number)
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        again = "press again" if number == signal.SIGINT else "send it again"
        line = f"{name}: finishing this batch, then saving; {again} to stop without saving\n"
        if self._ranks.size > 1:
            line = f"rank {self._ranks.rank}: {line}"
        if sys.__stderr__ is None:  # 2 may be any file
            return
        if os.isatty(2):  # keep clear of the live line, which may be two lines high
            line = f"\n{line}\n"
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, line.encode())  # not print, which the signal may have interrupted

    def between(self, batches: Iterable) -> Iterator:
        """Yield the batches. After a request to stop, raise Interrupted once the current batch is
        finished."""
        for batch in batches:
            if self.asked:
                raise Interrupted
            yield batch
            if self.asked:
                raise Interrupted


class _Output:
    """stdout, but an error of writing is passed to `failed` instead of raised: a step that was
    taken must still be counted."""

    def __init__(self, stream, failed):
        self._stream, self._failed = stream, failed

    def write(self, text):
        self._try(self._stream.write, text)
        return len(text)

    def flush(self):
        self._try(self._stream.flush)

    def _try(self, function, *arguments):
        try:
            function(*arguments)
        except BlockingIOError:  # a reader that is slow, on a pipe that does not wait
            pass
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name):
        return getattr(self._stream, name)
