"""Layers from arrays with names: every way of naming, any order, and what belongs to no layer."""

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.errors import DataError
from alexnet.formats.named_arrays import layers_of, spec_of, torchvision_name


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


@pytest.fixture(scope="module")
def state():
    with tn.use_backend("numpy"):
        model = alexnet.build("batch-norm", num_classes=7, image_size=67, width=0.05)
        return model.state_dict()


def test_our_state_dict_gives_its_layers_in_order(state):
    layers = layers_of(state)
    blocks = [f"{kind}{n}" for n in range(1, 6) for kind in ("conv", "norm")]
    assert [layer.name for layer in layers] == [*blocks, "fc6", "fc7", "fc8"]
    kinds = {"conv": "Conv2d", "norm": "BatchNorm2d", "fc": "Linear"}
    for layer in layers:
        assert layer.kind == kinds[layer.name[:-1]]
        for part, array in layer.arrays.items():
            assert np.array_equal(array, state[f"{layer.name}.{part}"])
    assert len(layers[1].arrays) == 4 and layers[1].arguments == {"channels": 5}
    assert layers[0].arguments == {"out_channels": 5, "kernel": 11}
    assert layers[-1].arguments == {"in_features": 205, "out_features": 7}
    assert spec_of(layers) is None


def test_the_order_of_the_file_does_not_matter_where_the_names_tell_it(state):
    layers = layers_of(dict(sorted(state.items())))  # as .safetensors files are ordered
    assert [layer.name for layer in layers] == [layer.name for layer in layers_of(state)]
    names = ["fc1", "conv10", "bn2", "conv2", "fc2", "conv1"]
    arrays = {f"{name}.weight": ones(2, 2, 1, 1) for name in names if name[:2] == "co"}
    arrays |= {f"{name}.weight": ones(2, 2) for name in names if name[:2] == "fc"}
    parts = ("weight", "bias", "running_mean", "running_var")
    arrays |= {f"bn2.{part}": ones(2) for part in parts}
    ordered = [layer.name for layer in layers_of(dict(sorted(arrays.items())))]
    assert ordered == ["conv1", "conv2", "bn2", "conv10", "fc1", "fc2"]
    arrays = {"stem.weight": ones(2, 2, 1, 1), "conv1.weight": ones(2, 2, 1, 1)}
    assert [layer.name for layer in layers_of(arrays)] == ["stem", "conv1"]


def test_torchvision_names_are_ordered_and_known():
    ours = [f"conv{n}" for n in range(1, 6)] + ["fc6", "fc7", "fc8"]
    names = [torchvision_name(name) for name in ours]
    assert names == [f"features.{n}" for n in (0, 3, 6, 8, 10)] + [
        f"classifier.{n}" for n in (1, 4, 6)
    ]
    shapes = {name: (2, 2, 3, 3) if name[0] == "f" else (2, 2) for name in sorted(names)}
    layers = layers_of({f"{name}.weight": ones(*shape) for name, shape in shapes.items()})
    assert [layer.name for layer in layers] == names
    assert spec_of(layers) == "torchvision" and spec_of(layers[:5]) == "torchvision"
    other = layers_of({"features.1.weight": ones(2, 2, 3, 3)})
    assert spec_of(other) is None


@pytest.mark.parametrize(
    "weight, bias",
    [
        ("conv1.weight", "conv1.bias"),
        ("conv1_w", "conv1_b"),
        ("conv1_W", "conv1_B"),
        ("conv1_weight", "conv1_bias"),
        ("conv1/weights", "conv1/biases"),
    ],
)
def test_every_way_of_naming_an_array(weight, bias):
    (layer,) = layers_of({weight: ones(4, 3, 5, 2), bias: ones(4)})
    assert (layer.name, layer.kind, set(layer.arrays)) == ("conv1", "Conv2d", {"weight", "bias"})
    assert layer.arguments == {"out_channels": 4, "kernel": (5, 2)}


@pytest.mark.parametrize(
    "dtype, expected",
    [("<f2", "float32"), (">f2", "float32"), (">f4", "float32"), ("f4", "float32"),
     ("f8", "float64"), (">f8", "float64")],
)  # fmt: skip
def test_floats_become_float32_or_stay_float64(dtype, expected):
    array = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
    (layer,) = layers_of({"fc6.weight": array})
    weight = layer.arrays["weight"]
    assert weight.dtype == np.dtype(expected) and weight.dtype.isnative
    assert weight.flags.c_contiguous and weight.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_counts_of_batches_are_dropped():
    arrays = {f"bn1.{part}": ones(2) for part in ("weight", "bias", "running_mean", "running_var")}
    (layer,) = layers_of(arrays | {"bn1.num_batches_tracked": np.array(3)})
    assert set(layer.arrays) == {"weight", "bias", "running_mean", "running_var"}


NORM = {f"n.{part}": ones(2) for part in ("weight", "bias", "running_mean", "running_var")}


@pytest.mark.parametrize(
    "arrays, reason",
    [
        ({}, "no weights of layers"),
        ({"mean": ones(3)}, "its array mean belongs to no layer"),
        ({"conv1.weight": ones(2, 2), "epoch": ones()}, "its array epoch belongs to no layer"),
        ({"a\x1b[2J": ones(2)}, r"its array a\\x1b\[2J belongs"),
        ({"conv1\n.weight": ones(2)}, r"its array conv1\\n.weight belongs"),
        ({".weight": ones(2, 2)}, "its array .weight belongs to no layer"),
        ({"conv1.weight": ones(2, 2), "conv1_w": ones(2, 2)}, "conv1 has two arrays for the weig"),
        ({"fc6.bias": ones(2)}, "layer fc6 has bias, but no weight"),
        ({"fc6.weight": ones(2, 3), "fc6.bias": ones(3)}, r"bias of fc6 has the shape \(3,\)"),
        ({"fc6.weight": ones(2, 3), "fc6.bias": ones(1, 2)}, r"bias of fc6 has the shape \(1, 2\)"),
        ({"a.weight": ones(2, 3, 4)}, r"weight of a has the shape \(2, 3, 4\)"),
        ({"a.weight": ones()}, r"weight of a has the shape \(\)"),
        ({"a.weight": ones(0, 3)}, r"weight of a has the shape \(0, 3\)"),
        ({"a.weight": ones(3)}, "a seems to be a BatchNorm2d .* lacks bias, running_mean, runnin"),
        ({"a.weight": ones(3, 3), "a.running_var": ones(3)}, "a Linear .* has running_var"),
        (NORM | {"n.running_mean": ones(3)}, "running_mean of n has the shape"),
        (NORM | {"n.running_var": -ones(2)}, "negative variance"),
        ({"a.weight": np.ones((2, 2), np.int64)}, "a.weight is int64"),
        ({"a.weight": np.ones((2, 2), complex)}, "a.weight is complex128"),
        ({"a.weight": np.ones((2, 2), np.longdouble)}, "a.weight is (float128|longdouble)"),
        ({"a.weight": np.array([[1, np.nan], [np.inf, 2]])}, "holds 2 numbers that are NaN or"),
    ],
)
def test_arrays_that_make_no_layers_are_named(arrays, reason):
    with pytest.raises(DataError, match=reason):
        layers_of(arrays)
