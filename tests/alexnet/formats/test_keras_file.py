"""Files of Keras, written by h5py in the four layouts of Keras 2 and 3."""

import builtins
import json

import numpy as np
import pytest

from alexnet.errors import DataError, UsageError
from alexnet.formats import keras_file
from alexnet.network.plan import plan
from alexnet.weights.file_network import arranged
from tests.alexnet.formats.keras_models import (
    FLATTEN,
    LAYOUTS,
    SIZE,
    config,
    conv,
    dense,
    keras_layers,
    kernel,
    small,
    write,
)

h5py = pytest.importorskip("h5py", reason="h5py reads and writes files of Keras")

# --- whole files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spec", ["batch-norm", "single-tower"])
def test_each_layout_is_the_model_it_was_written_from(read_keras, layout, spec):
    changes = {} if spec == "batch-norm" else {"norm": "none", "activation": "tanh"}
    model = small(spec, **changes)
    network = read_keras(keras_layers(model), layout)
    assert (network.channels, network.flatten) == ("rgb", "hwc")
    rows = plan(model.spec, 7, SIZE)
    if "model" in layout:
        assert (network.complete, network.format) == (True, "a Keras model")
        assert (network.spec, network.image_size) == (None, SIZE)  # the layers themselves say it
        assert [(layer.kind, layer.arguments) for layer in network.layers] == [
            (row.kind, row.arguments) for row in rows
        ]
    else:
        assert (network.complete, network.format) == (False, "Keras weights")
        assert (network.spec, network.image_size) == (spec, None)
    expected = model.state_dict()
    weighted = arranged(network).weighted()
    names = [row.name for row in rows if f"{row.name}.weight" in expected]
    assert len(weighted) == len(names)
    for layer, name in zip(weighted, names, strict=True):
        for key, array in layer.arrays.items():
            assert array.dtype == np.float32 and array.flags.c_contiguous
            np.testing.assert_array_equal(array, expected[f"{name}.{key}"], f"{name}.{key}")
    assert sum(len(layer.arrays) for layer in weighted) == len(expected)


@pytest.mark.parametrize("version", [2, 3])
def test_a_functional_model_is_read_along_its_connections(read_keras, version):
    layers = keras_layers(small())
    description = config(layers, version, functional=True)
    # The order of connections counts. Of one class the order in the list names the arrays.
    rows = description["config"]["layers"]
    rows.sort(key=lambda row: row["class_name"])
    layout = f"keras {version}, model"
    network = read_keras(layers, layout, description)
    assert [layer.name for layer in network.layers if layer.arrays][:4] == [
        "conv2d", "batch_normalization", "conv2d_1", "batch_normalization_1",
    ]  # fmt: skip
    rows[3]["inbound_nodes"] = rows[4]["inbound_nodes"]
    with pytest.raises(DataError, match="form no chain"):
        read_keras(layers, layout, description)
    rows[3]["inbound_nodes"] = rows[4]["inbound_nodes"] * 2
    with pytest.raises(DataError, match="called 2 times"):
        read_keras(layers, layout, description)


def test_tensorflows_keras_2_13_calls_the_layers_otherwise(read_keras, tmp_path):
    read_keras(keras_layers(small()), "keras 3, weights")
    with h5py.File(tmp_path / "net.keras", "a") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    assert len(keras_file.read(tmp_path / "net.keras").layers) == 13


def test_the_order_of_weights_is_the_files_or_goes_by_numbers(read_keras):
    layers = keras_layers(small("single-tower", norm="none"))
    layers[0][1]["name"], layers[-1][1]["name"] = "zebra", "block1/ant"
    names = [layer.name for layer in read_keras(layers, "keras 2, weights").layers]
    assert (names[0], names[-1]) == ("zebra", "block1/ant")
    extra = [("Dense", {}, {"kernel": np.ones((1, 1))})] * 12
    names = [layer.name for layer in read_keras(layers + extra, "keras 3, weights").layers]
    assert names[-1] == "dense_14" and names[4:8] == ["conv2d_4", "dense", "dense_1", "dense_2"]


# --- single layers --------------------------------------------------------------------------------


