"""A file's network is compared with the rows of SPECS, block by block."""

import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from alexnet.errors import DataError, UsageError
from alexnet.network.plan import array_shapes, plan
from alexnet.network.specs import SPECS
from alexnet.network.variants import changed
from alexnet.weights.file_network import WEIGHTED, FileLayer, FileNetwork, arranged
from alexnet.weights.fits import find_fit, state_of, what_fits


def file_network(row, classes=5, image_size=None, complete=True, **fields):
    """The row as a file tells it. Its arrays are zeros that take no memory."""
    layers = []
    for layer in plan(row, classes, image_size or row.image_size):
        shapes = array_shapes([layer])
        arrays = {
            name.rpartition(".")[2]: np.broadcast_to(np.float32(0), shape)
            for name, shape in (shapes[0] | shapes[1]).items()
        }
        if complete or arrays:
            layers.append(FileLayer(layer.name, layer.kind, layer.arguments, arrays))
    size = image_size or row.image_size
    return FileNetwork("a file", layers, complete, image_size=size, **fields)


def without(network, *kinds):
    return replace(network, layers=[x for x in network.layers if x.kind not in kinds])


def with_arguments(network, kind, **arguments):
    """The network with other arguments in the first layer of this kind."""
    layers = list(network.layers)
    place = next(i for i, layer in enumerate(layers) if layer.kind == kind)
    layers[place] = replace(layers[place], arguments={**layers[place].arguments, **arguments})
    return replace(network, layers=layers)


@pytest.mark.parametrize("name", SPECS)
def test_a_file_that_tells_all_layers_fits_its_own_row_alone(name):
    fit = find_fit(file_network(SPECS[name]))
    assert (fit.spec.name, fit.num_classes, fit.image_size) == (name, 5, SPECS[name].image_size)
    assert fit.differences == []


def test_layers_that_change_nothing_in_test_mode_may_be_left_out_or_added():
    network = without(file_network(SPECS["torchvision"]), "Dropout", "Flatten", "AdaptiveAvgPool2d")
    network = replace(network, layers=[*network.layers, FileLayer("prob", "Softmax")])
    assert find_fit(network).spec.name == "torchvision"


def test_an_adaptive_pool_that_changes_the_size_is_a_layer_of_its_own():
    network = file_network(SPECS["torchvision"], image_size=300)
    assert find_fit(network).image_size == 300
    with pytest.raises(DataError, match="after it come ReLU, MaxPool2d; after conv5 come"):
        find_fit(without(network, "AdaptiveAvgPool2d"), [SPECS["torchvision"]])


def test_a_convolution_that_rounds_down_is_another_network_where_the_size_tells():
    network = file_network(SPECS["code-2012"], image_size=227)
    down = with_arguments(network, "Conv2d", ceil_mode=False)
    assert find_fit(down).spec.name == "code-2012"  # 227: 55 maps either way
    other = with_arguments(file_network(SPECS["code-2012"]), "Conv2d", ceil_mode=False)
    for outputs in (None, (96, 54, 54)):  # a file that tells the arguments alone, or the maps too
        first = replace(other.layers[0], outputs=outputs)
        with pytest.raises(DataError, match="conv1: maps of 54 x 54, conv1 gives 55 x 55 of 224"):
            find_fit(replace(other, layers=[first, *other.layers[1:]]), [SPECS["code-2012"]])


@pytest.mark.parametrize(
    "change, words",
    [
        ({"size": 3}, "samemap2: size 3, samemap2 has 5"),
        ({"alpha": 4e-5}, "samemap2: alpha 4e-05, samemap2 has 0.001"),
        ({"k": 2.0}, "samemap2: k 2.0, samemap2 has 1.0"),
        ({"beta": 0.5}, "samemap2: beta 0.5, samemap2 has 0.75"),
    ],
)
def test_other_numbers_of_a_same_map_normalisation_are_another_network(change, words):
    network = with_arguments(file_network(SPECS["code-2012"]), "SameMapNorm", **change)
    with pytest.raises(DataError, match=words):
        find_fit(network, [SPECS["code-2012"]])


