"""The windows of ONNX's convolutions and pools, in this project's words.

ONNX gives each end of an axis its own border (pads). Here both ends have the same padding, and the
number of windows may be rounded up (ceil_mode). A border behind the maps and ceil_mode say the same
where they give the same number of windows, because a pool ignores what lies beyond the maps, and a
convolution finds 0 there.

    size 54, window 3, stride 2:      pads (0, 0): 26 windows = rounded down
                                      pads (0, 1): 27 windows = rounded up

Source: onnx/onnx, docs/Operators.md (Conv, MaxPool, AveragePool).
"""

from alexnet.errors import DataError
from alexnet.weights.record import short
from tinynet.ops.windows import output_size, overhang

# The attributes of a convolution and of a pool, as onnx_graph.attributes takes them.
WINDOWS = {"strides": [], "pads": [], "dilations": [], "auto_pad": "NOTSET"}


def convolution(options: dict, kernel, sizes) -> tuple[list, list, bool, list]:
    """(stride, padding, ceil_mode, sizes of the output), sizes and pairs as (rows, columns).

    options  the node's attributes, WINDOWS
    kernel   rows and columns
    sizes    of the maps, None where not known; so are the sizes of the output
    ceil_mode is True only if rounding down would give another number of windows. Raises DataError
    for pads that no padding replaces.
    """
    stride, begins, ends = _pads(options, kernel, sizes)
    counts, modes = [], {False, True}
    for size, side, step, begin, end in zip(sizes, kernel, stride, begins, ends, strict=True):
        count, found = None, set()
        if size is None:
            # (a + stride - 1) // stride is a / stride rounded up
            found = {False} if end == begin else {True} if end - begin == step - 1 else set()
        else:
            count = (size + begin + end - side) // step + 1
            up = output_size(size + overhang(size, side, step, begin), side, step, begin)
            down = output_size(size, side, step, begin)
            found = {mode for mode, other in ((False, down), (True, up)) if other == count}
        modes &= found
        if not modes:
            raise DataError(
                f"its pads {begins} before and {ends} behind the maps differ by more than the last "
                "windows hang over"
            )
        counts.append(count)
    return stride, begins, False not in modes, _checked(counts)


def pool(options: dict, sizes) -> tuple[dict, list]:
    """(the arguments window, stride, padding and ceil_mode, sizes of the output).

    options  the node's attributes: kernel_shape, ceil_mode, WINDOWS, and of an average pool
             count_include_pad
    sizes    of the maps, None where not known; so are the sizes of the output
    ceil_mode is True only if rounding down would give another number of windows. Raises DataError
    for pads that no padding replaces.
    """
    window = options["kernel_shape"]
    if len(window) != 2 or min(window) < 1 or options["ceil_mode"] not in (0, 1):
        raise DataError(f"its window {short(window)} must be two sizes, its ceil_mode 0 or 1")
    stride, begins, ends = _pads(options, window, sizes)
    if any(begin > side // 2 for begin, side in zip(begins, window, strict=True)):
        raise DataError(f"its pads {short(begins)} are more than half of its window {window}")
    if options.get("count_include_pad") and begins != ends:
        raise DataError("it counts the cells of pads that differ at the two ends of the maps")
    axes = zip(sizes, window, stride, begins, ends, strict=True)
    rows, columns = (_windows(*axis, bool(options["ceil_mode"])) for axis in axes)
    modes = rows[1] & columns[1]
    if not modes:
        raise DataError("it rounds the number of rows and of columns differently")
    arguments = {
        "window": one(window),
        "stride": one(stride),
        "padding": one(begins),
        "ceil_mode": False not in modes,
    }
    return arguments, _checked([rows[0], columns[0]])


def one(pair):
    """The number, if rows and columns agree; else both."""
    return int(pair[0]) if pair[0] == pair[1] else tuple(int(value) for value in pair)


def _windows(size, window, stride, begin, end, up):
    """(the number of windows along one axis, the ceil_modes that give this number)."""
    if size is None:
        if end == begin:
            return None, {up}
        # (a + stride - 1) // stride is a / stride rounded up
        if end - begin == stride - 1 and not up:
            return None, {True}
        raise DataError("its pads differ at the two ends, and the maps' size is not known")
    room = size + begin + end - window
    count = (-(-room // stride) if up else room // stride) + 1
    if up and (count - 1) * stride >= size + begin:
        count -= 1
    counts = {mode: output_size(size, window, stride, begin, mode) for mode in (False, True)}
    modes = {mode for mode in counts if counts[mode] == count}
    if not modes:
        raise DataError(
            f"its pads ({begin} before, {end} behind) make {count} windows on maps of {size}; "
            f"without those behind it would have {counts[False]}, rounded up {counts[True]}"
        )
    return count, modes


def _pads(options, window, sizes):
    """(stride, pads before, pads behind), a list (rows, columns) each."""
    stride = options["strides"] or [1, 1]
    pads = options["pads"] or [0] * 4
    if len(stride) != 2 or min(stride) < 1 or options["dilations"] not in ([], [1, 1]):
        raise DataError(
            f"its strides {short(stride)} must be two from 1, its dilations "
            f"{short(options['dilations'])} both 1"
        )
    if len(pads) != 4 or min(pads) < 0:
        raise DataError(f"its pads {short(pads)} must be four numbers from 0")
    match options["auto_pad"]:
        case "NOTSET" | "":
            return stride, pads[:2], pads[2:]
        case "VALID":
            return stride, [0, 0], [0, 0]
        case "SAME_UPPER" | "SAME_LOWER":
            both = []
            for size, side, step in zip(sizes, window, stride, strict=True):
                if size is None and step > 1:
                    raise DataError("its auto_pad depends on the maps' size, which is not known")
                size = 1 if size is None else size
                missing = max(0, (-(-size // step) - 1) * step + side - size)
                both.append(sorted([missing // 2, missing - missing // 2]))
            order = 1 if options["auto_pad"] == "SAME_UPPER" else -1
            return stride, *(list(pair) for pair in list(zip(*both, strict=True))[::order])
    raise DataError(f"its auto_pad is {short(options['auto_pad'])}")


def _checked(sizes):
    if any(size is not None and size < 1 for size in sizes):
        raise DataError("its window does not fit the maps")
    return sizes
