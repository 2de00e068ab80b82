"""Caffe's files, written by the protobuf package from a schema with Caffe's names and numbers."""

import random
import tracemalloc

import numpy as np
import pytest

import alexnet
from alexnet.errors import DataError
from alexnet.formats import caffe_file
from alexnet.network.plan import plan
from alexnet.weights.file_network import arranged

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
                 "MaxPool2d": "Pooling", "AvgPool2d": "Pooling", "Tanh": "TanH"}  # fmt: skip
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
            case "LocalResponseNorm":
                one = layer.lrn_param
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


@pytest.fixture
def read(tmp_path):
    def read_net(net):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(net if isinstance(net, bytes) else net.SerializeToString())
        return caffe_file.read(path)

    return read_net


def assert_same_network(network, model):
    rows = plan(model.spec, model.num_classes, SIZE)
    assert [(layer.kind, layer.arguments) for layer in network.layers] == [
        (row.kind, row.arguments) for row in rows
    ]
    expected = model.state_dict()
    arrays = {
        f"{layer.name}.{name}": array
        for layer in arranged(network).layers
        for name, array in layer.arrays.items()
    }
    assert set(arrays) == set(expected)
    for name, array in arrays.items():
        assert array.dtype == np.float32 and array.flags.c_contiguous and array.flags.aligned
        np.testing.assert_array_equal(array, expected[name], name)


# --- whole files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["V1", "V2"])
@pytest.mark.parametrize("spec", ["caffe", "caffenet"])
@pytest.mark.parametrize("data", [False, True])
def test_a_caffemodel_of_each_form_is_the_model_it_was_written_from(read, form, spec, data):
    model = small(spec)
    draw = np.random.default_rng(1)
    arrays = model.state_dict()
    model.load_state_dict({n: draw.random(a.shape, np.float32) for n, a in arrays.items()})
    network = read(written(model, form, data))
    assert_same_network(network, model)
    assert (network.format, network.channels, network.flatten) == ("a Caffe model", "bgr", "chw")
    assert (network.complete, network.image_size, network.spec) == (True, SIZE, None)


def test_tanh_average_pools_and_pools_that_round_down_are_read(read):
    model = alexnet.build("cifar10", num_classes=7, image_size=SIZE, activation="tanh", width=0.2)
    assert_same_network(read(written(model)), model)
    model = small("single-tower", dropout=0.0)
    assert_same_network(read(written(model, "V1")), model)


def test_the_layers_keep_the_names_of_the_file(read):
    network = read(written(small(), "V1"))
    assert [layer.name for layer in network.layers if layer.arrays] == [
        "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8",
    ]  # fmt: skip


# --- single settings ------------------------------------------------------------------------------


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


def test_rows_and_columns_may_have_settings_of_their_own(read):
    weight = numbers(4, 3, 5, 2)
    apart = dict(kernel_h=5, kernel_w=2, stride_h=2, stride_w=1, pad_h=1, pad_w=0)
    lists = dict(kernel_size=[5, 2], stride=[2, 1], pad=[1, 0])
    for settings in (apart, lists):
        net = one_layer("Convolution", weight, num_output=4, bias_term=False, **settings)
        (layer,) = read(net).layers
        assert layer.arguments == {
            "in_channels": 3, "out_channels": 4, "kernel": (5, 2), "stride": (2, 1),
            "padding": (1, 0), "groups": 1,
        }  # fmt: skip
        assert list(layer.arrays) == ["weight"]
        np.testing.assert_array_equal(layer.arrays["weight"], weight)


def test_missing_settings_have_caffes_defaults(read):
    (lrn,) = read(one_layer("LRN")).layers
    assert lrn.arguments == {
        "size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0, "divide_by_size": True,
    }  # fmt: skip
    (pool,) = read(one_layer("Pooling", kernel_size=3, pad=1)).layers
    assert pool.kind == "MaxPool2d"
    assert pool.arguments == {"window": 3, "stride": 1, "ceil_mode": True, "padding": 1}
    (dropout,) = read(one_layer("Dropout")).layers
    assert dropout.arguments == {"drop": 0.5, "scale": "train"}


def test_numbers_of_64_bits_stay_and_transposed_weights_are_turned(read):
    net = one_layer("InnerProduct", numbers(2, 3), num_output=3, bias_term=False, transpose=True)
    double = net.layer[0].blobs[0]
    double.double_data.extend(double.data)
    double.ClearField("data")
    flatten, layer = read(net).layers
    assert (flatten.kind, flatten.name) == ("Flatten", "a")
    weight = layer.arrays["weight"]
    assert weight.dtype == np.float64 and weight.flags.c_contiguous
    np.testing.assert_array_equal(weight, numbers(2, 3).T)


