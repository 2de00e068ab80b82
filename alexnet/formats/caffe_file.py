"""Read a .caffemodel, as Caffe's training writes it: the network, its settings and its weights.

A .caffemodel is one message of the type NetParameter (protobuf.py reads the format). Its layers
came in two forms: in `layers` with types as numbers (V1, 2013 and 2014: the published bvlc_alexnet
and bvlc_reference_caffenet), in `layer` with types as words (V2, since). caffe_layers.py reads the
settings and arrays of one layer; this file finds the layers and their order.

Caffe names the inputs and outputs of each layer (bottom, top). A layer may write over its input
(top = bottom); losses and accuracies branch off. The others must form one chain, here an AlexNet.
Layers that take part in training only are left out. Caffe's images have channels B, G, R.

Source: BVLC/caffe, src/caffe/proto/caffe.proto; src/caffe/net.cpp, FilterNet and StateMeetsRule.
"""

import mmap
import os
from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.formats.caffe_layers import CaffeLayer, convert
from alexnet.formats.protobuf import Message
from alexnet.formats.reading import reading
from alexnet.weights.file_network import FileLayer, FileNetwork
from alexnet.weights.record import LARGEST_IMAGE, short

# The numbers of a layer's fields in both forms; the words with capitals are settings of that type.
_V1 = {
    "bottom": 2, "top": 3, "name": 4, "type": 5, "blobs": 6, "include": 32, "exclude": 33,
    "transform": 36, "Convolution": 10, "Data": 11, "Dropout": 12, "ImageData": 15,
    "InnerProduct": 17, "LRN": 18, "Pooling": 19, "WindowData": 20, "ReLU": 30, "TanH": 37,
    "Softmax": 39,
}  # fmt: skip
_V2 = {
    "name": 1, "type": 2, "bottom": 3, "top": 4, "blobs": 7, "include": 8, "exclude": 9,
    "transform": 100, "Convolution": 106, "Data": 107, "Dropout": 108, "ImageData": 115,
    "InnerProduct": 117, "LRN": 118, "Pooling": 121, "ReLU": 123, "Softmax": 125, "TanH": 127,
    "WindowData": 129, "Flatten": 135, "Input": 143,
}  # fmt: skip
_V1_TYPES = {
    35: "AbsVal", 1: "Accuracy", 30: "ArgMax", 2: "BNLL", 3: "Concat", 37: "ContrastiveLoss",
    4: "Convolution", 5: "Data", 39: "Deconvolution", 6: "Dropout", 32: "DummyData",
    7: "EuclideanLoss", 25: "Eltwise", 38: "Exp", 8: "Flatten", 9: "HDF5Data", 10: "HDF5Output",
    28: "HingeLoss", 11: "Im2col", 12: "ImageData", 13: "InfogainLoss", 14: "InnerProduct",
    15: "LRN", 29: "MemoryData", 16: "MultinomialLogisticLoss", 34: "MVN", 17: "Pooling",
    26: "Power", 18: "ReLU", 19: "Sigmoid", 27: "SigmoidCrossEntropyLoss", 36: "Silence",
    20: "Softmax", 21: "SoftmaxWithLoss", 22: "Split", 33: "Slice", 23: "TanH", 24: "WindowData",
    31: "Threshold",
}  # fmt: skip
FORMAT = "a Caffe model"
_DATA = ("Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "Input")
_BRANCHES = ("Accuracy", "ArgMax", "Silence", "HDF5Output")  # and every type that ends with Loss
_TEST = 1  # of the enum Phase


def read(path: str | Path) -> FileNetwork:
    """The network in a .caffemodel, with channels "bgr" and maps flattened as "chw".

    Takes the memory of its arrays; the file is mapped, not read. Raises DataError for a file that
    is none, is damaged, or holds another network than a chain of the layers of AlexNets.
    """
    with reading(path, FORMAT, "a .caffemodel with weights fits") as file:
        if not os.fstat(file.fileno()).st_size:
            raise DataError("it is empty")
        # Not closed here: the map lives as long as the parts that refer to it.
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _network(Message(memoryview(content)))


def _network(net):
    older, newer = net.parts(2), net.parts(100)
    if older and newer:
        raise DataError("it has layers of both forms, V1 and V2, which Caffe refuses too")
    if not older and not newer:
        raise DataError("it has no layers, so it is no Caffe model")
    schema = _V1 if older else _V2
    layers, image_size = [], _input_size(net)
    current = None  # the names of the last layer's output
    for number, part in enumerate(older or newer, start=1):
        message = Message(part)
        if older and message.parts(1):
            raise DataError(
                "its layers have the form V0 of 2013; Caffe's tool upgrade_net_proto_binary writes "
                "it in a newer form"
            )
        layer = _layer(message, schema)
        try:
            if layer.type in _DATA:
                image_size = image_size or _crop_size(message, layer, schema)
            elif not _in_test(message, schema) or _is_branch(layer.type):
                continue
            elif layer.type == "Split":
                current = _split(layer, current)
            else:
                current = _next(layer, current)
                layers.append(convert(layer))
        except ValueError as error:  # DataError is one
            about = f"layer {short(layer.name or number)} of type {short(layer.type)}"
            raise DataError(f"{about}: {error}") from error
    return FileNetwork(
        FORMAT,
        _with_flatten(layers),
        complete=True,
        channels="bgr",
        image_size=image_size,
    )


def _layer(message, schema):
    if schema is _V1:
        number = message.integer(schema["type"], 0)
        kind = _V1_TYPES.get(number, f"number {number}")
    else:
        kind = message.text(schema["type"])
    settings = schema.get(kind)
    return CaffeLayer(
        printable(message.text(schema["name"])),
        printable(kind),
        message.texts(schema["bottom"]),
        message.texts(schema["top"]),
        message.message(settings) if settings else Message(memoryview(b"")),
        message.parts(schema["blobs"]),
    )


# --- the chain ------------------------------------------------------------------------------------


def _in_test(message, schema):
    """Whether a layer takes part in a test: one of its include rules fits, or no exclude rule."""
    rules = {}
    for word in ("include", "exclude"):
        rules[word] = [Message(part) for part in message.parts(schema[word])]
        if any(set(rule.numbers()) - {1} for rule in rules[word]):
            raise DataError(f"its {word} rule names levels or stages")
    if rules["include"]:
        return any(rule.integer(1, _TEST) == _TEST for rule in rules["include"])
    return all(rule.integer(1, _TEST) != _TEST for rule in rules["exclude"])


def _is_branch(kind):
    return kind.endswith("Loss") or kind in _BRANCHES


def _split(layer, current):
    """A Split copies an output under new names, for its readers; it computes nothing."""
    reads_current = current is not None and layer.bottoms and layer.bottoms[0] in current
    return current | set(layer.tops) if reads_current else current


def _next(layer, current):
    """The name of this layer's output, if it reads the output before it and nothing else."""
    if len(layer.bottoms) != 1 or len(layer.tops) != 1:
        raise DataError(
            f"it has {len(layer.bottoms)} inputs and {len(layer.tops)} outputs, each layer of an "
            "AlexNet has one"
        )
    if current is not None and layer.bottoms[0] not in current:
        raise DataError(
            f"it reads {short(layer.bottoms[0])}, the layer before it gives "
            f"{short(sorted(current)[0])}; the layers of an AlexNet form one chain"
        )
    return {layer.tops[0]}


def _with_flatten(layers):
    """Caffe's InnerProduct flattens what it reads; here that is a layer, of the same name."""
    kinds = [layer.kind for layer in layers]
    if "Linear" not in kinds or "Flatten" in kinds[: kinds.index("Linear")]:
        return layers
    place = kinds.index("Linear")
    return [*layers[:place], FileLayer(layers[place].name, "Flatten"), *layers[place:]]


# --- the input ------------------------------------------------------------------------------------


def _input_size(net):
    """Rows and columns of the net's first input, or None if the net names none."""
    dimensions = net.integers(4)[:4]
    shapes = net.parts(8)
    if shapes:
        dimensions = Message(shapes[0]).integers(1)
    return _square(dimensions[2:]) if len(dimensions) == 4 else None


def _crop_size(message, layer, schema):
    """Rows and columns of what a data layer gives, or None if it does not say."""
    transform = message.message(schema["transform"])
    scale = transform.float32(1, 1.0)
    if scale != 1:
        raise DataError(f"it multiplies pixels by {scale}; networks for pixels from 0 to 255 fit")
    if layer.type == "Input":
        shapes = layer.settings.parts(1)
        dimensions = Message(shapes[0]).integers(1) if shapes else []
        return _square(dimensions[2:]) if len(dimensions) == 4 else None
    # Data, ImageData and WindowData had a crop_size of their own before transform_param.
    side = transform.integer(3, 0) or layer.settings.integer(5, 0)
    return _square([side, side]) if side else None


def _square(sizes):
    rows, columns = sizes
    if rows != columns or not 1 <= rows <= LARGEST_IMAGE:
        raise DataError(
            f"its input has {rows} x {columns} pixels; squares of up to {LARGEST_IMAGE} fit"
        )
    return rows