def test_zero_padding_and_activations_become_arguments_and_layers(read_keras):
    padded = ("ZeroPadding2D", {"name": "pad", "padding": [[2, 2], [1, 1]]}, {})
    first, relu, pool, flatten, last, softmax = read_keras(
        [
            padded,
            conv(activation="relu", padding="same", strides=1),
            ("AveragePooling2D", {"name": "pool", "pool_size": 3, "strides": 1,
                                  "padding": "same"}, {}),
            FLATTEN,
            dense(use_bias=False),
            ("Activation", {"name": "probabilities", "activation": "softmax"}, {}),
        ]
    ).layers  # fmt: skip
    assert first.arguments == {
        "in_channels": 3, "out_channels": 4, "kernel": 3, "stride": 1, "padding": (3, 2),
        "groups": 1,
        "ceil_mode": False,
    }  # fmt: skip
    assert list(first.arrays) == ["weight"]
    assert (relu.name, relu.kind) == ("conv2d", "ReLU")
    assert pool.arguments == {
        "window": 3, "stride": 1, "ceil_mode": False, "padding": 1, "count_include_pad": False,
    }  # fmt: skip
    assert (softmax.name, softmax.kind) == ("probabilities", "Softmax")


def test_the_zeros_of_same_padding_depend_on_the_size(read_keras):
    pool = ("MaxPooling2D", {"name": "pool", "pool_size": 3, "strides": 2, "padding": "same"}, {})
    for size, first in ((13, conv(padding="same")), (15, conv())):  # maps of 13: one zero
        description = config([first, pool], size=size)
        assert (
            read_keras([first, pool], description=description).layers[1].arguments["padding"] == 1
        )
    with pytest.raises(DataError, match="0 zeros on one side and 1 on the other"):
        read_keras([conv(), pool], description=config([conv(), pool], size=14))
    with pytest.raises(DataError, match="which the file does not tell"):
        read_keras([conv(), pool], description=config([conv(), pool], size=None))
    with pytest.raises(DataError, match="1 zeros on one side and 2 on the other"):
        even = conv({"kernel": kernel(4, 4, 3, 4)}, kernel_size=4, padding="same")
        read_keras([even])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_scale_or_center_are_ones_or_zeros(read_keras, layout):
    vectors = [kernel(4) + number for number in range(4)]
    names = ["gamma", "beta", "moving_mean", "moving_variance"]
    for missing in ((), ("gamma",), ("gamma", "beta")):
        arrays = {n: v for n, v in zip(names, vectors, strict=True) if n not in missing}
        settings = {"name": "batch_normalization", "scale": "gamma" not in missing,
                    "center": "beta" not in missing}  # fmt: skip
        layers = [conv(), ("BatchNormalization", settings, arrays)]
        if len(missing) == 1 and layout == "keras 3, weights":
            with pytest.raises(DataError, match="has 3 arrays, and the file does not tell which"):
                read_keras(layers, layout)
            continue
        norm = read_keras(layers, layout).layers[1]
        weight = np.ones(4) if "gamma" in missing else vectors[0]
        bias = np.zeros(4) if "beta" in missing else vectors[1]
        found = [norm.arrays[n] for n in ("weight", "bias", "running_mean", "running_var")]
        np.testing.assert_array_equal(found, [weight, bias, vectors[2], vectors[3]])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(">f4", np.float32), ("f2", np.float32), ("f8", np.float64), ("bfloat16", np.float32)],
)
def test_numbers_of_other_widths_are_read(tmp_path, dtype, expected):
    numbers = np.linspace(-2, 2, 108).reshape(3, 3, 3, 4).astype(np.float16)
    written = numbers.astype(np.float32).view(np.uint32)
    stored = (written >> 16).astype("<u2").view("V2") if dtype == "bfloat16" else numbers
    stored = stored if dtype == "bfloat16" else numbers.astype(dtype)
    write(tmp_path / "net.keras", [conv({})], "keras 3, weights")
    with h5py.File(tmp_path / "net.keras", "a") as file:
        dataset = file["layers/conv2d/vars"].create_dataset("0", data=stored)
        if dtype == "bfloat16":
            dataset.attrs["dtype"] = "bfloat16"
            numbers = (written & 0xFFFF0000).view(np.float32)
    weight = keras_file.read(tmp_path / "net.keras").layers[0].arrays["weight"]
    assert weight.dtype == expected
    np.testing.assert_array_equal(weight, numbers.transpose(3, 2, 0, 1))