def test_numbers_that_are_not_packed_are_read(read):
    net = one_layer("InnerProduct", numbers(2, 3), num_output=2, bias_term=False)
    packed = net.layer[0].blobs[0]
    unpacked = CAFFE["Unpacked"](shape=packed.shape, data=packed.data).SerializeToString()
    net.layer[0].ClearField("blobs")
    # Field 7 of the layer, written by hand behind its other fields.
    layer = net.layer[0].SerializeToString() + b"\x3a" + bytes([len(unpacked)]) + unpacked
    whole = b"\xa2\x06" + bytes([len(layer)]) + layer
    np.testing.assert_array_equal(read(whole).layers[1].arrays["weight"], numbers(2, 3))


def test_training_layers_are_left_out_and_softmax_stays(read):
    net = written(small())
    net.layer[1].include.add(phase=0)  # relu1
    net.layer[3].exclude.add(phase=1)  # pool1, which norm1's reader then finds missing
    net.layer[4].bottom[:] = ["norm1"]
    net.layer.add(name="prob", type="Softmax", bottom=["fc8"], top=["prob"])
    names = [layer.name for layer in read(net).layers]
    assert "relu1" not in names and "pool1" not in names and names[-1] == "prob"


def test_an_input_layer_gives_the_image_size(read):
    net = written(small())
    net.ClearField("input_dim")
    assert read(net).image_size is None
    net.layer.add(name="data", type="Input", top=["data"])
    net.layer[-1].input_param.shape.add(dim=[1, 3, 131, 131])
    assert read(net).image_size == 131
    net.input_shape.add(dim=[1, 3, 99, 99])
    assert read(net).image_size == 99


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (one_layer("Eltwise"), "layer 'a' of type 'Eltwise': no AlexNet here has"),
        (one_layer("BatchNorm"), "no AlexNet here has a layer of type BatchNorm"),
        (one_layer("LRN", norm_region=1), "norm_region is 1"),
        (one_layer("LRN", alpha=float("inf")), "field 2 is inf"),
        (one_layer("Pooling", pool=2, kernel_size=3), "method 2"),
        (one_layer("Pooling", global_pooling=True), "global_pooling is 1"),
        (one_layer("Pooling", kernel_size=3, round_mode=2), "round_mode is 2"),
        (one_layer("Pooling"), "lacks kernel_size"),
        (one_layer("Pooling", kernel_size=3, stride=0), "its stride is 0"),
        (one_layer("ReLU", negative_slope=0.5), "negative_slope is 0.5"),
        (one_layer("Dropout", dropout_ratio=1.5), "dropout_ratio is 1.5"),
        (one_layer("ReLU", numbers(2)), "has arrays, which this type never has"),
        (one_layer("Convolution", num_output=2, kernel_size=[3]), "without its weights"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), num_output=2, kernel_size=[3]),
         "has 1 arrays, its settings need 2"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(3), num_output=2, kernel_size=[3]),
         "its bias is"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[4]),
         "its settings need 2 kernels of 4 x 4"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[3],
                   dilation=[2]), "dilated"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[3],
                   fuse_type=2), "setting 19"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[3],
                   group=4), "4 groups do not divide"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2,
                   kernel_size=[3, 3, 3]), "3 values"),
        (one_layer("Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[3],
                   kernel_h=3), "both for rows and columns"),
        (one_layer("InnerProduct", numbers(2, 3), numbers(2), num_output=3), "num_output is 3"),
        (one_layer("InnerProduct", numbers(2, 2, 3), numbers(2), num_output=2), "no matrix"),
    ],
)  # fmt: skip
def test_a_setting_without_a_counterpart_is_refused_by_name(read, net, reason):
    with pytest.raises(DataError, match=f"net.caffemodel cannot be used: .*{reason}"):
        read(net)


def test_a_network_that_is_no_chain_is_refused(read):
    net = written(small())
    net.layer[4].bottom[:] = ["data"]
    with pytest.raises(DataError, match="'conv2'.*reads 'data', the layer before it gives 'pool1'"):
        read(net)
    net.layer[4].bottom[:] = ["pool1", "data"]
    with pytest.raises(DataError, match="has 2 inputs and 1 outputs"):
        read(net)


