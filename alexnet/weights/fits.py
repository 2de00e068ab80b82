"""Which row of SPECS a file's network is, and its arrays under this project's names.

The n-th block of the file (blocks.py) is compared with the n-th block of the row: the shapes of its
arrays, and where the file tells them, its layers and their numbers.

Files that hold arrays alone fit several rows: `paper`, `caffe` and `caffenet` have the same shapes
and compute different numbers. Then the format must tell (FileNetwork.spec), or the user.
"""

from dataclasses import dataclass, field

import numpy as np

from alexnet.errors import DataError, UsageError
from alexnet.network.plan import Layer, array_shapes, plan, smallest_image_size
from alexnet.network.spec_row import Spec
from alexnet.network.specs import SPECS
from alexnet.weights.blocks import block_difference, blocks_of, numbers_of
from alexnet.weights.file_network import WEIGHTED, FileNetwork

LARGEST_SEARCHED = 512  # rows and columns: image sizes tried where the file tells none
_SHOWN = 6  # differences in an error


@dataclass(frozen=True)
class Fit:
    """How a file's network compares with one row of SPECS.

    spec         the row, perhaps changed
    image_size   rows and columns of the input
    num_classes  the width of the last layer
    layers       the plan of the row for these
    differences  a line of text for each; [] if the network is this row
    """

    spec: Spec
    image_size: int
    num_classes: int
    layers: list[Layer]
    differences: list[str] = field(default_factory=list)


def find_fit(
    network: FileNetwork, rows: list[Spec] | None = None, image_size: int | None = None
) -> Fit:
    """The row that the network is.

    network     arranged() for RGB and (channels, rows, columns)
    rows        the rows that are looked at; None: the network's own spec if it has one, else all
    image_size  None: the file's, else the row's own, else the smallest that fits
    Raises DataError that says what differs from the nearest row if none fits, and UsageError that
    names the rows if several fit.
    """
    if not network.weighted():
        raise DataError("it holds no layer with weights")
    if not any(layer.kind == "Linear" for layer in network.layers):
        names = ", ".join(layer.name for layer in network.weighted())
        raise DataError(
            f"it holds {names} and no fully connected layer, so it cannot name a class; "
            "--pretrained of alexnet.train takes such a file"
        )
    if rows is None and network.spec:
        rows = [SPECS[network.spec]]
    fits = [compare(network, row, image_size) for row in rows or SPECS.values()]
    whole = _without_repeats([fit for fit in fits if not fit.differences])
    if len(whole) == 1:
        return whole[0]
    if whole:
        names = ", ".join(fit.spec.name for fit in whole)
        raise UsageError(
            f"its arrays fit {names} alike, which compute different numbers; say which one it is: "
            f"--spec {whole[0].spec.name}, ..."
        )
    nearest = min(fits, key=lambda fit: _distance(network, fit))
    lines = nearest.differences[:_SHOWN]
    lines += ["..."] * (len(nearest.differences) > _SHOWN)
    raise DataError(
        f"it is no AlexNet of this program; from the nearest, {nearest.spec.name}, it differs in\n"
        + "\n".join(f"  {line}" for line in lines)
        + "\n--spec, --width and other flags name a changed network; alexnet.convert --check shows "
        "the layers of the file"
    )


def _without_repeats(fits):
    """The fits that compute different numbers, of those that compute the same the first: at 227 a
    pool gives the same maps whether its size rounds up or down."""
    computed = [
        [(x.kind, numbers_of(x.kind, x.arguments), x.inputs, x.outputs) for x in fit.layers]
        for fit in fits
    ]
    return [fit for i, fit in enumerate(fits) if computed[i] not in computed[:i]]


def _distance(network, fit):
    """Blocks that differ, and blocks that only one of them has."""
    return len(fit.differences) + abs(len(blocks_of(fit.layers)) - len(blocks_of(network.layers)))


def compare(network: FileNetwork, row: Spec, image_size: int | None = None) -> Fit:
    """The network against one row, at the image size that fits best."""
    linear = [layer for layer in network.layers if layer.kind == "Linear"]
    classes = linear[-1].arrays["weight"].shape[0] if linear else row.num_classes
    size = image_size or network.image_size or _image_size(row, linear)
    try:
        layers = plan(row, classes, size)
    except ValueError as error:
        return Fit(row, size, classes, [], [str(error).removeprefix("build: ")])
    ours, theirs = blocks_of(layers), blocks_of(network.layers)
    differences = [
        line
        for block, other in zip(ours, theirs, strict=False)
        if (line := block_difference(block, other, network.complete))
    ]
    if len(ours) != len(theirs):
        differences.append(f"{len(theirs)} layers with weights, {row.name} has {len(ours)}")
    return Fit(row, size, classes, layers, differences)