def layer(kind, **settings):
    return kind, {"name": "a"} | settings, {}


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([layer("Lambda", function="__import__('os').system('true')")],
         "layer 'a' is a Lambda, a program inside the file, which is never run"),
        ([layer("Concatenate")], "layer 'a' is of class 'Concatenate', which no AlexNet"),
        ([layer("Sequential", layers=[])], "layer 'a' is of class 'Sequential'"),
        ([conv(data_format="channels_first")], "'channels_first'; channels_last fits"),
        ([conv(activation="elu")], "layer 'conv2d' has the activation 'elu'"),
        ([conv(activation={"class_name": "__lambda__"})], "has the activation {'class_name'"),
        ([conv(dilation_rate=[2, 2])], "dilated"),
        ([conv(padding="causal")], "padding 'causal'"),
        ([conv(kernel_size=5)], r"kernel_size \(5, 5\) and a kernel of shape \(3, 3, 3, 4\)"),
        ([conv(kernel_size=[3])], "kernel_size is .*, should be two of"),
        ([conv(filters=5)], "5 filters in 1 groups"),
        ([conv(groups=3)], "4 filters in 3 groups"),
        ([conv(use_bias=True)], "its settings need kernel, bias"),
        ([conv(use_bias="yes")], "use_bias is 'yes', should be true or false"),
        ([conv({"kernel": kernel(3, 3, 12)})], "kernel of shape"),
        ([layer("ZeroPadding2D", padding=[[0, 1], [0, 1]]), conv()], "as many on both sides fit"),
        ([layer("ZeroPadding2D", padding=[1, 2, 3]), conv()], "no padding of rows and columns"),
        ([layer("ZeroPadding2D"), layer("Flatten", name="b")], "only Conv2D may"),
        ([conv(), layer("ZeroPadding2D")], "for no convolution"),
        ([conv(), dense()], "maps that are not flattened"),
        ([conv(), FLATTEN, layer("MaxPooling2D")], "reads flattened maps"),
        ([conv(), FLATTEN, dense(units=3, use_bias=False)], "3 units and a kernel of shape"),
        ([conv(), layer("Dropout", rate=1.0)], "rate is 1.0, should be"),
        ([conv(), layer("ReLU", max_value=6.0)], "max_value 6.0"),
        ([conv(), layer("BatchNormalization", axis=1)], "normalises axis 1"),
        ([FLATTEN], "no layers with arrays"),
        ([conv(), conv()], "two layers of its model have one name"),
    ],
)  # fmt: skip
def test_a_setting_without_a_counterpart_is_refused_by_name(read_keras, layers, reason):
    with pytest.raises(DataError, match=f"net.keras cannot be read as a file of Keras: .*{reason}"):
        read_keras(layers)


def test_a_class_of_the_users_own_is_refused(read_keras):
    for change in ({"module": "my_package"}, {"registered_name": "Custom>Conv2D"}):
        description = config([conv()])
        description["config"]["layers"][1] |= change
        with pytest.raises(DataError, match="'conv2d' is of class .*not one of Keras' own"):
            read_keras([conv()], description=description)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [],
        lambda d: {"class_name": "Sequential"},
        lambda d: d | {"class_name": "MyModel"},
        lambda d: d | {"config": {"layers": 3}},
        lambda d: d | {"config": {"layers": []}},
        lambda d: d | {"config": {"layers": [[]]}},
        lambda d: d | {"config": {"layers": [{"class_name": "Conv2D", "config": []}]}},
        lambda d: d | {"config": {"layers": [{"class_name": "Conv2D", "config": {"name": 3}}]}},
        lambda d: d | {"class_name": "Functional"},
        lambda d: config([conv()], size=1 << 40),
        lambda d: config([conv()], size="big"),
        lambda d: d["config"]["layers"][0]["config"].update(batch_shape=[None, 9, 8, 3]) or d,
        lambda d: d["config"]["layers"][0]["config"].update(batch_shape="all") or d,
        lambda d: json.loads("[" * 500 + "]" * 500),
    ],
)
def test_descriptions_of_other_things_are_errors_in_words(read_keras, change):
    with pytest.raises(DataError, match="net.keras cannot be read as a file of Keras"):
        read_keras([conv()], description=change(config([conv()])))


@pytest.mark.parametrize(
    "nodes",
    [[[]], [3], [[[]]], [[3]], [{}], [{"args": 3}], [{"args": [3]}], [{"args": []}], ["a"],
     [{"args": [{"config": {"keras_history": []}}]}], [["conv2d", 0, 0]], [["gone", 0, 0]]],
)  # fmt: skip
def test_connections_of_other_forms_are_errors_in_words(read_keras, nodes):
    description = config([conv()], functional=True)
    description["config"]["layers"][1]["inbound_nodes"] = nodes
    with pytest.raises(DataError, match="net.keras cannot be read as a file of Keras"):
        read_keras([conv()], description=description)


def test_h5py_is_asked_for_by_name(read_keras, monkeypatch, tmp_path):
    read_keras([conv()])
    import_package = builtins.__import__

    def without(name, *arguments):
        if name == "h5py":
            raise ImportError
        return import_package(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="pip install h5py"):
        keras_file.read(tmp_path / "net.keras")
