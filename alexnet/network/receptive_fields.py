"""Receptive fields: the pixels of the image that can change an output of a layer.

Outputs first..last of a layer read these cells of its input, along one axis:

    convolution, pool    first stride - padding .. last stride - padding + window - 1
    same-map norm        first - size // 2 .. last + size // 2
    adaptive pool        floor(first n / size) .. ceil((last + 1) n / size) - 1, of n cells
    flatten, linear      all of them
    the others           first..last

From an output back to the image, layer by layer, that is its field. Where a window hangs over the
map's edge, the cells outside are zeros, which no pixel can change: they are cut off.

Source: Araujo, Norris and Sim, Computing receptive fields of convolutional neural networks (2019),
equation 2 and the following.
"""

from dataclasses import dataclass

from rich import box
from rich.table import Table

from alexnet.network.plan import Layer


@dataclass(frozen=True)
class Field:
    """How the fields of a layer's outputs lie in the image, along one axis, as if it had no edges.

    size   pixels that one output sees, with those in the padding
    step   pixels from the field of an output to the next one's; 0 where all see the same
    start  the first pixel of output 0's field; below 0 it lies in the padding
    """

    size: int
    step: int
    start: int


def cells_read(layer: Layer, axis: int, first: int, last: int) -> tuple[int, int]:
    """The first and the last cell of the layer's input that its outputs first..last read, along
    axis 0, the rows, or 1, the columns."""
    if layer.kind in ("Flatten", "Linear"):
        return 0, _cells(layer, axis) - 1
    arguments = {
        name: value[axis] if isinstance(value, tuple) else value
        for name, value in layer.arguments.items()
    }
    match layer.kind:
        case "Conv2d":
            window, stride = arguments["kernel"], arguments["stride"]
        case "MaxPool2d" | "AvgPool2d":
            window, stride = arguments["window"], arguments["stride"]
        case "SameMapNorm":
            reach = arguments["size"] // 2
            return first - reach, last + reach
        case "AdaptiveAvgPool2d":
            cells, size = _cells(layer, axis), arguments["size"]
            return first * cells // size, -(-(last + 1) * cells // size) - 1
        case _:
            return first, last
    padding = arguments.get("padding", 0)
    return first * stride - padding, last * stride - padding + window - 1


def field(layers: list[Layer], name: str, axis: int = 0) -> Field:
    """The Field of the layer with this name. Raises ValueError for a name that is no layer's."""
    path = _path(layers, name)
    start, end = _walk(path, axis, 0)
    return Field(end - start + 1, _walk(path, axis, 1)[0] - start, start)


def pixels_seen(layers: list[Layer], name: str, row: int, column: int) -> tuple[slice, slice]:
    """The rows and the columns of the image that can change the layer's outputs at (row, column).

    For a fully connected layer row and column are 0. Raises ValueError for a name that is no
    layer's, and for a place outside its maps.
    """
    path = _path(layers, name)
    sides = path[-1].outputs[1:] or (1, 1)
    if not (0 <= row < sides[0] and 0 <= column < sides[1]):
        raise ValueError(f"there is no output of {name} at {(row, column)}; its maps are {sides}")
    rows, columns = (
        slice(first, last + 1)
        for first, last in (_walk(path, 0, row, cut=True), _walk(path, 1, column, cut=True))
    )
    return rows, columns


def as_table(layers: list[Layer]) -> Table:
    """A row for each layer: the Field of its outputs."""
    table = Table(box=box.SIMPLE, padding=(0, 1), show_edge=False)
    table.add_column("layer", no_wrap=True)
    for heading in ("output", "sees pixels", "step", "first pixel"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in layers:
        seen = field(layers, layer.name)
        sizes = " x ".join(map(str, layer.outputs))
        table.add_row(
            layer.name, sizes, f"{seen.size} x {seen.size}", str(seen.step), str(seen.start)
        )
    return table


def _path(layers, name):
    """The layers up to the named one."""
    names = [layer.name for layer in layers]
    if name not in names:
        raise ValueError(f"there is no layer {name!r}; there are {', '.join(names)}")
    return layers[: names.index(name) + 1]


def _walk(path, axis, output, cut=False):
    """From one output of the path's end back to the first and the last pixel of the image."""
    first = last = output
    for layer in reversed(path):
        first, last = cells_read(layer, axis, first, last)
        if cut:
            first, last = max(first, 0), min(last, _cells(layer, axis) - 1)
    return first, last


def _cells(layer, axis):
    """The cells of the layer's input along an axis; 1 where it has no maps."""
    return layer.inputs[1 + axis] if len(layer.inputs) == 3 else 1
