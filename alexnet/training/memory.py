"""The memory of a training: what it has taken, and a batch that may fit where it is full."""

import math
import os
import sys

import tinynet as tn

try:
    import resource
except ImportError:  # Windows
    resource = None

FLOAT = 4  # bytes


def in_words(count: float) -> str:
    """Bytes as 0.21 MB, 12 MB or 3.4 GB."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.{0 if count >= 1e7 else 2}f} MB"


def peak() -> int | None:
    """The largest memory that this process has had so far, in bytes; None where the system does not
    tell."""
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def whole() -> tuple[int, str]:
    """The bytes of the memory that a training fills, and its name: the GPU's, the machine's, or
    what a limit (ulimit -v) leaves to this process."""
    gpu = tn.gpu.device()
    if gpu is not None:
        return gpu.memory()[2], "this GPU"
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = resource.getrlimit(resource.RLIMIT_AS)[0] if resource else -1
    return (machine, "this machine") if not 0 <= limit < machine else (limit, "this process")


def image_bytes(run) -> int:
    """Roughly the bytes that each image of a batch adds to a step: the outputs of all layers, and
    as much again for gradients."""
    return 2 * FLOAT * sum(math.prod(layer.outputs) for layer in run.network.layers)


def network_bytes(run) -> int:
    """Weights, and of the trained ones gradients and velocities."""
    parameters = run.model.parameters()
    return FLOAT * sum(p.size * (3 if p.requires_grad else 1) for p in parameters)


def remedy(run, error: MemoryError) -> str:
    """The message for a memory that is full: which batch may fit."""
    size, image = run.batches.batch_size, image_bytes(run)
    memory, place = whole()
    fits = min(size // 2, max(0, memory - network_bytes(run)) // image)
    about = f" ({error})" if str(error) else ""
    text = f"the memory is full{about}; "
    if fits < 1:
        text += "a smaller --image-size or --width needs less"
    else:
        fits = 1 << (fits.bit_length() - 1)
        text += (
            f"an image of a batch takes roughly {in_words(image)}, and {place} has "
            f"{in_words(memory)}: instead of {size} images try --batch-size {fits}, in a new run "
            "(--out), since a run keeps its batch size"
        )
    return text
