"""Ctrl-C: the first one lets the current batch finish, a second one ends the command at once."""

import signal
import threading
from collections.abc import Iterable, Iterator


class Interrupted(Exception):
    """Ctrl-C was pressed, and the current batch is finished."""


class Interrupts:
    """Inside `with Interrupts() as interrupts:` the first Ctrl-C sets `asked`, which loops check
    between batches; a second one raises KeyboardInterrupt at once.

    Python delivers signals to the main thread only; in any other thread this class does nothing.
    """

    def __init__(self):
        self.asked = False

    def __enter__(self):
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._ask)
        return self

    def __exit__(self, *error):
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def _ask(self, *signal_and_frame):
        self.asked = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def between(self, batches: Iterable) -> Iterator:
        """Yield the batches. After Ctrl-C, raise Interrupted once the current batch is finished."""
        for batch in batches:
            if self.asked:
                raise Interrupted
            yield batch
            if self.asked:
                raise Interrupted