def test_dropout_that_scales_in_test_is_a_layer_of_its_own():
    """paper halves the activations in test; a file without that computes other numbers."""
    with pytest.raises(DataError, match="nearest, paper.*\n.*fc6: after it come ReLU; after"):
        find_fit(without(file_network(SPECS["paper"]), "Dropout"))


@pytest.mark.parametrize(
    "layer",
    [
        FileLayer("first", "ReLU"),
        FileLayer("first", "AvgPool2d", {"window": 2, "stride": 2}),
        FileLayer("first", "BatchNorm2d", {"eps": 1e-5}, {"weight": np.ones(3, np.float32)}),
        FileLayer("first", "Dropout", {"drop": 0.5, "scale": "test"}),
    ],
)
def test_a_layer_before_the_first_convolution_is_no_part_of_an_alexnet(layer):
    """It would change the image; left out, the network would compute other numbers."""
    network = file_network(SPECS["caffe"])
    network = replace(network, layers=[layer, *network.layers])
    with pytest.raises(DataError, match=f"first: a {layer.kind}, where conv1 is a Conv2d"):
        find_fit(network, [SPECS["caffe"]])


def test_a_softmax_is_left_out_at_the_end_alone():
    network = file_network(SPECS["caffe"])
    end = FileLayer("prob", "Softmax")
    assert find_fit(replace(network, layers=[*network.layers, end])).spec.name == "caffe"
    place = next(i for i, layer in enumerate(network.layers) if layer.name == "fc8")
    middle = [*network.layers[:place], end, *network.layers[place:]]
    with pytest.raises(DataError, match="fc7: after it come ReLU, Softmax; after fc7 come ReLU"):
        find_fit(replace(network, layers=middle))


def test_an_adaptive_pool_of_the_same_size_in_another_place_differs():
    network = file_network(SPECS["torchvision"])
    layers = [layer for layer in network.layers if layer.kind != "AdaptiveAvgPool2d"]
    place = next(i for i, layer in enumerate(layers) if layer.name == "conv4")
    layers.insert(place, FileLayer("pool", "AdaptiveAvgPool2d", {"size": 6}))
    with pytest.raises(DataError, match="conv3: after it come ReLU, AdaptiveAvgPool2d"):
        find_fit(replace(network, layers=layers), [SPECS["torchvision"]])


def test_relu_may_come_before_or_after_a_max_pool():
    row = replace(SPECS["cifar10"], blocks=("conv relu maxpool", *SPECS["cifar10"].blocks[1:]))
    assert find_fit(file_network(row)).spec.name == "cifar10"


@pytest.mark.parametrize(
    ("kind", "arguments", "words"),
    [
        ("LocalResponseNorm", {"k": 2.0}, "norm1: k 2.0, norm1 has 1.0"),
        ("LocalResponseNorm", {"alpha": 1e-3}, "norm1: alpha of each square 0.0002, norm1 has 2e"),
        ("LocalResponseNorm", {"divide_by_size": False}, "alpha of each square 0.0001, norm1"),
        ("LocalResponseNorm", {"size": 3, "alpha": 6e-5}, "norm1: size 3, norm1 has 5"),
        ("LocalResponseNorm", {"groups": 2}, "norm1: groups 2, norm1 has 1"),
        ("MaxPool2d", {"window": 2}, "pool1: window (2, 2), pool1 has (3, 3)"),
        ("MaxPool2d", {"padding": 1}, "pool1: padding (1, 1), pool1 has (0, 0)"),
        ("Conv2d", {"stride": (4, 2)}, "conv1: stride (4, 2), conv1 has (4, 4)"),
        ("Conv2d", {"padding": 2}, "conv1: padding (2, 2), conv1 has (0, 0)"),
        ("Conv2d", {"groups": 2}, "conv1: groups 2, conv1 has 1"),
    ],
)
def test_a_number_that_differs_is_named_beside_the_rows_own(kind, arguments, words):
    network = with_arguments(file_network(SPECS["caffe"]), kind, **arguments)
    with pytest.raises(DataError, match=rf"nearest, caffe.*\n.*{re.escape(words)}"):
        find_fit(network)


