"""Write a network as an ONNX model, which onnxruntime runs and Netron draws.

    images (N, 3, S, S), normalised --> one operator for each layer --> logits (N, classes)

N is free. Nodes, values and weights have the names of this project: conv1, conv1.weight, relu1, ...
The record (build, classes, stored_size, normalization, words) lies in metadata_props as JSON.

The protobuf library would hold the weights twice more, once in its messages and once as the bytes
of the file. So it makes all messages but leaves out the numbers, and these are written from the
arrays themselves, behind the length that the format wants in front of them.

Source: onnx/onnx, docs/Operators.md and docs/IR.md; protobuf.dev, Encoding.
"""

from pathlib import Path

import numpy as np

from alexnet.errors import UsageError, writing
from alexnet.formats.onnx_tensors import averaging_matrix, onnx_package
from alexnet.formats.protobuf import field_start
from alexnet.network.plan import Layer, array_shapes
from alexnet.weights.record import as_json
from tinynet.serialization import replacing

PRODUCER = "tinynet-alexnet"
MOST_BYTES = (1 << 31) - 1  # of a protobuf message
_OPSET, _IR_VERSION = 13, 7  # of 2020 (ONNX 1.8): older runtimes read them
_INPUT = (
    "RGB images (N, 3, rows, columns): pixels from 0 to 255, minus normalization.mean, over "
    "normalization.divisor (both in metadata_props, as JSON)"
)


def write(path: str | Path, layers: list[Layer], arrays: dict[str, np.ndarray], record: dict):
    """Write the file whole, or not at all.

    layers  alexnet.network.plan.plan(...)
    arrays  the state_dict of the network of these layers, float32 or float64; the model computes
            in their dtype (onnxruntime has no float64 kernels for most of these operators)
    record  name -> what JSON can hold; read (onnx_file.py) gives it back
    Raises UsageError without the package onnx, and for a network or a record that is too large for
    the format; ValueError for arrays that are not those of the layers; DiskError.
    """
    onnx = onnx_package()
    path = Path(path)
    dtype = _checked_dtype(layers, arrays)
    nodes, constants = _nodes(onnx, layers, dtype)
    names = {name for node in nodes for name in node.input}
    constants |= {name: array for name, array in arrays.items() if name in names}
    model = _model(onnx, layers, nodes, dtype, record)
    # An array's name and shape take fewer than 256 bytes.
    size = model.ByteSize() + sum(array.nbytes + 256 for array in constants.values())
    if size > MOST_BYTES:
        raise UsageError(
            f"the network takes {size:,} bytes as an ONNX model; one file holds {MOST_BYTES:,}; "
            "use float32, or write .npz or .safetensors"
        )
    with writing(path), replacing(path) as file:
        for piece in _pieces(onnx, model, constants):
            file.write(piece)


def _checked_dtype(layers, arrays):
    parameters, buffers = array_shapes(layers)
    shapes = {name: array.shape for name, array in arrays.items()}
    dtypes = {np.dtype(array.dtype) for array in arrays.values()}
    if shapes != parameters | buffers or len(dtypes) != 1:
        raise ValueError("write: arrays must be the state_dict of a network of these layers")
    return dtypes.pop()


# --- the layers as nodes --------------------------------------------------------------------------


def _nodes(onnx, layers, dtype):
    """(nodes, constants that are no weights of a layer)."""
    nodes, constants, value = [], {}, "images"
    for layer in layers:
        for name, operator, inputs, attributes in _operators(layer, value, dtype, constants):
            inputs = [value if entry is None else entry for entry in inputs]
            nodes.append(onnx.helper.make_node(operator, inputs, [name], name, **attributes))
            value = name
    nodes[-1].output[0] = "logits"
    return nodes, constants


def _operators(layer, maps, dtype, constants):
    """[(name, operator, inputs, attributes)] for a layer: mostly one, none for the identity.

    maps  the name of the layer's input
    None among the inputs stands for the output of the operator before. Constants are added to the
    dict.
    """
    name, arguments = layer.name, layer.arguments
    weights = [None, f"{name}.weight", f"{name}.bias"]
    match layer.kind:
        case "Conv2d":
            attributes = {
                "kernel_shape": [arguments["kernel"]] * 2,
                "strides": [arguments["stride"]] * 2,
                "pads": _pads(layer, arguments["kernel"], arguments["padding"]),
                "group": arguments["groups"],
            }
            return [(name, "Conv", weights, attributes)]
        case "Linear":
            return [(name, "Gemm", weights, {"transB": 1})]
        case "BatchNorm2d":
            inputs = [*weights, f"{name}.running_mean", f"{name}.running_var"]
            return [(name, "BatchNormalization", inputs, {"epsilon": arguments["eps"]})]
        case "LocalResponseNorm":
            # ONNX divides alpha by size in every case.
            factor = 1 if arguments["divide_by_size"] else arguments["size"]
            attributes = {
                "size": arguments["size"],
                "alpha": arguments["alpha"] * factor,
                "beta": arguments["beta"],
                "bias": arguments["k"],
            }
            return _within_towers(layer, [(name, "LRN", [None], attributes)], constants)
        case "SameMapNorm":
            return _same_map(layer, maps, dtype, constants)
        case "MaxPool2d":
            return [(name, "MaxPool", [None], _windows(layer))]
        case "AvgPool2d":
            # Cells beyond the edge do not count: the mean is over the cells inside.
            return [(name, "AveragePool", [None], _windows(layer) | {"count_include_pad": 0})]
        case "AdaptiveAvgPool2d":
            return _adaptive(layer, dtype, constants)
        case "ReLU" | "Tanh":
            return [(name, {"ReLU": "Relu", "Tanh": "Tanh"}[layer.kind], [None], {})]
        case "Flatten":
            return [(name, "Flatten", [None], {"axis": 1})]
        case "Dropout":
            if arguments["scale"] == "train":
                return []  # the identity in test mode
            constants[f"{name}.keep"] = np.array(1 - arguments["drop"], dtype)
            return [(name, "Mul", [None, f"{name}.keep"], {})]
    raise ValueError(f"write: no ONNX operator is known for {layer.kind}")


