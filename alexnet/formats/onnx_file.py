"""Read an ONNX model: its layers, arguments and weights, without running anything.

The graph must be a chain from the images to the logits (onnx_chain.py). What exporters add is
understood: constants that nodes make, reshapes in place of flatten, pools with borders at one side.

Source: onnx/onnx, onnx/onnx.proto and docs/IR.md; the ONNX Model Zoo's bvlcalexnet.
"""

import json
import os
from pathlib import Path

from alexnet.errors import DataError
from alexnet.formats.onnx_chain import walk
from alexnet.formats.onnx_graph import Graph
from alexnet.formats.onnx_message import parse
from alexnet.formats.onnx_tensors import FLOATING, onnx_package
from alexnet.formats.onnx_write import MOST_BYTES, PRODUCER
from alexnet.formats.reading import reading
from alexnet.weights.file_network import FileNetwork
from alexnet.weights.record import FILE_BYTES, short

_RECORD = ("build", "classes", "stored_size", "normalization", "words")
_CAFFE2 = "onnx-caffe2"  # the converter of the Model Zoo's networks from Caffe, which take BGR


def read(path: str | Path) -> FileNetwork:
    """The network of an ONNX model. Raises DataError for another file, and for a model that is no
    chain of an AlexNet's layers; UsageError without the package onnx."""
    onnx = onnx_package()
    with reading(path, "an ONNX model", "a whole .onnx file of an AlexNet fits") as file:
        return _network(_model(onnx, file), Path(path).parent)


def _model(onnx, file):
    """The ModelProto of an open file."""
    size = os.fstat(file.fileno()).st_size
    if size > MOST_BYTES:
        raise DataError(f"it has {size:,} bytes; protobuf, the format of ONNX, has {MOST_BYTES:,}")
    model = parse(onnx.ModelProto, file.read(size))
    if not model.HasField("graph"):
        raise DataError("it holds no graph")
    return model


def _network(model, folder):
    graph = Graph(model.graph, folder)
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        inputs = [entry.name for entry in graph.inputs]
        raise DataError(
            f"it has the inputs {short(inputs)} and the outputs {short(graph.outputs)}; an AlexNet "
            "has one of each"
        )
    batch, shape = _input(graph.inputs[0])
    layers = walk(graph, graph.inputs[0].name, shape, batch)
    if not any(layer.arrays for layer in layers):
        raise DataError("it has no layer with weights")
    return FileNetwork(
        format="an ONNX model",
        layers=layers,
        complete=True,
        channels="bgr" if model.producer_name == _CAFFE2 else "rgb",
        image_size=shape[1],
        record=_record(model) if model.producer_name == PRODUCER else {},
    )


def _input(entry):
    """(number of images or None, (channels, rows, columns) of an image, None where free)."""
    kind = entry.type.tensor_type
    if not entry.type.HasField("tensor_type") or kind.elem_type not in FLOATING:
        raise DataError(f"its input {short(entry.name)} is no tensor of floating type")
    if not kind.HasField("shape"):
        return None, (None, None, None)
    sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
    sizes = [size if size is None or size > 0 else None for size in sizes]  # -1: free, too
    channels, rows, columns = sizes[1:] if len(sizes) == 4 else (0, 0, 0)
    if channels not in (None, 3) or rows != columns:
        raise DataError(
            f"its input has the shape {short(sizes)}, should be (N, 3, S, S): square RGB images"
        )
    return sizes[0], (channels, rows, columns)


def _record(model):
    """The fields that onnx_write.py wrote."""
    record = {}
    for entry in model.metadata_props:
        if entry.key not in _RECORD:
            continue
        if len(entry.value) > FILE_BYTES or entry.key in record:
            raise DataError(f"its metadata {entry.key} is too long, or stands there twice")
        try:
            record[entry.key] = json.loads(entry.value, parse_constant=_no_json)
        except (ValueError, RecursionError) as error:
            raise DataError(f"its metadata {entry.key} is no JSON ({error})") from error
    return record


def _no_json(word):
    raise ValueError(f"{word} is no number")