def test_the_same_normalisation_may_be_written_divided_or_not():
    network = file_network(SPECS["caffe"])
    for _ in range(2):
        network = with_arguments(network, "LocalResponseNorm", alpha=2e-5, divide_by_size=False)
    assert find_fit(network).spec.name == "caffe"


def test_a_pool_that_rounds_in_the_other_way_differs_only_where_its_maps_do():
    down = {"ceil_mode": False}
    same = with_arguments(file_network(SPECS["caffe"]), "MaxPool2d", **down)
    assert find_fit(same).spec.name == "caffe"  # 227: 27 maps either way
    other = with_arguments(file_network(SPECS["caffe"], image_size=224), "MaxPool2d", **down)
    with pytest.raises(DataError, match="pool1: maps of 26 x 26, pool1 gives 27 x 27 of 54 x 54"):
        find_fit(other, [SPECS["caffe"]])


def test_a_shape_that_differs_is_named_beside_the_rows_own():
    network = file_network(changed(SPECS["torchvision"], width=0.5), spec="torchvision")
    with pytest.raises(DataError, match=r"conv1: weight \(32, 3, 11, 11\), conv1 has \(64, 3, 11"):
        find_fit(network)


def test_a_network_with_another_number_of_layers_says_both_numbers():
    network = file_network(SPECS["paper"])
    network = replace(network, layers=[x for x in network.layers if x.name[-1] != "7"])
    with pytest.raises(DataError, match="7 layers with weights, .* has 8"):
        find_fit(network)


def test_arrays_alone_that_fit_several_rows_need_the_users_word():
    network = file_network(SPECS["caffe"], complete=False)
    with pytest.raises(UsageError, match="fit paper, code-2012, caffe, caffenet alike.*--spec"):
        find_fit(network)
    assert find_fit(network, [SPECS["caffenet"]]).spec.name == "caffenet"
    assert find_fit(replace(network, spec="caffe")).spec.name == "caffe"


def test_the_image_size_follows_from_the_first_fully_connected_layer():
    network = replace(file_network(SPECS["paper"], image_size=131, complete=False), image_size=None)
    fit = find_fit(network, [SPECS["paper"]])
    assert plan(SPECS["paper"], 5, fit.image_size)[-1].inputs == (4096,)
    assert fit.layers == plan(SPECS["paper"], 5, fit.image_size)
    shapes = array_shapes(plan(SPECS["paper"], 5, 131))[0]
    assert array_shapes(fit.layers)[0] == shapes
    assert find_fit(network, [SPECS["paper"]], image_size=131).image_size == 131


def test_a_file_of_convolutions_alone_names_its_layers():
    network = file_network(SPECS["torchvision"], complete=False)
    network = replace(network, layers=[x for x in network.layers if x.kind == "Conv2d"])
    with pytest.raises(DataError, match="conv1, conv2, .*no fully connected layer.*--pretrained"):
        find_fit(network)
    with pytest.raises(DataError, match="no layer with weights"):
        find_fit(FileNetwork("a file", []))


def small_network():
    """A narrow `batch-norm` with random arrays, and its state_dict."""
    row, generator = changed(SPECS["batch-norm"], width=0.02), np.random.default_rng(0)
    network = file_network(row, image_size=67)
    layers = [
        replace(x, arrays={n: generator.random(a.shape) for n, a in x.arrays.items()})
        for x in network.layers
    ]
    state = {f"{x.name}.{n}": a for x in layers for n, a in x.arrays.items()}
    return row, replace(network, layers=layers), state


def test_the_state_holds_the_files_arrays_as_float32():
    row, network, state = small_network()
    got = state_of(network, find_fit(network, [row]))
    assert sorted(got) == sorted(state)
    for name, array in state.items():
        assert got[name].dtype == np.float32
        assert np.array_equal(got[name], array.astype(np.float32)), name


def test_what_a_file_leaves_out_is_the_identity():
    row, network, _ = small_network()
    layers = [
        replace(x, arrays={n: a for n, a in x.arrays.items() if n in ("weight", "running_mean")})
        if x.kind != "BatchNorm2d"
        else replace(x, arrays={"running_mean": x.arrays["running_mean"]})
        for x in network.layers
    ]
    got = state_of(replace(network, layers=layers), find_fit(network, [row]))
    assert not got["conv1.bias"].any() and not got["norm1.bias"].any()
    assert (got["norm1.weight"] == 1).all() and (got["norm1.running_var"] == 1).all()


