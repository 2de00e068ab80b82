"""The backend for GPUs: CUDA C for each layer in a .cu file beside the .py that launches it, cuBLAS
for products, CuPy for arrays. device/ holds the code that the layers share.

Kernels are functions (gpu, arguments of contract.py); Backend binds their gpu. Only load() imports
CuPy, so that the kernels can be imported, launched and tested without it.
"""

import importlib
from functools import partial

from tinynet.backends import BackendError
from tinynet.backends.contract import FILES


class Backend:
    """Every function of the contract, on one GPU."""

    name = __name__.rpartition(".")[2]  # the folder's, so a copy of it has its own
    asynchronous = True  # kernels are only queued; reading their numbers waits for them

    def __init__(self, gpu):
        self.gpu, self.xp = gpu, gpu.xp
        self.empty, self.workspace = gpu.xp.empty, gpu.workspace
        for file, kernels in FILES.items():
            module = importlib.import_module(f".{file}", __name__)
            for kernel in kernels:
                setattr(self, kernel, partial(getattr(module, kernel), gpu))

    def from_numpy(self, array):
        """A copy on the GPU, in C order."""
        return self.xp.asarray(array, order="C")

    def to_numpy(self, array):
        """A copy in the processor's memory; waits for the GPU."""
        return self.xp.asnumpy(array)

    def set_threads(self, count):
        """Ignored: kernels take the whole GPU."""


def load():
    """The Backend on CuPy's current device. Raises BackendError with the reason where it
    cannot be used."""
    from .device.installation import find_cupy

    cupy = find_cupy()
    from .device.gpu import Gpu

    try:
        return Backend(Gpu(cupy))
    except MemoryError as error:
        raise BackendError(
            f"backend 'cupy' cannot be used: the GPU's memory is full ({error}); nvidia-smi lists "
            "who has it",
            "the GPU's memory is full",
        ) from error
