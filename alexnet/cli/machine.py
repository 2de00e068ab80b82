"""The machine that a command runs on: which backend, how many threads, which precision."""

import os
import sys

import tinynet as tn
from alexnet.errors import UsageError
from tinynet.backends import AUTO


def use_machine(
    backend: str | None, threads: int | None, precision: str | None = None, json: bool = False
) -> str:
    """Use this backend, and return its name. Raises BackendError and UsageError.

    backend    None: the default one. If "auto" chooses, a line says which backend it is, and why
    threads    None: all
    precision  None: float32
    json       stdout is for one JSON object, so that line goes to stderr
    """
    if backend:
        tn.use_backend(backend)
    kernels = tn.get_backend()
    asked = backend or os.environ.get("TINYNET_BACKEND")
    if asked == AUTO and kernels is tn.get_backend(AUTO):  # and not what use_backend set
        why = tn.gpu.why_not() or f"{tn.gpu.device().name} answers"
        to = sys.stderr if json else sys.stdout
        print(f"backend: {kernels.name} ({AUTO}: {why})", file=to, flush=True)
    _use_precision(kernels, precision or tn.gpu.PRECISIONS[0])
    if threads:
        try:
            kernels.set_threads(threads)
        except ValueError as error:
            raise UsageError(str(error)) from error
    return kernels.name


def _use_precision(kernels, precision):
    gpu, default = tn.gpu.device(), tn.gpu.PRECISIONS[0]
    if gpu:
        gpu.precision = precision
    elif precision != default:
        raise UsageError(
            f"--precision {precision} needs a GPU's tensor cores, backend {kernels.name} has none; "
            f"--precision {default} fits, or --backend cupy"
        )
