"""The one public door to a GPU:

    tn.gpu.device()         the GPU of the backend in use, None where that has none
    tn.gpu.CudaGraph(step)  a training step recorded once and launched whole
    tn.gpu.download(t)      a copy to the processor; reading it waits for no later work
    gpu.uploads()           copies to the GPU while kernels run
    gpu.launch(...)         launches your own kernel: maps() is its grid, int_struct() an argument

Your own kernel names its includes from backends/cupy/ on: #include "device/elements.cuh".

Programs that use these run on a processor's backend too: device() is None there, and download()
hands out the array itself. CuPy is not imported before a backend asks for it.
"""

import numpy as np

from tinynet import backends, random
from tinynet.backends import BackendError, get_backend
from tinynet.backends.cupy.device.cublas import PRECISIONS
from tinynet.backends.cupy.device.launch import int_struct, maps
from tinynet.ops.softmax_cross_entropy import Labels
from tinynet.tensor import Tensor

__all__ = ["PRECISIONS", "CudaGraph", "device", "download", "int_struct", "maps", "why_not"]


def device():
    """The GPU of the default backend (backends/cupy/device/gpu.py: Gpu), None where that has none:

    gpu.name, gpu.xp                              its name; the array module
    gpu.precision                                 of products of float32: one of PRECISIONS
    gpu.launch(file, name, maps(...), *arguments)  queues a kernel of a .cu file
    gpu.uploads()                                 sends batches while kernels run
    """
    return getattr(get_backend(), "gpu", None)


def why_not():
    """Why no GPU can be used here, in a few words; None where one can."""
    return backends.why_not("cupy")


def download(tensor: Tensor):
    """Start to copy a tensor of the default backend to the processor. Returns a function without
    arguments that returns the NumPy array; it waits for this copy, and for no work queued later. On
    a processor's backend that is the tensor's own array."""
    gpu = device()
    return tensor.numpy if gpu is None else gpu.download(tensor.data).get


class CudaGraph:
    """A function recorded once and launched whole, which is called like the function:

        step = tn.gpu.CudaGraph(take_step)
        loss, logits = step(model, optimizer, x, labels, lr)

    Queueing a kernel costs the processor some microseconds, and a training step queues hundreds of
    them; a graph is queued at once. The first call runs the function, the second one records it,
    and the second and every later call launch it. Each call returns what the function
    returned, whose arrays then hold this launch's numbers: the same bits as without recording.

    function  queues kernels, waits for none of them, and returns tensors. It multiplies matrices by
              tinynet's ops; CuPy's own products (a @ b) cannot be recorded

    A recording fixes kernels, grids, numbers and the addresses of arrays. What changes from call to
    call therefore lies in arrays:

    Tensor, Labels  must lie in the arrays of the first call, where the caller writes new numbers;
                    with another shape or dtype the function runs without the recording
    float           the function gets a Tensor () of it, float32, which is filled before each launch
                    (the rate of float64 parameters must be a Tensor of float64)
    other           must be the object of the first call, or equal to it
    dropout's draw  the recorded one plus gpu.draws_before, how many were drawn since

    Raises BackendError where the default backend has no GPU, ValueError for arguments that the
    recording would ignore.
    """

    def __init__(self, function):
        self._gpu = device()
        if self._gpu is None:
            raise BackendError(
                f"CudaGraph: backend {get_backend().name} records no CUDA graphs; call the "
                "function itself, or tn.use_backend('cupy')"
            )
        self._function = function
        self._recorder = self._gpu.recorder()
        self._arguments = self._graph = None

    def __call__(self, *arguments):
        first = self._arguments is None
        if first:
            self._arguments = [_recordable(a) for a in arguments]
        elif not self._fit(arguments):
            return self._function(*arguments)
        for recorded, argument in zip(self._arguments, arguments, strict=True):
            if isinstance(argument, float):
                recorded.data.fill(argument)
        with self._recorder:
            return self._function(*self._arguments) if first else self._launch()

    def _launch(self):
        """Launch the recording, after making it at the second call."""
        draw = random.get_state()["dropout_draws"]
        if self._graph is None:
            self._graph, self._outputs = self._recorder.record(
                lambda: self._function(*self._arguments)
            )
            self._first_draw = draw
            self._draws = random.get_state()["dropout_draws"] - draw
            # Scratch memory that grows is another array; the recording keeps to this one.
            self._scratch = list(self._gpu.buffers.values())
        else:
            random.skip_dropout_draws(self._draws)
        self._gpu.draws_before.fill(draw - self._first_draw)
        self._graph.launch()
        self._gpu.draws_before.fill(0)
        return self._outputs

    def _fit(self, arguments):
        """Whether the recording takes these arguments; False where only shapes or dtypes differ."""
        if len(arguments) != len(self._arguments):
            raise ValueError(
                f"CudaGraph: the first call had {len(self._arguments)} arguments, this one has "
                f"{len(arguments)}"
            )
        fits = True
        for number, pair in enumerate(zip(self._arguments, arguments, strict=True)):
            recorded, argument = pair
            if isinstance(argument, (Tensor, Labels)) and type(argument) is type(recorded):
                ours, theirs = recorded.data, argument.data
                alike = (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
                fits = fits and alike
                if alike and self._gpu.address(ours) != self._gpu.address(theirs):
                    raise ValueError(
                        f"CudaGraph: argument {number} lies in another array than the first "
                        "call's, which alone is recorded; write its numbers there: "
                        "first.data[...] = numbers"
                    )
            elif isinstance(argument, float) and isinstance(recorded, Tensor):
                continue
            elif argument is not recorded and (
                isinstance(argument, (Tensor, Labels)) or argument != recorded
            ):
                raise ValueError(
                    f"CudaGraph: argument {number} is {argument!r}, in the first call it was "
                    f"{recorded!r}; make another CudaGraph for it"
                )
        return fits


def _recordable(argument):
    """The argument as the function gets it: a float as a Tensor () that can be written again."""
    if not isinstance(argument, float):
        return argument
    return Tensor(np.asarray(argument, np.float32))
