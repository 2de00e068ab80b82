"""Normalisations of an ONNX model that take several operators.

    LRN within towers   Reshape (N towers, C / towers, H, W) -> LRN -> Reshape (N, C, H, W)
    same-map            s = Mul(x, x) -> AveragePool -> Mul alpha -> Add k -> Pow beta; Div(x, s)

ONNX's LRN goes across all maps, and ONNX has no normalisation within a map. onnx_write.py writes
these operators, and they are read back as one layer. Constants may stand on either side of Mul and
Add.

Source: onnx/onnx, docs/Operators.md.
"""

from alexnet.errors import DataError
from alexnet.formats.onnx_graph import attributes, shortest, title
from alexnet.formats.onnx_weights import makes_a_value
from alexnet.formats.onnx_windows import WINDOWS
from alexnet.weights.record import short


def lrn(place, node):
    """LRN: LocalResponseNorm across all maps."""
    numbers = _lrn_numbers(node)
    place.maps()
    place.add(node, "LocalResponseNorm", numbers | {"groups": 1})


def lrn_within_towers(place, node, target):
    """The layer of a Reshape to `target`, four sizes, and of the LRN and Reshape that follow."""
    channels, rows, columns = place.maps()
    images, width, *sizes = target
    known = None not in (channels, rows, columns)
    if images != -1 or not known or sizes != [rows, columns] or width < 1 or channels % width:
        raise DataError(
            f"it makes the shape {short(target)} of maps {short(place.shape)}; only towers, "
            "(-1, channels of a tower, rows, columns), are read"
        )
    second = _next(place.graph, node, "LRN")
    numbers = _lrn_numbers(second)
    third = _next(place.graph, second, "Reshape")
    attributes(third, allowzero=0)
    back = place.graph.target(third.input[1]) if len(third.input) == 2 else []
    if back[1:] != [channels, rows, columns] or back[0] not in (-1, place.batch):
        raise DataError(
            f"{title(third)} makes the shape {short(back)}, should be (-1, {channels}, {rows}, "
            f"{columns}), the shape before the towers were taken apart"
        )
    place.add(third, "LocalResponseNorm", numbers | {"groups": channels // width})
    return third


def _lrn_numbers(node):
    options = attributes(node, size=0, alpha=1e-4, beta=0.75, bias=1.0)
    if options["size"] < 1 or options["size"] % 2 == 0:
        raise DataError(f"its size is {options['size']}, should be odd")
    numbers = {name: options[name] for name in ("size", "alpha", "beta")}
    return numbers | {"k": options["bias"], "divide_by_size": True}


def begins_same_map(users, value) -> bool:
    """Whether these users of a value are the two of a same-map normalisation."""
    operators = sorted((node.op_type, list(node.input).count(value)) for node in users)
    domains = {node.domain for node in users}
    return operators == [("Div", 1), ("Mul", 2)] and domains <= {"", "ai.onnx"}


def same_map(place, users):
    """The layer of the two users of the layer before, Mul and Div, and of the operators between
    them; returns the Div."""
    square, quotient = sorted(users, key=lambda node: node.op_type, reverse=True)
    graph = place.graph
    pool = _next(graph, square, "AveragePool")
    product, alpha = _with_constant(graph, pool, "Mul")
    total, k = _with_constant(graph, product, "Add")
    power, beta = _with_constant(graph, total, "Pow")
    if _next(graph, power, "Div", 1) is not quotient or quotient.input[0] != place.value:
        raise DataError("its quotient is not of the maps and the power of their mean squares")
    for node in (square, product, total, power, quotient):
        attributes(node)
    numbers = {"size": _window(place, pool), "alpha": alpha, "beta": beta, "k": k}
    place.add(quotient, "SameMapNorm", numbers)
    return quotient


def _window(place, pool):
    """The size of the pool's window, odd, with the pixel in the middle. Its cells all count."""
    place.maps()
    options = attributes(pool, kernel_shape=[], ceil_mode=0, count_include_pad=0, **WINDOWS)
    size = (options["kernel_shape"] or [0])[0]
    expected = {"kernel_shape": [size] * 2, "pads": [size // 2] * 4, "count_include_pad": 1}
    expected |= {"ceil_mode": 0, "auto_pad": "NOTSET"}
    wrong = [name for name, value in expected.items() if options[name] != value]
    wrong += [name for name in ("strides", "dilations") if options[name] not in ([], [1, 1])]
    if size < 1 or size % 2 == 0 or wrong:
        names = ", ".join(f"{name} {short(options[name])}" for name in wrong or ["kernel_shape"])
        raise DataError(f"{title(pool)} is no mean around each pixel, zeros counted: {names}")
    return size


def _next(graph, node, operator, place=0):
    """The node that uses this node's value alone, as the input at this place."""
    users = graph.users(node.output[0])
    names = ", ".join(title(user) for user in users[:3]) or "none"
    if len(users) != 1 or users[0].op_type != operator or users[0].domain not in ("", "ai.onnx"):
        raise DataError(f"{title(node)} must go to one operator, {operator}; it goes to {names}")
    user, value = users[0], node.output[0]
    if list(user.input).count(value) != 1 or user.input[place] != value or not makes_a_value(user):
        raise DataError(f"{title(user)} must take {title(node)} as input {place}, and make a value")
    return user


def _with_constant(graph, node, operator):
    """(the node that combines this node's value with a number, the number)."""
    users = graph.users(node.output[0])
    second = len(users) == 1 and operator != "Pow" and list(users[0].input)[1:] == [node.output[0]]
    user = _next(graph, node, operator, int(second))
    if len(user.input) != 2:
        raise DataError(f"{title(user)} has {len(user.input)} inputs, should be 2")
    array = graph.weights(user.input[1 - int(second)])
    if array.size != 1:
        raise DataError(f"{title(user)} takes {array.shape} numbers, should be one")
    return user, shortest(array.ravel()[0])
