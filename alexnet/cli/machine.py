"""The machine of a command: backend, threads and precision."""

import os

import tinynet as tn
from alexnet.cli.ending import say
from alexnet.errors import UsageError
from tinynet.backends import AUTO


def use_machine(
    backend: str | None, threads: int | None, precision: str | None = None, json: bool = False
) -> str:
    """Use this backend, and return its name. Raises BackendError and UsageError.

    backend    None: the default one. For "auto", a line on stdout names the backend and the reason
    threads    None: all
    precision  None: float32
    json       stdout is for one JSON object, so the line goes to stderr
    """
    if backend:
        tn.use_backend(backend)
    kernels = tn.get_backend()
    name = backend or os.environ.get("TINYNET_BACKEND")
    if name == AUTO and kernels is tn.get_backend(AUTO):  # use_backend may have set another
        why = tn.gpu.why_not() or f"{tn.gpu.device().name} answers"
        line = f"backend: {kernels.name} ({AUTO}: {why})"
        say(line) if json else print(line, flush=True)
    _use_precision(kernels, precision or tn.gpu.PRECISIONS[0])
    if threads:
        try:
            kernels.set_threads(threads)
        except ValueError as error:
            raise UsageError(str(error)) from error
    return kernels.name


def own_threads(ranks) -> int | None:
    """How many threads one of several ranks takes where no flag says it: the processors of its
    machine, divided among the ranks there. None, all that it may use, for one process and where the
    launcher has bound the rank to some processors."""
    if ranks.size == 1 or not hasattr(os, "sched_getaffinity"):
        return None
    usable = len(os.sched_getaffinity(0))
    if usable < os.cpu_count():
        return None
    return max(1, usable // ranks.hosts.count(ranks.hosts[ranks.rank]))


def _use_precision(kernels, precision):
    gpu, default = tn.gpu.device(), tn.gpu.PRECISIONS[0]
    if gpu:
        gpu.precision = precision
    elif precision != default:
        raise UsageError(
            f"--precision {precision} needs a GPU's tensor cores, backend {kernels.name} has none; "
            f"--precision {default} fits, or --backend cupy"
        )
