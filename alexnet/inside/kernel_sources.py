"""The sources of the kernels that compute a layer, for a reader beside its numbers."""

from collections.abc import Iterable
from pathlib import Path

import tinynet

# The kernel of each kind of layer; flatten and test mode's dropout have none.
KERNELS = {
    "Conv2d": "conv2d",
    "Linear": "linear",
    "MaxPool2d": "max_pool2d",
    "AvgPool2d": "avg_pool2d",
    "AdaptiveAvgPool2d": "adaptive_avg_pool2d",
    "LocalResponseNorm": "local_response_norm",
    "SameMapNorm": "same_map_norm",
    "BatchNorm2d": "batch_norm",
    "ReLU": "relu",
    "Tanh": "tanh",
}
FOLDER = Path(tinynet.__file__).parent / "backends"


def kernel_sources(kinds: Iterable[str]) -> dict[str, dict[str, str]]:
    """{kind: {file: text}}: of each kind of layer the reference in NumPy, the loops in Numba and
    the CUDA kernel. A kind without a kernel has no files."""
    return {kind: _files(KERNELS[kind]) for kind in sorted(kinds) if kind in KERNELS}


def _files(stem):
    names = [f"numpy/{stem}.py", f"numba/{stem}.py", f"cupy/{stem}.cu"]
    paths = [FOLDER / name for name in names]
    return {f"{p.parent.name}/{p.name}": p.read_text() for p in paths if p.exists()}
