"""Streams for the arrays of device_arrays.py, whose kernels run at once: cupy.cuda in its xp.

The computing stream runs work when it is queued. A stream beside it runs its work as late as
possible, when another one waits for it, so a missing wait gives wrong numbers. In a recording the
work of both is noted in the order of the program.
"""

import os
from types import SimpleNamespace

from tests.gpu_on_cpu.device_arrays import do, is_recording
from tests.gpu_on_cpu.fake_cupy import Event
from tests.gpu_on_cpu.fake_cupy import Stream as LazyStream


class Stream(LazyStream):
    """A stream beside the computing one."""

    def add(self, work):
        if is_recording():
            do(work)
        else:
            super().add(work)

    def is_capturing(self):
        return is_recording()


class ComputingStream(Stream):
    """The stream on which kernels run."""

    def add(self, work):
        do(work)


computing = ComputingStream()
cuda = SimpleNamespace(
    Stream=Stream,
    Event=Event,
    get_current_stream=lambda: computing,
    Device=lambda: SimpleNamespace(id=0, pci_bus_id=f"GPU of process {os.getpid()}"),
)
