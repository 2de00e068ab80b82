"""Streams for the arrays of device_arrays.py, whose kernels run at once: cupy.cuda in its xp.

The computing stream runs work when it is queued. A stream beside it runs its work as late as
possible, when another one waits for it, so a missing wait gives wrong numbers. In a recording the
work of both is noted in the order of the program.
"""

import os
from types import SimpleNamespace

from tests.gpu_on_cpu import fake_cupy
from tests.gpu_on_cpu.device_arrays import do, is_recording


class Stream(fake_cupy.Stream):
    """A stream beside the computing one."""

    def add(self, work):
        if is_recording():
            do(work)
        else:
            super().add(work)


class ComputingStream(Stream):
    """The stream on which kernels run."""

    def add(self, work):
        do(work)


computing = ComputingStream()
cuda = SimpleNamespace(
    Stream=Stream,
    Event=fake_cupy.Event,
    get_current_stream=lambda: computing,
    Device=lambda: SimpleNamespace(id=0, pci_bus_id=f"GPU of process {os.getpid()}"),
)
