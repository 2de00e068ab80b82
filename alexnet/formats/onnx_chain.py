"""The walk along an ONNX graph, from the images to the logits.

Every operator must take one value and make one: AlexNets have no branches. Only a same-map
normalisation, which ONNX does not have as one operator, takes its maps twice.
"""

from alexnet.errors import DataError
from alexnet.formats.onnx_graph import Graph, title
from alexnet.formats.onnx_layers import OPERATORS
from alexnet.formats.onnx_normalization import begins_same_map
from alexnet.formats.onnx_normalization import same_map as same_map_norm
from alexnet.formats.onnx_weights import makes_a_value
from alexnet.weights.file_network import FileLayer
from alexnet.weights.record import short


class Walk:
    """Where the walk is.

    graph   the Graph
    value   the name of the value that the next node takes
    shape   of one image's value: (channels, rows, columns) or (width,); None: not known
    batch   the number of images, None where it is free
    layers  of the nodes so far
    """

    def __init__(self, graph: Graph, value: str, shape: tuple, batch: int | None):
        self.graph, self.value, self.shape, self.batch = graph, value, shape, batch
        self.layers: list[FileLayer] = []

    def add(self, node, kind, arguments=None, arrays=None, shape=None):
        """Add a layer. shape: of its output, by default the shape before it."""
        self.shape = self.shape if shape is None else shape
        outputs = None if None in self.shape else self.shape
        name = node.name or node.output[0]
        self.layers.append(FileLayer(name, kind, arguments or {}, arrays or {}, outputs))

    def maps(self):
        """The shape of the maps. Raises DataError after they were flattened."""
        if len(self.shape) != 3:
            raise DataError("it needs maps (channels, rows, columns), but they were flattened")
        return self.shape


def walk(graph: Graph, value: str, shape: tuple, batch: int | None) -> list[FileLayer]:
    """The layers from this value to the graph's only output. Raises DataError that names the node
    which is no layer of an AlexNet."""
    place = Walk(graph, value, shape, batch)
    while place.value not in graph.outputs:
        users = graph.users(place.value)
        same_map = begins_same_map(users, place.value)
        if len(users) != 1 and not same_map:
            names = ", ".join(title(node) for node in users[:3]) or "none"
            raise DataError(
                f"its value {short(place.value)} goes to {len(users)} operators ({names}), should "
                "be one: an AlexNet is a chain of layers without branches"
            )
        node = users[0]
        try:
            place.value = same_map_norm(place, users).output[0] if same_map else _step(place, node)
        except DataError as error:
            raise DataError(f"{title(node)}: {error}") from error
    if graph.users(place.value):
        raise DataError(f"its output {short(place.value)} goes to an operator, too")
    return place.layers


def _step(place, node):
    """Add the node's layer, and return the name of the value it makes."""
    operator = OPERATORS.get(node.op_type)
    if node.domain not in ("", "ai.onnx") or operator is None:
        domain = f" of {short(node.domain)}" if node.domain else ""
        raise DataError(
            f"no layer of an AlexNet is this operator{domain}; there are {', '.join(OPERATORS)}"
        )
    if place.layers and place.layers[-1].kind == "Softmax":
        raise DataError("it follows the softmax, which must be the last layer")
    if node.op_type not in ("MatMul", "Add", "Mul") and node.input[0] != place.value:
        raise DataError(f"its first input is {short(node.input[0])}, not the layer before")
    if list(node.input).count(place.value) != 1 or not makes_a_value(node):
        raise DataError("it must take the layer before once, and make a value")
    for name in filter(None, node.output[1:]):
        if place.graph.users(name) or name in place.graph.outputs:
            raise DataError(f"its second output {short(name)} is used")
    last = operator(place, node) or node
    return last.output[0]