def test_other_files_are_refused_in_words(read, tmp_path):
    older = CAFFE["Net"]()
    older.layers.add().layer.name = "conv1"
    mixed = written(small(), "V1")
    mixed.layer.add(name="a", type="ReLU")
    scaled = written(small(), data=True)
    scaled.layer[0].transform_param.scale = 0.5
    wide = written(small())
    wide.input_dim[:] = [1, 3, 200, 300]
    staged = written(small())
    staged.layer[2].include.add(min_level=1)
    for content, reason in [
        (older, "upgrade_net_proto_binary"),
        (mixed, "both forms"),
        (scaled, "multiplies pixels by 0.5"),
        (wide, "200 x 300 pixels"),
        (staged, "levels or stages"),
        (CAFFE["Net"](name="empty"), "has no layers"),
        (b"", "is an empty file"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 40, "it has no layers, so it is no Caffe model"),
        (b'name: "AlexNet"\nlayer {\n}\n', "is no Caffe model, or a damaged one: byte"),
    ]:
        with pytest.raises(DataError, match=reason):
            read(content)
    with pytest.raises(DataError, match="no file"):
        caffe_file.read(tmp_path / "missing.caffemodel")
    with pytest.raises(DataError, match="no file"):
        caffe_file.read(tmp_path)


# --- hostile files --------------------------------------------------------------------------------


def changed_blob(change):
    net = one_layer("InnerProduct", numbers(2, 3), numbers(2), num_output=2)
    change(net.layer[0].blobs[0])
    return net


@pytest.mark.parametrize(
    ("dimensions", "reason"),
    [
        ([2, 4], "takes 32 bytes; there are 24"),
        ([2, 3, 1 << 40], "an array of shape"),
        ([1 << 31, 1 << 31], "an array of shape"),
        ([(1 << 31) - 1] * 32, "takes .* bytes; there are 24"),
        ([1] * 33, "an array of shape"),
        ([-2, -3], "an array of shape"),
        ([0, 3], "an array of shape"),
        ([], "takes 4 bytes; there are 24"),
    ],
)
def test_a_shape_that_contradicts_the_numbers_takes_no_memory(read, dimensions, reason):
    net = changed_blob(lambda blob: blob.shape.MergeFrom(CAFFE["BlobShape"](dim=dimensions)))
    net.layer[0].blobs[0].shape.dim[:] = dimensions
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason):
            read(net)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_numbers_of_both_widths_in_one_array_are_refused(read):
    with pytest.raises(DataError, match="both as float32 and as float64"):
        read(changed_blob(lambda blob: blob.double_data.append(1.0)))


def test_many_tiny_fields_and_deep_nesting_are_refused(read):
    nested = b""
    for _ in range(2_000):
        length = len(nested)
        nested = b"\x12" + bytes([length & 0x7F | 0x80, length >> 7]) + nested  # a layer in a layer
    for content in (b"\x12\x00" * 20_000, b"\xa2\x06\x00" * 20_000, nested, b"\x0b" * 20_000):
        tracemalloc.start()
        try:
            with pytest.raises(DataError):
                read(content)
            assert tracemalloc.get_traced_memory()[1] < 1 << 23
        finally:
            tracemalloc.stop()


def test_a_long_name_is_cut_in_the_message(read):
    with pytest.raises(DataError) as caught:
        read(CAFFE["Net"](layer=[CAFFE["Layer"](name="\x1b[2J" + "n" * 9_000, type="\u202eX")]))
    assert len(str(caught.value)) < 500 and str(caught.value).isprintable()


def test_a_damaged_file_is_a_network_or_an_error_in_words(read):
    generator = random.Random(18)
    whole = written(
        alexnet.build("caffe", num_classes=2, image_size=SIZE, width=0.01)
    ).SerializeToString()
    files = [whole[:length] for length in range(0, len(whole), max(50, len(whole) // 300))]
    # Half of the bits that flip are at the places where no weights are.
    settings = one_layer(
        "Convolution", numbers(2, 3, 3, 3), numbers(2), num_output=2, kernel_size=[3]
    )
    for content in (whole, settings.SerializeToString()):
        for _ in range(150):
            place = generator.randrange(len(content))
            flipped = content[place] ^ 1 << generator.randrange(8)
            files.append(content[:place] + bytes([flipped]) + content[place + 1 :])
    ends = {"network": 0, "error": 0}
    for content in files:
        try:
            read(content)
            ends["network"] += 1
        except DataError as error:
            assert "net.caffemodel" in str(error)
            ends["error"] += 1
    assert ends["network"] > 200 and ends["error"] > 250
