"""build: names, shapes, changes, initial weights and errors of every network."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS, build
from alexnet.network.plan import plan, smallest_image_size
from alexnet.network.variants import changed
from tinynet import random
from tinynet.ops.windows import output_size

NAMES = list(SPECS)


@pytest.fixture(autouse=True)
def seed_as_before():
    state = random.get_state()
    yield
    random.set_state(state)


def plan_of(name, num_classes=1000, image_size=None, **changes):
    spec = changed(SPECS[name], **changes)
    return plan(spec, num_classes, image_size or spec.image_size)


def small(name, **arguments):
    """The network with an eighth of its widths and its smallest image."""
    arguments = {"num_classes": 10, "width": 0.125, **arguments}
    return build(name, image_size=smallest_image_size(SPECS[name]), **arguments)


def weights_of(model):
    return {name: parameter.numpy() for name, parameter in model.named_parameters()}


# --- names and shapes -----------------------------------------------------------------------------

ORDER = {
    "paper": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 "
    "pool5 flatten fc6 relu6 dropout6 fc7 relu7 dropout7 fc8",
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
ORDER["caffe"] = ORDER["one-gpu"] = ORDER["paper"]


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
    assert [sides[layer] for layer in maps] == [55, 27, 27, 13, 13, 13, 13, 6]


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


@pytest.mark.parametrize("name", ["paper", "caffe", "torchvision"])
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


# --- image sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, smallest",
    [
        ("paper", 67),
        ("one-gpu", 67),
        ("single-tower", 67),
        ("batch-norm", 67),
        ("caffe", 39),
        ("caffenet", 39),
        ("one-weird-trick", 39),
        ("torchvision", 63),
        ("cifar10", 8),
    ],
)
def test_the_smallest_image_works_and_one_less_is_an_error_that_names_it(name, smallest):
    assert smallest_image_size(SPECS[name]) == smallest
    assert min(plan_of(name, 10, smallest)[-3].outputs) >= 1
    words = f"image_size {smallest - 1} leaves .* smallest .* {name} is {smallest}$"
    with pytest.raises(ValueError, match=words):
        build(name, image_size=smallest - 1)


def test_the_smallest_image_follows_the_pools():
    assert smallest_image_size(changed(SPECS["paper"], pool=(2, 2))) == 39


@pytest.mark.parametrize(
    "size, window, stride, down, up",
    [(55, 3, 2, 27, 27), (54, 3, 2, 26, 27), (2, 3, 2, 0, 1), (5, 1, 3, 2, 2), (4, 1, 3, 2, 2)],
)
def test_a_pools_last_window_starts_inside_the_map(size, window, stride, down, up):
    assert output_size(size, window, stride, 0, ceil_mode=False) == down
    assert output_size(size, window, stride, 0, ceil_mode=True) == up


# --- changes: each changes its own part and nothing else ------------------------------------------


def without(layers, prefix):
    return [layer for layer in layers if not layer.name.startswith(prefix)]


def essence(layers):
    return [(layer.name, layer.kind, layer.arguments) for layer in layers]


@pytest.mark.parametrize("name", NAMES)
def test_norm_none_only_leaves_normalisation_out(name):
    assert essence(plan_of(name, norm="none")) == essence(without(plan_of(name), "norm"))


@pytest.mark.parametrize("name", NAMES)
def test_norm_batch_follows_every_convolutions_activation(name):
    layers = plan_of(name, norm="batch")
    assert essence(without(layers, "norm")) == essence(without(plan_of(name), "norm"))
    names = [layer.name for layer in layers]
    norms = [layer for layer in layers if layer.name.startswith("norm")]
    assert len(norms) == len(SPECS[name].convolutions)
    for layer in norms:
        assert names[names.index(layer.name) - 1] == layer.name.replace("norm", "relu")
        channels = layer.inputs[0]
        assert layer.kind == "BatchNorm2d"
        assert layer.arguments == {"channels": channels, "eps": 1e-3, "momentum": 0.01}


@pytest.mark.parametrize("name", ["torchvision", "batch-norm", "cifar10"])
def test_norm_lrn_closes_blocks_1_and_2_where_a_spec_has_none(name):
    layers = plan_of(name, norm="lrn")
    assert essence(without(layers, "norm")) == essence(without(plan_of(name), "norm"))
    lrn = [layer for layer in layers if layer.kind == "LocalResponseNorm"]
    assert [layer.name for layer in lrn] == ["norm1", "norm2"]
    assert all(layer.arguments == vars(SPECS["caffenet"].lrn) for layer in lrn)
    names = [layer.name for layer in layers]
    assert names[names.index("norm1") + 1] == "conv2" and names[names.index("norm2") + 1] == "conv3"


def test_norm_lrn_keeps_the_lrn_a_spec_has():
    for name in ("paper", "caffe", "caffenet", "single-tower", "one-gpu", "one-weird-trick"):
        assert changed(SPECS[name], norm="lrn") == SPECS[name]


@pytest.mark.parametrize("name", NAMES)
def test_activation_tanh_replaces_every_relu_in_its_place(name):
    expected = [
        (layer.name.replace("relu", "tanh"), layer.kind.replace("ReLU", "Tanh"), layer.arguments)
        for layer in plan_of(name)
    ]
    assert essence(plan_of(name, activation="tanh")) == expected
    assert plan_of(name, activation="relu") == plan_of(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window, stride", [(2, 2), (2, 1)])
def test_pool_changes_every_pools_window_and_stride(name, window, stride):
    before, after = plan_of(name), plan_of(name, pool=(window, stride))
    assert [(layer.name, layer.kind) for layer in before] == [
        (layer.name, layer.kind) for layer in after
    ]
    for old, new in zip(before, after, strict=True):
        if old.kind in ("MaxPool2d", "AvgPool2d"):
            ceil_mode = SPECS[name].pool.ceil_mode
            assert new.arguments == {"window": window, "stride": stride, "ceil_mode": ceil_mode}
        elif old.kind != "Linear":
            assert new.arguments == old.arguments


@pytest.mark.parametrize("name", NAMES)
def test_dropout_0_leaves_the_dropout_layers_out(name):
    assert essence(plan_of(name, dropout=0.0)) == essence(without(plan_of(name), "dropout"))


def test_dropout_changes_the_probability_alone():
    for old, new in zip(plan_of("paper"), plan_of("paper", dropout=0.3), strict=True):
        if old.kind == "Dropout":
            assert new.arguments == {"drop": 0.3, "scale": "test"}
        else:
            assert new == old


def test_groups_1_joins_the_papers_towers_and_groups_2_splits_others():
    one_tower = changed(SPECS["paper"], groups=1)
    two_towers = changed(SPECS["single-tower"], groups=2)
    assert one_tower == replace(SPECS["paper"], convolutions=SPECS["single-tower"].convolutions)
    assert two_towers == replace(SPECS["single-tower"], convolutions=SPECS["paper"].convolutions)


def test_width_scales_every_width_but_the_classes():
    layers = {layer.name: layer.outputs[0] for layer in plan_of("paper", 7, width=0.25)}
    widths = [layers[name] for name in "conv1 conv2 conv3 conv4 conv5 fc6 fc7 fc8".split()]
    assert widths == [24, 64, 96, 96, 64, 1024, 1024, 7]


@pytest.mark.parametrize("width", [0.001, 0.03, 0.37, 1.013])
def test_scaled_kernels_can_be_divided_between_two_towers(width):
    layers = plan_of("paper", width=width)
    for layer in layers:
        if layer.kind == "Conv2d":
            arguments = layer.arguments
            assert arguments["out_channels"] % arguments["groups"] == 0
            assert layer.name == "conv1" or arguments["in_channels"] % arguments["groups"] == 0


def test_changes_without_weights_keep_the_initial_weights():
    tn.seed(5)
    base = weights_of(small("paper"))
    for change in ({"norm": "none"}, {"activation": "tanh"}, {"dropout": 0.0}, {"dropout": 0.2}):
        other = weights_of(small("paper", **change))
        assert base.keys() == other.keys()
        assert all(np.array_equal(base[key], other[key]) for key in base)


# --- initial weights ------------------------------------------------------------------------------


def assert_normal(values, deviation):
    """Check mean and deviation, each to five times its standard error."""
    assert abs(values.mean()) <= 5 * deviation / math.sqrt(values.size)
    assert abs(values.std() / deviation - 1) <= 5 / math.sqrt(2 * values.size)
    assert abs(values).max() > 2 * deviation  # uniform numbers of this deviation end at 1.73


def assert_uniform(values, bound):
    assert abs(values).max() <= bound
    assert abs(values.std() * math.sqrt(3) / bound - 1) <= 5 / math.sqrt(values.size)


@pytest.mark.parametrize("name", [name for name in NAMES if SPECS[name].weights.rule == "normal"])
def test_published_weights_are_normal_and_biases_constant(name):
    weights = SPECS[name].weights
    arrays = weights_of(build(name, 100, smallest_image_size(SPECS[name]), width=0.25))
    layers = [layer for layer in ORDER[name].split() if layer.startswith(("conv", "fc"))]
    for layer, deviation, bias in zip(layers, weights.deviations, weights.biases, strict=True):
        assert_normal(arrays[f"{layer}.weight"], deviation)
        assert np.all(arrays[f"{layer}.bias"] == np.float32(bias))


@pytest.mark.parametrize("name", ["paper", "torchvision", "cifar10"])
def test_he_has_deviation_sqrt_2_over_fan_in_and_no_biases(name):
    for key, values in weights_of(small(name, init="he", width=0.25, num_classes=100)).items():
        if key.endswith("bias"):
            assert not values.any()
        else:
            assert_normal(values, math.sqrt(2 / values[0].size))


def test_torchvision_is_uniform_with_bound_1_over_sqrt_fan_in_biases_too():
    weights = weights_of(small("torchvision", width=0.25, num_classes=100))
    for key, values in weights.items():
        fan_in = weights[key.replace("bias", "weight")][0].size
        assert_uniform(values, 1 / math.sqrt(fan_in))


def test_batch_norm_is_glorot_uniform_with_scales_of_1_and_no_biases():
    for key, values in weights_of(small("batch-norm", width=0.25, num_classes=100)).items():
        if key.endswith("bias"):
            assert not values.any()
        elif key.startswith("norm"):
            assert np.all(values == 1)
        else:
            fan_out = values.shape[0] * math.prod(values.shape[2:])
            assert_uniform(values, math.sqrt(6 / (values[0].size + fan_out)))


def test_init_replaces_the_specs_own_rule_and_published_keeps_it():
    assert changed(SPECS["paper"], init="glorot").weights.rule == "glorot"
    assert changed(SPECS["paper"], init="pytorch").weights == SPECS["torchvision"].weights
    assert changed(SPECS["paper"], init="published") == SPECS["paper"]


def test_weights_depend_on_the_seed_alone():
    tn.seed(1)
    first, again = weights_of(small("paper")), weights_of(small("paper"))
    tn.seed(2)
    other = weights_of(small("paper"))
    for key in first:
        assert np.array_equal(first[key], again[key])
        assert key.endswith("bias") or not np.array_equal(first[key], other[key])


def test_no_two_layers_share_their_numbers():
    weights = weights_of(small("paper", init="he"))
    firsts = [
        round(float(weights[key].flat[0] / weights[key].std()), 3) for key in weights if "w" in key
    ]
    assert len(set(firsts)) == len(firsts)


def test_float32_weights_are_the_float64_weights_rounded():
    for name in ("paper", "torchvision"):
        tn.seed(3)
        single, double = weights_of(small(name)), weights_of(small(name, dtype="float64"))
        for key in single:
            assert single[key].dtype == np.float32 and double[key].dtype == np.float64
            np.testing.assert_allclose(single[key], double[key], rtol=1e-6, atol=1e-8)


# --- a model can be made again --------------------------------------------------------------------


def test_options_are_plain_values_that_build_the_same_network_again():
    changes = {"activation": "tanh", "norm": "batch", "pool": (2, 2), "dropout": 0.25}
    changes |= {"groups": 1, "width": 0.125, "init": "he"}
    tn.seed(4)
    model = build("paper", 10, 67, "float64", **changes)
    options = json.loads(json.dumps(model.options))
    again = build(**options)
    assert again.options == model.options
    assert [name for name, _ in again] == [name for name, _ in model]
    first, second = weights_of(model), weights_of(again)
    assert all(np.array_equal(first[key], second[key]) for key in first)


def test_a_model_knows_its_spec_size_and_classes():
    model = build(SPECS["cifar10"], 10, width=0.5)
    assert (model.spec.name, model.image_size, model.num_classes) == ("cifar10", 32, 10)
    assert model.spec.convolutions[0].out == 16
    assert model.options["spec"] == "cifar10"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"spec": "vgg"}, "no spec 'vgg'; there are paper, caffe"),
        ({"spec": 3}, "no spec 3"),
        ({"num_classes": 0}, "num_classes must be an integer from 1, got 0"),
        ({"num_classes": 2.5}, "num_classes must be an integer"),
        ({"image_size": -1}, "image_size must be an integer from 1"),
        ({"image_size": (227, 227)}, "image_size must be an integer from 1"),
        ({"dtype": np.int32}, "dtype must be float32 or float64"),
        ({"dtype": None}, "dtype must be float32 or float64"),
        ({"activation": "sigmoid"}, "activation must be one of relu, tanh, got 'sigmoid'"),
        ({"norm": "layer"}, "norm must be one of lrn, batch, none"),
        ({"pool": 3}, r"pool must be \(window, stride\)"),
        ({"pool": (3, 0)}, r"pool must be \(window, stride\)"),
        ({"dropout": 1.0}, "0 <= dropout < 1"),
        ({"dropout": float("nan")}, "0 <= dropout < 1"),
        ({"dropout": True}, "0 <= dropout < 1"),
        ({"groups": 4}, "groups must be 1 .* or 2"),
        ({"width": 0}, "width must be a positive number"),
        ({"width": float("nan")}, "width must be a positive number"),
        ({"width": "wide"}, "width must be a positive number"),
        ({"init": "xavier"}, "init must be one of published, he, glorot, pytorch"),
        ({"spec": "cifar10", "groups": 2}, "spec cifar10 has 3 convolutions, only groups=1"),
        ({"spec": "cifar10", "dropout": 0.5}, "spec cifar10 has no hidden .* dropout=0.0 fits"),
    ],
)
def test_an_argument_that_does_not_fit_is_an_error_that_names_it(arguments, words):
    with pytest.raises(ValueError, match=words):
        build(**{"spec": "paper", **arguments})


def test_a_row_outside_of_specs_is_an_error_that_says_how_to_add_it(monkeypatch):
    row = replace(SPECS["cifar10"], hidden=())
    assert build(row, 2).options["spec"] == "cifar10"
    with pytest.raises(ValueError, match="differs from SPECS"):
        build(replace(row, image_size=24), 2)
    own = replace(row, name="mine", image_size=24)
    with pytest.raises(ValueError, match="no spec 'mine'.*goes into SPECS"):
        build(own, 2)
    monkeypatch.setitem(SPECS, "mine", own)
    assert build(own, 2).options["image_size"] == 24


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
