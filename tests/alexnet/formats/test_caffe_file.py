"""Caffe's files, written by the protobuf package from a schema with Caffe's names and numbers."""

import numpy as np
import pytest

import alexnet
from alexnet.errors import DataError
from alexnet.formats import caffe_file
from alexnet.network.plan import plan
from alexnet.weights.file_network import arranged
from tests.alexnet.formats.caffe_models import CAFFE, SIZE, numbers, one_layer, small, written


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
def test_a_caffemodel_of_each_form_is_the_model_it_was_written_from(read_caffe, form, spec, data):
    model = small(spec)
    draw = np.random.default_rng(1)
    arrays = model.state_dict()
    model.load_state_dict({n: draw.random(a.shape, np.float32) for n, a in arrays.items()})
    network = read_caffe(written(model, form, data))
    assert_same_network(network, model)
    assert (network.format, network.channels, network.flatten) == ("a Caffe model", "bgr", "chw")
    assert (network.complete, network.image_size, network.spec) == (True, SIZE, None)


def test_a_normalisation_within_channels_is_read(read_caffe):
    model = small(norm="same-map")
    assert_same_network(read_caffe(written(model)), model)


def test_tanh_average_pools_and_pools_that_round_down_are_read(read_caffe):
    model = alexnet.build("cifar10", num_classes=7, image_size=SIZE, activation="tanh", width=0.2)
    assert_same_network(read_caffe(written(model)), model)
    model = small("single-tower", dropout=0.0)
    assert_same_network(read_caffe(written(model, "V1")), model)


def test_the_layers_keep_the_names_of_the_file(read_caffe):
    network = read_caffe(written(small(), "V1"))
    assert [layer.name for layer in network.layers if layer.arrays] == [
        "conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8",
    ]  # fmt: skip


# --- single settings ------------------------------------------------------------------------------


def test_rows_and_columns_may_have_settings_of_their_own(read_caffe):
    weight = numbers(4, 3, 5, 2)
    apart = dict(kernel_h=5, kernel_w=2, stride_h=2, stride_w=1, pad_h=1, pad_w=0)
    lists = dict(kernel_size=[5, 2], stride=[2, 1], pad=[1, 0])
    for settings in (apart, lists):
        net = one_layer("Convolution", weight, num_output=4, bias_term=False, **settings)
        (layer,) = read_caffe(net).layers
        assert layer.arguments == {
            "in_channels": 3, "out_channels": 4, "kernel": (5, 2), "stride": (2, 1),
            "padding": (1, 0), "groups": 1, "ceil_mode": False,
        }  # fmt: skip
        assert list(layer.arrays) == ["weight"]
        np.testing.assert_array_equal(layer.arrays["weight"], weight)


def test_missing_settings_have_caffes_defaults(read_caffe):
    (lrn,) = read_caffe(one_layer("LRN")).layers
    assert lrn.arguments == {
        "size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0, "divide_by_size": True,
        "groups": 1,
    }  # fmt: skip
    (same_map,) = read_caffe(one_layer("LRN", norm_region=1, k=2.0)).layers
    assert same_map.kind == "SameMapNorm"  # there Caffe takes 1 for k
    assert same_map.arguments == {"size": 5, "alpha": 1.0, "beta": 0.75, "k": 1.0}
    (pool,) = read_caffe(one_layer("Pooling", kernel_size=3, pad=1)).layers
    assert pool.kind == "MaxPool2d"
    assert pool.arguments == {"window": 3, "stride": 1, "ceil_mode": True, "padding": 1}
    (dropout,) = read_caffe(one_layer("Dropout")).layers
    assert dropout.arguments == {"drop": 0.5, "scale": "train"}


def test_numbers_of_64_bits_stay_and_transposed_weights_are_turned(read_caffe):
    net = one_layer("InnerProduct", numbers(2, 3), num_output=3, bias_term=False, transpose=True)
    double = net.layer[0].blobs[0]
    double.double_data.extend(double.data)
    double.ClearField("data")
    flatten, layer = read_caffe(net).layers
    assert (flatten.kind, flatten.name) == ("Flatten", "a")
    weight = layer.arrays["weight"]
    assert weight.dtype == np.float64 and weight.flags.c_contiguous
    np.testing.assert_array_equal(weight, numbers(2, 3).T)


def test_numbers_that_are_not_packed_are_read(read_caffe):
    net = one_layer("InnerProduct", numbers(2, 3), num_output=2, bias_term=False)
    packed = net.layer[0].blobs[0]
    unpacked = CAFFE["Unpacked"](shape=packed.shape, data=packed.data).SerializeToString()
    net.layer[0].ClearField("blobs")
    # Field 7 of the layer, written by hand behind its other fields.
    layer = net.layer[0].SerializeToString() + b"\x3a" + bytes([len(unpacked)]) + unpacked
    whole = b"\xa2\x06" + bytes([len(layer)]) + layer
    np.testing.assert_array_equal(read_caffe(whole).layers[1].arrays["weight"], numbers(2, 3))


def test_training_layers_are_left_out_and_softmax_stays(read_caffe):
    net = written(small())
    net.layer[1].include.add(phase=0)  # relu1
    net.layer[3].exclude.add(phase=1)  # pool1, which norm1's reader then finds missing
    net.layer[4].bottom[:] = ["norm1"]
    net.layer.add(name="prob", type="Softmax", bottom=["fc8"], top=["prob"])
    names = [layer.name for layer in read_caffe(net).layers]
    assert "relu1" not in names and "pool1" not in names and names[-1] == "prob"


def test_an_input_layer_gives_the_image_size(read_caffe):
    net = written(small())
    net.ClearField("input_dim")
    assert read_caffe(net).image_size is None
    net.layer.add(name="data", type="Input", top=["data"])
    net.layer[-1].input_param.shape.add(dim=[1, 3, 131, 131])
    assert read_caffe(net).image_size == 131
    net.input_shape.add(dim=[1, 3, 99, 99])
    assert read_caffe(net).image_size == 99


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (one_layer("Eltwise"), "layer 'a' of type 'Eltwise': no AlexNet here has"),
        (one_layer("BatchNorm"), "no AlexNet here has a layer of type BatchNorm"),
        (one_layer("LRN", norm_region=2), "norm_region is 2; 0 .* and 1 .* fit"),
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
def test_a_setting_without_a_counterpart_is_refused_by_name(read_caffe, net, reason):
    with pytest.raises(DataError, match=f"net.caffemodel cannot be read as a Caffe .*{reason}"):
        read_caffe(net)


def test_a_network_that_is_no_chain_is_refused(read_caffe):
    net = written(small())
    net.layer[4].bottom[:] = ["data"]
    with pytest.raises(DataError, match="'conv2'.*reads 'data', the layer before it gives 'pool1'"):
        read_caffe(net)
    net.layer[4].bottom[:] = ["pool1", "data"]
    with pytest.raises(DataError, match="has 2 inputs and 1 outputs"):
        read_caffe(net)


def test_other_files_are_refused_in_words(read_caffe, tmp_path):
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
        (b"", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 40, "it has no layers, so it is no Caffe model"),
        (b'name: "AlexNet"\nlayer {\n}\n', "byte"),
    ]:
        with pytest.raises(DataError, match=reason):
            read_caffe(content)
    with pytest.raises(DataError, match="No such file"):
        caffe_file.read(tmp_path / "missing.caffemodel")
    with pytest.raises(DataError, match="it is a folder"):
        caffe_file.read(tmp_path)