def test_numbers_beyond_float32_are_an_error():
    row, network, _ = small_network()
    network.layers[0].arrays["weight"][0, 0, 0, 0] = 1e300
    with pytest.raises(DataError, match="conv1.weight holds numbers that are not finite in f"):
        state_of(network, find_fit(network, [row]))


def test_what_fits_takes_equal_shapes_and_names_the_rest():
    _, network, state = small_network()
    layers = plan(changed(SPECS["batch-norm"], width=0.02), 9, 67)  # nine classes, not five
    arrays, left, missing = what_fits(network, layers)
    assert set(state) - set(arrays) == {"fc8.weight", "fc8.bias"}
    assert missing == ["fc8.weight", "fc8.bias"]
    width = state["fc8.weight"].shape[1]
    assert left == [
        f"fc8.weight (5, {width}): fc8 has (9, {width})", "fc8.bias (5,): fc8 has (9,)",
    ]  # fmt: skip
    assert np.array_equal(arrays["conv3.weight"], state["conv3.weight"].astype(np.float32))


def test_a_network_without_a_layer_starts_from_the_layers_of_the_same_names():
    """In order, single-tower's conv3 would start conv4, whose shape it then has."""
    row = SPECS["single-tower"]
    whole, less = (changed(row, width=0.05, **changes) for changes in ({}, {"without": "conv3"}))
    arrays, left, missing = what_fits(file_network(whole), plan(less, 5, 227))
    assert {"conv2.weight", "conv5.weight", "fc6.weight", "fc8.bias"} <= set(arrays)
    assert missing == ["conv4.weight", "conv4.bias"]
    assert left == [
        "conv4.weight (19, 19, 3, 3): conv4 has (19, 13, 3, 3)",
        "conv3: the network has no such layer",
    ]
    _, left, missing = what_fits(file_network(less), plan(whole, 5, 227))
    assert missing == ["conv3.weight", "conv3.bias", "conv4.weight", "conv4.bias"]
    assert left == ["conv4.weight (19, 13, 3, 3): conv4 has (19, 19, 3, 3)"]


def test_arranged_turns_bgr_into_rgb_and_flattens_channels_first():
    """A linear layer of HWC columns gives the same numbers as the arranged one of CHW columns."""
    generator = np.random.default_rng(0)
    convolution, maps = generator.random((4, 3, 2, 2)), generator.random((1, 4, 5, 5))
    linear = generator.random((6, 100))
    layers = [
        FileLayer("conv1", "Conv2d", {}, {"weight": convolution}),
        FileLayer("fc6", "Linear", {}, {"weight": linear}),
        FileLayer("fc7", "Linear", {}, {"weight": linear[:, :6]}),
    ]
    network = arranged(FileNetwork("a file", layers, channels="bgr", flatten="hwc"))
    first, second, third = (layer.arrays["weight"] for layer in network.layers)
    assert np.array_equal(first, convolution[:, [2, 1, 0]])
    hwc = maps.transpose(0, 2, 3, 1).reshape(1, -1)
    assert np.allclose(maps.reshape(1, -1) @ second.T, hwc @ linear.T)
    assert np.array_equal(third, linear[:, :6])
    assert (network.channels, network.flatten) == ("rgb", "chw")


def test_every_field_of_a_plan_has_a_place_in_the_comparison():
    """A new kind of layer needs a decision: what of it changes the output in test mode?"""
    kinds = {x.kind for row in SPECS.values() for x in plan(row, 5, row.image_size)}
    assert kinds - set(WEIGHTED) == {
        "ReLU", "LocalResponseNorm", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Dropout",
        "Flatten", "SameMapNorm",
    }  # fmt: skip
    fields = {"size", "alpha", "beta", "k", "divide_by_size", "groups"}
    assert set(asdict(SPECS["caffe"].lrn)) == fields
    assert set(asdict(SPECS["cifar10"].same_map)) == {"size", "alpha", "beta", "k"}
