"""build: names, shapes and errors of every network."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS, build
from tests.alexnet.network.small_networks import NAMES, plan_of, small, weights_of

# --- names and shapes -----------------------------------------------------------------------------

ORDER = {
    "paper": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 "
    "pool5 flatten fc6 relu6 dropout6 fc7 relu7 dropout7 fc8",
    "code-2012": "conv1 norm1 pool1 relu1 conv2 relu2 norm2 samemap2 pool2 conv3 relu3 conv4 relu4 "
    "conv5 pool5 relu5 flatten fc6 relu6 dropout6 fc7 relu7 dropout7 fc8",
    "caffenet": "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 "
    "relu5 pool5 flatten fc6 relu6 dropout6 fc7 relu7 dropout7 fc8",
    "single-tower": "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 "
    "relu5 pool5 flatten dropout6 fc6 relu6 dropout7 fc7 relu7 fc8",
    "one-weird-trick": "conv1 norm1 pool1 relu1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 "
    "conv5 pool5 relu5 flatten fc6 relu6 dropout6 fc7 relu7 dropout7 fc8",
    "torchvision": "conv1 relu1 pool1 conv2 relu2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5 "
    "avgpool flatten dropout6 fc6 relu6 dropout7 fc7 relu7 fc8",
    "batch-norm": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 norm3 conv4 relu4 "
    "norm4 conv5 relu5 norm5 pool5 flatten fc6 relu6 dropout6 fc7 relu7 dropout7 fc8",
    "cifar10": "conv1 pool1 relu1 conv2 relu2 pool2 conv3 relu3 pool3 flatten fc10",
}
ORDER["caffe"] = ORDER["onnx-zoo"] = ORDER["one-gpu"] = ORDER["paper"]


@pytest.mark.parametrize("name", NAMES)
def test_layers_carry_the_papers_names_in_the_published_order(name):
    assert " ".join(layer for layer, _ in small(name)) == ORDER[name]


@pytest.mark.parametrize("name", NAMES)
def test_state_dict_has_a_weight_and_a_bias_for_each_layer_with_weights(name):
    layers = [layer for layer in ORDER[name].split() if layer.startswith(("conv", "fc"))]
    expected = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    if name == "batch-norm":
        kinds = ("weight", "bias", "running_mean", "running_var")
        expected |= {f"norm{number}.{kind}" for number in range(1, 6) for kind in kinds}
    assert set(small(name).state_dict()) == expected


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cifar10"])
def test_maps_shrink_as_published(name):
    sides = {layer.name: layer.outputs[1] for layer in plan_of(name) if len(layer.outputs) == 3}
    maps = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5")
    onnx_zoo = [54, 26, 26, 12, 12, 12, 12, 6]  # at 224, and pool5 alone rounds up
    expected = onnx_zoo if name == "onnx-zoo" else [55, 27, 27, 13, 13, 13, 13, 6]
    assert [sides[layer] for layer in maps] == expected


def test_pools_that_round_up_differ_at_224():
    for name, expected in (("paper", [54, 26, 12, 5]), ("caffe", [54, 27, 13, 6])):
        sides = {layer.name: layer.outputs[-1] for layer in plan_of(name, image_size=224)}
        assert [sides[layer] for layer in ("conv1", "pool1", "pool2", "pool5")] == expected


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_computes_the_planned_shapes_in_its_dtype(name, dtype):
    model = small(name, dtype=dtype)
    layers = plan_of(name, 10, model.image_size, width=0.125)
    x = tn.Tensor(np.ones((2, 3, model.image_size, model.image_size), dtype))
    with tn.no_grad():
        for (layer_name, layer), expected in zip(model, layers, strict=True):
            x = layer(x)
            assert (layer_name, x.shape) == (expected.name, (2, *expected.outputs))
            assert x.dtype == dtype
    assert x.shape == (2, 10)


@pytest.mark.parametrize("name", ["paper", "code-2012", "caffe", "torchvision"])
@pytest.mark.parametrize("image_size", [67, 99, 131, 163, 195, 224, 227])
def test_every_image_size_that_the_geometry_allows_works(name, image_size):
    model = build(name, 3, image_size, width=0.03)
    with tn.no_grad():
        logits = model(tn.Tensor(np.ones((1, 3, image_size, image_size), np.float32)))
    assert logits.shape == (1, 3)


def test_planned_shapes_match_the_parameters():
    for name in NAMES:
        model = small(name)
        shapes = {key: parameter.shape for key, parameter in model.named_parameters()}
        for layer in plan_of(name, 10, model.image_size, width=0.125):
            arguments = layer.arguments
            if layer.kind == "Conv2d":
                out, kernel = arguments["out_channels"], arguments["kernel"]
                depth = arguments["in_channels"] // arguments["groups"]
                assert shapes[f"{layer.name}.weight"] == (out, depth, kernel, kernel)
            elif layer.kind == "Linear":
                assert shapes[f"{layer.name}.weight"] == (*layer.outputs, *layer.inputs)
                assert shapes[f"{layer.name}.bias"] == layer.outputs


# --- a model can be made again --------------------------------------------------------------------


def test_build_arguments_are_plain_values_that_build_the_same_network_again():
    changes = {"activation": "tanh", "norm": "batch", "pool": (2, 2), "dropout": 0.25}
    changes |= {"groups": 2, "apart": True, "width": 0.125, "without": "conv4", "init": "he"}
    tn.seed(4)
    model = build("paper", 10, 67, "float64", **changes)
    again = build(**json.loads(json.dumps(model.build_arguments)))
    assert again.build_arguments == model.build_arguments == model.options
    assert [name for name, _ in again] == [name for name, _ in model]
    first, second = weights_of(model), weights_of(again)
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_model_knows_its_spec_size_and_classes():
    model = build(SPECS["cifar10"], 10, width=0.5)
    assert (model.spec.name, model.image_size, model.num_classes) == ("cifar10", 32, 10)
    assert model.spec.convolutions[0].out == 16
    assert model.build_arguments["spec"] == "cifar10"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"spec": "vgg"}, "no spec 'vgg'; there are paper, code-2012, caffe"),
        ({"spec": 3}, "no spec 3"),
        ({"num_classes": 0}, "num_classes must be an integer from 1, got 0"),
        ({"num_classes": 2.5}, "num_classes must be an integer"),
        ({"image_size": -1}, "image_size must be an integer from 1"),
        ({"image_size": (227, 227)}, "image_size must be an integer from 1"),
        ({"dtype": np.int32}, "dtype must be float32 or float64"),
        ({"dtype": None}, "dtype must be float32 or float64"),
        ({"activation": "sigmoid"}, "activation must be one of relu, tanh, got 'sigmoid'"),
        ({"norm": "layer"}, "norm must be one of lrn, same-map, batch, none"),
        ({"pool": 3}, r"pool must be \(window, stride\)"),
        ({"pool": (3, 0)}, r"pool must be \(window, stride\)"),
        ({"dropout": 1.0}, "0 <= dropout < 1"),
        ({"dropout": float("nan")}, "0 <= dropout < 1"),
        ({"dropout": True}, "0 <= dropout < 1"),
        ({"groups": 4}, "groups must be 1 .* or 2"),
        ({"width": 0}, "width must be a positive number"),
        ({"width": float("nan")}, "width must be a positive number"),
        ({"width": 1e308}, "width must be a positive number, at most 1e"),
        ({"width": "wide"}, "width must be a positive number"),
        ({"init": "xavier"}, "init must be one of published, he, glorot, pytorch"),
        ({"spec": "cifar10", "groups": 2}, "spec cifar10 has 3 convolutions, only groups=1"),
        ({"apart": 1}, "apart must be True or False, got 1"),
        ({"apart": True, "groups": 1}, "apart=True keeps two towers apart, groups=1 makes them"),
        ({"spec": "cifar10", "apart": True}, "of five convolutions; spec cifar10 has 3"),
        ({"without": "conv1"}, "without must be one of conv2, conv3, conv4, conv5, fc6, fc7, got"),
        ({"without": "fc8"}, "got 'fc8'; the first convolution and the last fully connected layer"),
        ({"without": "relu2"}, "got 'relu2'"),
        ({"without": ["conv2"]}, "got .'conv2'."),
        ({"spec": "cifar10", "without": "conv4"}, "without must be one of conv2, conv3, got"),
        ({"spec": "cifar10", "dropout": 0.5}, "spec cifar10 has no hidden .* dropout=0.0 fits"),
    ],
)
def test_an_argument_that_does_not_fit_is_an_error_that_names_it(arguments, words):
    with pytest.raises(ValueError, match=words):
        build(**{"spec": "paper", **arguments})


def test_a_row_outside_of_specs_is_an_error_that_says_how_to_add_it(monkeypatch):
    row = replace(SPECS["cifar10"], hidden=())
    assert build(row, 2).build_arguments["spec"] == "cifar10"
    with pytest.raises(ValueError, match="differs from SPECS"):
        build(replace(row, image_size=24), 2)
    own = replace(row, name="mine", image_size=24)
    with pytest.raises(ValueError, match="no spec 'mine'.*goes into SPECS"):
        build(own, 2)
    monkeypatch.setitem(SPECS, "mine", own)
    assert build(own, 2).build_arguments["image_size"] == 24


def test_the_first_loss_is_ln_classes_where_the_last_layers_weights_are_zero():
    # 1e-6 is float32's rounding of ln(1000). With the published 0.01 the loss is only near it.
    model = build("paper", 1000, 67, width=0.125)
    images = np.random.default_rng(0).uniform(-128, 128, (4, 3, 67, 67)).astype(np.float32)
    labels = np.array([0, 1, 500, 999])
    published = tn.softmax_cross_entropy(model(tn.Tensor(images)), labels).item()
    model.fc8.weight.data = np.zeros(model.fc8.weight.shape, np.float32)
    zero = tn.softmax_cross_entropy(model(tn.Tensor(images)), labels).item()
    assert abs(zero - math.log(1000)) < 1e-6 * math.log(1000)
    assert published != zero
