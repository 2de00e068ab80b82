"""Whether ops are recorded for backward(): always, except inside no_grad."""

import functools
import inspect
import threading


class _Recording(threading.local):
    on = True


_recording = _Recording()
# One entry for each no_grad block that is open in any thread. Ops look here first: testing an empty
# list takes a tenth of the time of reading a thread-local variable.
no_grad_count: list = []


def is_recording():
    """Whether ops of this thread record nodes for backward()."""
    return _recording.on


class no_grad:  # noqa: N801
    """with no_grad(): ops record nothing, in this thread.

    @no_grad() before a function does the same for each call; a generator function computes each of
    its items so.
    """

    def __new__(cls, function=None):
        self = super().__new__(cls)
        self._before = []
        return self if function is None else self(function)  # @no_grad without brackets

    def __enter__(self):
        self._before.append(_recording.on)
        _recording.on = False
        no_grad_count.append(None)

    def __exit__(self, *error):
        no_grad_count.pop()
        _recording.on = self._before.pop()

    def __call__(self, function):
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"no_grad: {function.__name__} is asynchronous; write 'with no_grad():' inside it, "
                "around code without await"
            )
        if not callable(function) or inspect.isclass(function):
            raise TypeError(f"no_grad: {function!r} is no function; decorate functions, methods")
        if inspect.isgeneratorfunction(function):
            return _generator_without_recording(function)

        @functools.wraps(function)
        def without_recording(*args, **kwargs):
            with no_grad():
                return function(*args, **kwargs)

        return without_recording


def _generator_without_recording(function):
    """The generator function, each of whose resumptions runs inside no_grad."""

    @functools.wraps(function)
    def without_recording(*args, **kwargs):
        generator = function(*args, **kwargs)
        resume, value = generator.send, None
        try:
            while True:
                try:
                    with no_grad():
                        item = resume(value)
                except StopIteration as end:
                    return end.value
                try:
                    resume, value = generator.send, (yield item)
                except Exception as error:
                    resume, value = generator.throw, error
        finally:
            generator.close()

    return without_recording
