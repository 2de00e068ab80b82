"""ONNX models of single nodes, as other programs write them."""

import numpy as np
import pytest

from alexnet.formats.onnx_file import read

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
F = onnx.TensorProto.FLOAT
helper, to_tensor = onnx.helper, onnx.numpy_helper.from_array
RANDOM = np.random.default_rng(7)


def numbers(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def save(path, nodes, constants=None, shape=("N", 3, 9, 9), output="y", opset=13, **more):
    """A model of these nodes, from "x" to `output`. constants: name -> array or TensorProto."""
    tensors = []
    for name, array in (constants or {}).items():
        tensors.append(to_tensor(array, name) if isinstance(array, np.ndarray) else array)
        tensors[-1].name = name
    graph = helper.make_graph(
        [node if not isinstance(node, tuple) else helper.make_node(*node) for node in nodes],
        "graph",
        [helper.make_tensor_value_info("x", F, shape)],
        [helper.make_tensor_value_info(output, F, None)],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], **more)
    path.write_bytes(model.SerializeToString())
    return path


def node(operator, inputs, output, **options):
    return helper.make_node(operator, inputs, [output], output + "_node", **options)


def layers_of(path):
    return [(layer.kind, layer.arguments, layer.outputs) for layer in read(path).layers]


def typed(array, kind, **fields):
    tensor = onnx.TensorProto(data_type=kind, dims=array.shape)
    for name, values in fields.items():
        if name == "raw_data":
            tensor.raw_data = values
        else:
            getattr(tensor, name).extend(values)
    return tensor
