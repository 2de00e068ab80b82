"""Caffe's files, written by the protobuf package from a schema with Caffe's names and numbers."""

import numpy as np
import pytest

import alexnet
from alexnet.network.plan import plan

pytest.importorskip("google.protobuf", reason="the protobuf package writes the test's files")
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402

# Source: BVLC/caffe, src/caffe/proto/caffe.proto. A list has a *, a packed list **.
SCHEMA = """
BlobShape            dim**:int64=1
BlobProto            num:int32=1 channels:int32=2 height:int32=3 width:int32=4 data**:float=5
                     diff**:float=6 shape:BlobShape=7 double_data**:double=8
Unpacked             shape:BlobShape=7 data*:float=5
Rule                 phase:int32=1 min_level:int32=2
Transform            scale:float=1 crop_size:uint32=3
Filler               type:string=1 std:float=6
Convolution          num_output:uint32=1 bias_term:bool=2 pad*:uint32=3 kernel_size*:uint32=4
                     group:uint32=5 stride*:uint32=6 weight_filler:Filler=7 pad_h:uint32=9
                     pad_w:uint32=10 kernel_h:uint32=11 kernel_w:uint32=12 stride_h:uint32=13
                     stride_w:uint32=14 engine:int32=15 axis:int32=16 dilation*:uint32=18
                     fuse_type:int32=19
InnerProduct         num_output:uint32=1 bias_term:bool=2 axis:int32=5 transpose:bool=6
Pooling              pool:int32=1 kernel_size:uint32=2 stride:uint32=3 pad:uint32=4
                     kernel_h:uint32=5 kernel_w:uint32=6 stride_h:uint32=7 stride_w:uint32=8
                     pad_h:uint32=9 pad_w:uint32=10 global_pooling:bool=12 round_mode:int32=13
LRN                  local_size:uint32=1 alpha:float=2 beta:float=3 norm_region:int32=4 k:float=5
ReLU                 negative_slope:float=1
Dropout              dropout_ratio:float=1
Softmax              axis:int32=2
Input                shape*:BlobShape=1
Data                 source:string=1 batch_size:uint32=4 crop_size:uint32=5
V0Layer              name:string=1
V1Layer              layer:V0Layer=1 bottom*:string=2 top*:string=3 name:string=4 type:int32=5
                     blobs*:BlobProto=6 convolution_param:Convolution=10 data_param:Data=11
                     dropout_param:Dropout=12 inner_product_param:InnerProduct=17 lrn_param:LRN=18
                     pooling_param:Pooling=19 relu_param:ReLU=30 include*:Rule=32 exclude*:Rule=33
                     transform_param:Transform=36
Layer                name:string=1 type:string=2 bottom*:string=3 top*:string=4 blobs*:BlobProto=7
                     include*:Rule=8 exclude*:Rule=9 phase:int32=10 transform_param:Transform=100
                     convolution_param:Convolution=106 data_param:Data=107 dropout_param:Dropout=108
                     inner_product_param:InnerProduct=117 lrn_param:LRN=118
                     pooling_param:Pooling=121 relu_param:ReLU=123 softmax_param:Softmax=125
                     input_param:Input=143
Net                  name:string=1 layers*:V1Layer=2 input*:string=3 input_dim*:int32=4
                     input_shape*:BlobShape=8 layer*:Layer=100
"""
V1_NUMBERS = {
    "Accuracy": 1, "Concat": 3, "Convolution": 4, "Data": 5, "Dropout": 6, "InnerProduct": 14,
    "LRN": 15, "Pooling": 17, "ReLU": 18, "Softmax": 20, "SoftmaxWithLoss": 21, "Split": 22,
    "TanH": 23,
}  # fmt: skip
SIZE = 67