def state_of(network: FileNetwork, fit: Fit, dtype="float32") -> dict[str, np.ndarray]:
    """The state_dict of the fit's network. A bias that the file does not have is 0. Raises
    DataError for numbers that are not finite in this dtype."""
    parameters, buffers = array_shapes(fit.layers)
    ours = [layer.name for layer in fit.layers if layer.kind in WEIGHTED]
    pairs = zip(ours, network.weighted(), strict=True)
    found = {f"{name}.{key}": a for name, layer in pairs for key, a in layer.arrays.items()}
    state = {}
    for name, shape in (parameters | buffers).items():
        state[name] = _array(name, shape, found, dtype)
    return state


def _array(name, shape, found, dtype):
    """The array of this name, of this dtype; what the file does not have changes nothing."""
    missing = np.ones if name.endswith(("weight", "running_var")) else np.zeros
    array = found[name] if name in found else missing(shape, dtype)
    with np.errstate(over="ignore"):  # float64 beyond float32 is found below
        array = np.ascontiguousarray(array, dtype)
    if not np.isfinite(array).all():
        raise DataError(f"{name} holds numbers that are not finite in {np.dtype(dtype)}")
    return array


def what_fits(network: FileNetwork, layers: list[Layer]) -> tuple[dict, list[str], list[str]]:
    """What of a file can start another network: (arrays by name, names that were left in the file,
    and why; names of the network that the file has nothing for).

    network  arranged()
    layers   the plan of the network that is started
    Of convolutions, of fully connected layers and of batch norms each goes to the one of its name,
    if the names of one side are among those of the other: a network without conv4 starts from the
    whole one. Under other names the n-th of the file goes to the n-th. A layer is taken if all its
    arrays have the network's shapes: a trained bias says nothing beside random weights. A bias that
    the file does not have is 0. Raises DataError for numbers that are not finite in float32.
    """
    parameters, buffers = array_shapes(layers)
    shapes = parameters | buffers
    arrays, left = {}, []
    for kind in WEIGHTED:
        ours = [layer.name for layer in layers if layer.kind == kind]
        theirs = [layer for layer in network.layers if layer.kind == kind]
        pairs, unused = _pairs(ours, theirs)
        for name, layer in pairs:
            differences = [
                f"{layer.name}.{key} {array.shape}: {name} has {shapes[f'{name}.{key}']}"
                for key, array in layer.arrays.items()
                if array.shape != shapes[f"{name}.{key}"]
            ]
            left += differences
            if not differences:
                own = {key for key in shapes if key.rpartition(".")[0] == name}
                found = {f"{name}.{key}": array for key, array in layer.arrays.items()}
                arrays |= {key: _array(key, shapes[key], found, np.float32) for key in own}
        left += [f"{layer.name}: the network has no such layer" for layer in unused]
    missing = [name for name in shapes if name not in arrays]
    return {name: arrays[name] for name in shapes if name in arrays}, left, missing


def _pairs(ours, theirs):
    """([(name, layer of the file)], layers that are left over), of one kind."""
    named = {layer.name: layer for layer in theirs}
    if not (set(ours) <= set(named) or set(named) <= set(ours)):
        return list(zip(ours, theirs, strict=False)), theirs[len(ours) :]
    unused = [layer for layer in theirs if layer.name not in ours]
    return [(name, named[name]) for name in ours if name in named], unused


# --- image size -----------------------------------------------------------------------------------


def _image_size(row, linear):
    """The row's own image size if its first fully connected layer is as wide there as the file's;
    else the smallest size with which it is; else the row's own."""
    width = linear[0].arrays["weight"].shape[1] if linear else None
    smallest = smallest_image_size(row)
    sizes = [row.image_size] * (row.image_size >= smallest) + [*range(smallest, LARGEST_SEARCHED)]
    for size in sizes:
        first = next(layer for layer in plan(row, 1, size) if layer.kind == "Linear")
        if width is None or first.arguments["in_features"] == width:
            return size
    return row.image_size
