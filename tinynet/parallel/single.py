"""One process: the engine that sends nothing. Its methods return what one rank would get."""

import platform

from tinynet.parallel.traffic import Traffic


class Single:
    """The ranks of a program that was started once (tinynet/parallel/__init__.py)."""

    rank, size = 0, 1

    def __init__(self):
        self.hosts = [platform.node()]
        self.traffic = Traffic(self.size)
        self.waited = 0.0

    def all_reduce(self, array, name=""):
        """The sum over one rank is the array itself."""
        return DONE

    def all_gather(self, array, name=""):
        return array[None].copy()

    def reduce_scatter(self, array, name=""):
        return array[0].copy()

    def broadcast(self, array, root=0, name=""):
        pass

    def reduce(self, array, root=0, name=""):
        pass

    def send(self, array, to, name=""):
        raise ValueError(f"send: there is no rank {to}; this program has one process")

    def receive(self, array, source, name=""):
        raise ValueError(f"receive: there is no rank {source}; this program has one process")

    def share(self, value):
        return [value]

    def spread(self, value):
        return value

    def barrier(self):
        pass


class _Done:
    """The Request of an operation that has ended."""

    def wait(self):
        pass

    def advance(self):
        pass


DONE = _Done()