def _messages():
    """{name: message class} of SCHEMA."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe")
    for line in SCHEMA.strip().replace("\n" + " " * 21, " ").split("\n"):
        name, *words = line.split()
        message = file.message_type.add(name=name)
        for word in words:
            label, kind, number = word.replace("=", ":").split(":")
            one = message.field.add(name=label.rstrip("*"), number=int(number))
            one.label = field.LABEL_REPEATED if "*" in label else field.LABEL_OPTIONAL
            one.options.packed = "**" in label
            if kind[0].isupper():
                one.type, one.type_name = field.TYPE_MESSAGE, f".caffe.{kind}"
            else:
                one.type = getattr(field, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    described = pool.FindFileByName(file.name)
    return {
        name: message_factory.GetMessageClass(message)
        for name, message in described.message_types_by_name.items()
    }


CAFFE = _messages()


def small(spec="caffe", **changes):
    return alexnet.build(spec, num_classes=7, image_size=SIZE, width=0.05, **changes)


def blob(array, form="V2"):
    message = CAFFE["BlobProto"](data=array.ravel().tolist())
    if form == "V1":
        sizes = (1,) * (4 - array.ndim) + array.shape
        message.num, message.channels, message.height, message.width = sizes
    else:
        message.shape.dim.extend(array.shape)
    return message


def written(model, form="V2", data=False):
    """The NetParameter of a model of this project."""
    net = CAFFE["Net"](name="AlexNet")
    layers = net.layers if form == "V1" else net.layer
    arrays = model.state_dict()

    def add(name, kind, bottom, top):
        layer = layers.add(name=name, type=V1_NUMBERS[kind] if form == "V1" else kind)
        layer.bottom.extend(bottom)
        layer.top.extend(top)
        return layer

    if data:
        for phase, size in ((0, SIZE), (1, SIZE)):
            layer = add("data", "Data", [], ["data", "label"])
            layer.transform_param.crop_size = size
            layer.include.add(phase=phase)
        add("label_split", "Split", ["label"], ["label_0", "label_1"])
    else:
        net.input.append("data")
        net.input_dim.extend([10, 3, SIZE, SIZE])
    blob_name = "data"
    for row in plan(model.spec, model.num_classes, SIZE):
        if row.kind == "Flatten":
            continue
        settings = row.arguments
        in_place = row.kind in ("ReLU", "Tanh", "Dropout")
        top = blob_name if in_place else row.name
        kinds = {"Conv2d": "Convolution", "Linear": "InnerProduct", "LocalResponseNorm": "LRN",
                 "SameMapNorm": "LRN", "MaxPool2d": "Pooling", "AvgPool2d": "Pooling",
                 "Tanh": "TanH"}  # fmt: skip
        layer = add(row.name, kinds.get(row.kind, row.kind), [blob_name], [top])
        blob_name = top
        match row.kind:
            case "Conv2d":
                one = layer.convolution_param
                one.num_output, one.group = settings["out_channels"], settings["groups"]
                one.kernel_size.append(settings["kernel"])
                one.stride.append(settings["stride"])
                one.pad.append(settings["padding"])
                one.weight_filler.type = "gaussian"
            case "Linear":
                layer.inner_product_param.num_output = settings["out_features"]
            case "MaxPool2d" | "AvgPool2d":
                one = layer.pooling_param
                one.pool = int(row.kind == "AvgPool2d")
                one.kernel_size, one.stride = settings["window"], settings["stride"]
                one.round_mode = int(not settings["ceil_mode"])
            case "LocalResponseNorm" | "SameMapNorm":
                one = layer.lrn_param
                one.norm_region = int(row.kind == "SameMapNorm")
                one.local_size, one.alpha = settings["size"], settings["alpha"]
                one.beta, one.k = settings["beta"], settings["k"]
            case "Dropout":
                layer.dropout_param.dropout_ratio = settings["drop"]
        if row.kind in ("Conv2d", "Linear"):
            weight = arrays[f"{row.name}.weight"]
            weight = weight[:, ::-1] if row.name == "conv1" else weight  # B, G, R
            bias = arrays[f"{row.name}.bias"]
            layer.blobs.extend([blob(weight, form), blob(bias, form)])
    add("accuracy", "Accuracy", [blob_name, "label"], ["accuracy"]).include.add(phase=1)
    add("loss", "SoftmaxWithLoss", [blob_name, "label"], ["loss"])
    return net


def one_layer(kind, array=None, bias=None, **settings):
    """A net of one layer; settings are fields of its own message."""
    net = CAFFE["Net"]()
    layer = net.layer.add(name="a", type=kind, bottom=["data"], top=["a"])
    words = {"Convolution": "convolution", "InnerProduct": "inner_product", "Pooling": "pooling",
             "LRN": "lrn", "ReLU": "relu", "Dropout": "dropout", "Softmax": "softmax"}  # fmt: skip
    if kind in words:
        one = getattr(layer, f"{words[kind]}_param")
        one.SetInParent()
        for name, value in settings.items():
            if isinstance(value, list):
                getattr(one, name).extend(value)
            else:
                setattr(one, name, value)
    layer.blobs.extend(blob(array) for array in (array, bias) if array is not None)
    return net


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