def _windows(layer):
    """The attributes of a pool. Where rounding up adds a window, it gets a border below and to the
    right: the attribute ceil_mode would say the same, but it came with opset 10, and runtimes have
    differed on where the last window may start and on which cells an average counts there."""
    window, stride = layer.arguments["window"], layer.arguments["stride"]
    pads = _pads(layer, window, padding=0)
    return {"kernel_shape": [window] * 2, "strides": [stride] * 2, "pads": pads}


def _pads(layer, window, padding):
    """The borders above, to the left, below and to the right: the padding, and at the end more
    where the last window hangs over."""
    ends = []
    for axis in (0, 1):
        end = (layer.outputs[1 + axis] - 1) * layer.arguments["stride"] + window
        ends.append(max(padding, end - padding - layer.inputs[1 + axis]))
    return [padding, padding, *ends]


def _within_towers(layer, operators, constants):
    """The operators on each tower's maps as on an image of its own."""
    groups, name = layer.arguments["groups"], layer.name
    if groups == 1:
        return operators
    channels, *sizes = layer.inputs
    constants[f"{name}.tower"] = np.array([-1, channels // groups, *sizes], np.int64)
    constants[f"{name}.whole"] = np.array([-1, channels, *sizes], np.int64)
    (_, operator, inputs, attributes) = operators[0]
    return [
        (f"{name}.towers", "Reshape", [None, f"{name}.tower"], {}),
        (f"{name}.normalised", operator, inputs, attributes),
        (name, "Reshape", [None, f"{name}.whole"], {}),
    ]


def _same_map(layer, maps, dtype, constants):
    """y = x / (k + alpha * mean of x^2 over the window) ** beta; the border's zeros count."""
    name, size = layer.name, layer.arguments["size"]
    for key in ("alpha", "k", "beta"):
        constants[f"{name}.{key}"] = np.array(layer.arguments[key], dtype)
    window = {"kernel_shape": [size] * 2, "pads": [size // 2] * 4, "count_include_pad": 1}
    return [
        (f"{name}.squares", "Mul", [maps, maps], {}),
        (f"{name}.mean", "AveragePool", [None], window),
        (f"{name}.share", "Mul", [None, f"{name}.alpha"], {}),
        (f"{name}.scale", "Add", [None, f"{name}.k"], {}),
        (f"{name}.power", "Pow", [None, f"{name}.beta"], {}),
        (name, "Div", [maps, None], {}),
    ]


def _adaptive(layer, dtype, constants):
    """y = rows @ x @ columns for each map, since ONNX has no adaptive pool: each of the matrices
    averages along one axis."""
    size, name = layer.arguments["size"], layer.name
    if layer.inputs == layer.outputs:
        return []
    rows = averaging_matrix(layer.inputs[1], size, dtype)
    columns = averaging_matrix(layer.inputs[2], size, dtype).T
    constants |= {f"{name}.rows": rows, f"{name}.columns": columns}
    first = f"{name}.averaged_rows"
    return [
        (first, "MatMul", [f"{name}.rows", None], {}),
        (name, "MatMul", [None, f"{name}.columns"], {}),
    ]


# --- the file -------------------------------------------------------------------------------------


def _model(onnx, layers, nodes, dtype, record):
    """The ModelProto without its initializers."""
    helper, kind = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype(dtype)
    images = helper.make_tensor_value_info("images", kind, ["N", *layers[0].inputs], _INPUT)
    logits = helper.make_tensor_value_info("logits", kind, ["N", *layers[-1].outputs])
    graph = helper.make_graph(nodes, "AlexNet", [images], [logits], doc_string=_INPUT)
    model = helper.make_model(
        graph,
        producer_name=PRODUCER,
        doc_string=_INPUT,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    for key, value in record.items():
        model.metadata_props.add(key=key, value=as_json(key, value))
    return model


def _pieces(onnx, model, arrays):
    """The bytes of the file in order; an array is a piece of its own, which costs no copy.

    A graph's fields may stand in any order, so its initializers follow its other fields.
    """
    proto, kinds = onnx.TensorProto, onnx.helper.np_dtype_to_tensor_dtype
    graph = [model.graph.SerializeToString()]
    for name, array in arrays.items():
        data = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        tensor = proto(name=name, dims=array.shape, data_type=kinds(array.dtype))
        head = tensor.SerializeToString() + field_start(proto.RAW_DATA_FIELD_NUMBER, data.nbytes)
        entry = field_start(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(head) + data.nbytes)
        graph += [entry + head, data.data]
    length = sum(memoryview(piece).nbytes for piece in graph)
    others = onnx.ModelProto()
    others.CopyFrom(model)
    others.ClearField("graph")
    yield others.SerializeToString() + field_start(onnx.ModelProto.GRAPH_FIELD_NUMBER, length)
    yield from graph
