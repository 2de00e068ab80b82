"""Names of layers, ranges and factors as users write them, against the layers of a network."""

import pytest

from alexnet import SPECS
from alexnet.network.layer_names import (
    as_ranges,
    chosen_layers,
    layer_factors,
    layers_with_parameters,
)
from tests.alexnet.network.small_networks import plan_of

PAPER, BATCH_NORM = plan_of("paper"), plan_of("batch-norm")
ALL = [f"conv{number}" for number in range(1, 6)] + ["fc6", "fc7", "fc8"]


@pytest.mark.parametrize("name", SPECS)
def test_layers_with_parameters_are_the_convolutions_norms_and_fully_connected_ones(name):
    layers = plan_of(name)
    kinds = ("Conv2d", "Linear", "BatchNorm2d")
    expected = [layer.name for layer in layers if layer.kind in kinds]
    assert layers_with_parameters(layers) == expected


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("conv1-conv5", ALL[:5]),
        ("conv1,conv2,fc6", ["conv1", "conv2", "fc6"]),
        ("conv1-conv3,fc8", [*ALL[:3], "fc8"]),
        ("fc8, conv1-conv2", ["conv1", "conv2", "fc8"]),  # in the order of the network
        ("conv3-conv3", ["conv3"]),
        ("pool1-pool5", ALL[1:5]),  # a range may end at any layer
        ("conv1-fc8", ALL),
    ],
)
def test_a_choice_takes_single_layers_and_whole_ranges(text, names):
    assert chosen_layers(text, PAPER) == names


def test_a_range_takes_the_batch_norms_between_its_ends():
    assert chosen_layers("conv1-conv2", BATCH_NORM) == ["conv1", "norm1", "conv2"]
    assert chosen_layers("conv1-norm2", BATCH_NORM) == ["conv1", "norm1", "conv2", "norm2"]
    assert chosen_layers("conv1,conv2", BATCH_NORM) == ["conv1", "conv2"]


HAVE = "the layers with parameters are conv1, conv2, conv3, conv4, conv5, fc6, fc7, fc8$"
WRONG_NAMES = {
    "conv9": f"^the network has no layer 'conv9'; {HAVE}",
    "conv1-fc9": f"^the network has no layer 'fc9'; {HAVE}",
    "Conv1": f"no layer 'Conv1'; {HAVE}",
    "relu1": f"^relu1 has no parameters; {HAVE}",
    "relu1-pool1": f"^relu1-pool1 has no parameters; {HAVE}",
    "norm1": f"^norm1 has no parameters; {HAVE}",  # of the paper's network: an LRN
    "conv5-conv1": "^conv5-conv1 is reversed: conv1 comes before conv5; write conv1-conv5$",
    "conv1,conv3,conv1-conv5": "^named twice: conv1, conv3; once is enough$",
    "": "^'' is neither a layer nor a range of layers, as conv1 and conv1-fc8 are$",
    "conv1,": "^'' is neither",
    "conv1-": "^'conv1-' is neither",
    "-conv1": "^'-conv1' is neither",
    "conv1-conv2-conv3": "^'conv1-conv2-conv3' is neither",
    "\x1b[31m": r"^the network has no layer '\\x1b\[31m'; ",
}


@pytest.mark.parametrize("text", WRONG_NAMES)
def test_a_wrong_name_is_an_error_that_says_what_fits(text):
    with pytest.raises(ValueError, match=WRONG_NAMES[text]):
        chosen_layers(text, PAPER)
    if "," not in text:
        with pytest.raises(ValueError, match=WRONG_NAMES[text]):
            layer_factors(f"{text}=2", PAPER)


def test_a_long_name_is_cut_in_the_message():
    with pytest.raises(ValueError) as caught:
        chosen_layers("x" * 10**6, PAPER)
    assert len(str(caught.value)) < 200


def test_factors_belong_to_layers_in_the_order_of_the_network():
    factors = layer_factors("fc8=10, conv1-conv2 = 0.1,fc6=1", BATCH_NORM)
    assert list(factors.items()) == [
        ("conv1", 0.1), ("norm1", 0.1), ("conv2", 0.1), ("fc6", 1.0), ("fc8", 10.0),
    ]  # fmt: skip


WRONG_FACTORS = {
    "fc8": "^'fc8' has no factor, as fc8=10 has$",
    "conv1-conv3,fc8=10": "^'conv1-conv3' has no factor",
    "": "^'' has no factor",
    "fc8=10,": "^'' has no factor",
    "fc8=": "^'' is no factor of a learning rate; a number above 0 that float32 holds is$",
    "fc8=ten": "^'ten' is no factor",
    "fc8=1=2": "^'1=2' is no factor",
    "fc8=-1": "^'-1' is no factor",
    "fc8=nan": "^'nan' is no factor",
    "fc8=inf": "^'inf' is no factor",
    "fc8=1e39": "^'1e39' is no factor",  # infinite in float32
    "fc8=1e-50": "^'1e-50' is no factor",  # 0 in float32
    "conv1-conv2=0": "^'0' is no factor .*; --freeze conv1-conv2 keeps weights as they are$",
    "fc8=2,fc6-fc8=3": "^named twice: fc8; once is enough$",
    "fc8=2,fc8=2": "^named twice: fc8",
}


@pytest.mark.parametrize("text", WRONG_FACTORS)
def test_a_wrong_factor_is_an_error_that_says_what_fits(text):
    with pytest.raises(ValueError, match=WRONG_FACTORS[text]):
        layer_factors(text, PAPER)


@pytest.mark.parametrize("text", ["conv1", "conv1-conv3,fc8", "conv1,conv3,conv5-fc6", "conv1-fc8"])
def test_names_are_written_as_ranges_of_neighbours(text):
    assert as_ranges(chosen_layers(text, PAPER), PAPER) == text.split(",")


def test_a_batch_norm_that_is_left_out_ends_a_range():
    names = ["conv1", "conv2", "norm2", "conv3"]
    assert as_ranges(names, BATCH_NORM) == ["conv1", "conv2-conv3"]
    assert as_ranges([], BATCH_NORM) == []
