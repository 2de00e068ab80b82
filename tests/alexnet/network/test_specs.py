"""The published networks as data: every number here was copied from its source by hand."""

from dataclasses import replace

import pytest

from alexnet import SPECS
from alexnet.network.specs import LRN, Convolution, Dropout, InitialWeights, Input, Pool, SameMap

NAMES = [
    "paper",
    "code-2012",
    "caffe",
    "onnx-zoo",
    "caffenet",
    "single-tower",
    "one-gpu",
    "one-weird-trick",
    "torchvision",
    "batch-norm",
    "cifar10",
]
FIVE = [name for name in NAMES if name != "cifar10"]


def test_specs_are_found_under_their_names():
    assert list(SPECS) == NAMES
    assert all(SPECS[name].name == name for name in NAMES)


@pytest.mark.parametrize(
    "name, outs, groups",
    [
        ("paper", (96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
        ("code-2012", (96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
        ("caffe", (96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
        ("onnx-zoo", (96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
        ("caffenet", (96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
        ("single-tower", (96, 256, 384, 384, 256), (1, 1, 1, 1, 1)),
        ("one-gpu", (48, 128, 192, 192, 256), (1, 1, 1, 1, 1)),
        ("one-weird-trick", (64, 192, 384, 256, 256), (1, 1, 1, 1, 1)),
        ("torchvision", (64, 192, 384, 256, 256), (1, 1, 1, 1, 1)),
        ("batch-norm", (96, 256, 384, 384, 256), (1, 1, 1, 1, 1)),
    ],
)
def test_five_convolutions_have_the_published_kernels(name, outs, groups):
    rows = SPECS[name].convolutions
    assert tuple(row.out for row in rows) == outs
    assert tuple(row.groups for row in rows) == groups
    assert tuple(row.kernel for row in rows) == (11, 5, 3, 3, 3)
    assert tuple(row.stride for row in rows) == (4, 1, 1, 1, 1)
    first = 2 if name == "torchvision" else 0
    assert tuple(row.padding for row in rows) == (first, 2, 1, 1, 1)
    assert [row.ceil_mode for row in rows] == [name == "code-2012", False, False, False, False]
    assert SPECS[name].hidden == (4096, 4096)


def test_cifar10_has_three_convolutions_of_5_and_one_fully_connected_layer():
    row = SPECS["cifar10"]
    assert row.convolutions == tuple(Convolution(out, 5, padding=2) for out in (32, 32, 64))
    assert row.blocks == ("conv maxpool relu", "conv relu avgpool", "conv relu avgpool", "fc")
    assert (row.hidden, row.last_name, row.num_classes) == ((), "fc10", 10)


@pytest.mark.parametrize(
    "name, first, second",
    [
        ("paper", "conv relu lrn maxpool", "conv relu lrn maxpool"),
        ("code-2012", "conv lrn maxpool relu", "conv relu lrn samemap maxpool"),
        ("caffe", "conv relu lrn maxpool", "conv relu lrn maxpool"),
        ("onnx-zoo", "conv relu lrn maxpool", "conv relu lrn maxpool"),
        ("caffenet", "conv relu maxpool lrn", "conv relu maxpool lrn"),
        ("single-tower", "conv relu maxpool lrn", "conv relu maxpool lrn"),
        ("one-gpu", "conv relu lrn maxpool", "conv relu lrn maxpool"),
        ("one-weird-trick", "conv lrn maxpool relu", "conv relu lrn maxpool"),
        ("torchvision", "conv relu maxpool", "conv relu maxpool"),
        ("batch-norm", "conv relu batchnorm maxpool", "conv relu batchnorm maxpool"),
    ],
)
def test_blocks_1_and_2_have_the_published_order(name, first, second):
    assert SPECS[name].blocks[:2] == (first, second)


def test_block_5_has_the_published_order():
    assert SPECS["paper"].blocks[4] == "conv relu maxpool"
    assert SPECS["one-weird-trick"].blocks[4] == "conv maxpool relu"
    assert SPECS["code-2012"].blocks[4] == "conv maxpool relu"
    assert SPECS["torchvision"].blocks[4] == "conv relu maxpool adaptive"
    assert SPECS["batch-norm"].blocks[2:5] == (
        "conv relu batchnorm",
        "conv relu batchnorm",
        "conv relu batchnorm maxpool",
    )


@pytest.mark.parametrize(
    "name, divided, k",
    [
        ("paper", False, 2.0),
        ("one-gpu", False, 2.0),
        ("caffe", True, 1.0),
        ("onnx-zoo", True, 1.0),
        ("caffenet", True, 1.0),
        ("single-tower", True, 1.0),
        ("one-weird-trick", True, 2.0),
        ("code-2012", True, 2.0),
    ],
)
def test_each_lrn_has_its_published_convention(name, divided, k):
    lrn = SPECS[name].lrn
    assert (lrn.size, lrn.alpha, lrn.beta) == (5, 1e-4, 0.75)
    assert (lrn.divide_by_size, lrn.k) == (divided, k)
    assert lrn.groups == (2 if name == "code-2012" else 1)  # towers


def test_the_program_of_2012_has_two_kinds_of_normalisation_and_cifar10_may_have_one():
    """alpha / size^2 is 1e-3 / 25, and 5e-5 / 9."""
    row = SPECS["code-2012"]
    assert row.lrn == LRN(5, alpha=1e-4, beta=0.75, k=2.0, divide_by_size=True, groups=2)
    assert row.same_map == SameMap(5, alpha=1e-3, beta=0.75, k=1.0)
    assert SPECS["cifar10"].same_map == SameMap(3, alpha=5e-5, beta=0.75, k=1.0)
    assert {name for name in NAMES if SPECS[name].same_map} == {"code-2012", "cifar10"}


def test_specs_without_lrn_have_none():
    assert {name for name in NAMES if SPECS[name].lrn is None} == {
        "torchvision",
        "batch-norm",
        "cifar10",
    }


@pytest.mark.parametrize("name", FIVE)
def test_dropout_stands_where_it_was_published_and_is_scaled_as_published(name):
    before = name in ("single-tower", "torchvision")
    block = "dropout fc relu" if before else "fc relu dropout"
    assert SPECS[name].blocks[5:] == (block, block, "fc")
    of_2012 = name in ("paper", "code-2012", "one-gpu", "one-weird-trick")
    assert SPECS[name].dropout == Dropout(0.5, "test" if of_2012 else "train")


@pytest.mark.parametrize("name", NAMES)
def test_pools_are_3_over_2_and_caffes_and_cuda_convnets_round_up(name):
    pool = SPECS[name].pool
    assert (pool.window, pool.stride) == (3, 2)
    up = ("code-2012", "caffe", "caffenet", "one-weird-trick", "cifar10")
    expected = (False, False, True) if name == "onnx-zoo" else name in up
    assert pool.ceil_mode == expected


WEIGHTS = {
    "paper": ((0.01,) * 8, (0, 1, 0, 1, 1, 1, 1, 0)),
    "code-2012": (
        (0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01),
        (0, 1, 0, 1, 1, 1, 1, 0),
    ),
    "one-gpu": ((0.01,) * 8, (0, 1, 0, 1, 1, 1, 1, 0)),
    "caffe": ((0.01,) * 5 + (0.005, 0.005, 0.01), (0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0)),
    "onnx-zoo": ((0.01,) * 5 + (0.005, 0.005, 0.01), (0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0)),
    "caffenet": ((0.01,) * 5 + (0.005, 0.005, 0.01), (0, 1, 0, 1, 1, 1, 1, 0)),
    "single-tower": ((0.01,) * 5 + (0.005, 0.005, 0.01), (0, 1, 0, 1, 1, 1, 1, 0)),
    "one-weird-trick": (
        (0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01),
        (0, 1, 0, 1, 1, 1, 1, -7),
    ),
    "cifar10": ((1e-4, 0.01, 0.01, 0.01), (0, 0, 0, 0)),
}


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_are_the_published_ones(name):
    rules = {"torchvision": "pytorch", "batch-norm": "glorot"}
    if name in rules:
        assert SPECS[name].weights == InitialWeights(rules[name])
    else:
        assert SPECS[name].weights == InitialWeights("normal", *WEIGHTS[name])


@pytest.mark.parametrize("name", NAMES)
def test_input_is_the_published_one_in_units_of_0_to_255(name):
    row = SPECS[name]
    sizes = {"code-2012": 224, "torchvision": 224, "onnx-zoo": 224, "cifar10": 32}
    assert row.image_size == sizes.get(name, 227)
    if name == "torchvision":
        assert row.input.mean == pytest.approx((123.675, 116.28, 103.53))
        assert row.input.divisor == pytest.approx((58.395, 57.12, 57.375))
    else:
        changed = 1.1 if name == "code-2012" else 1.0
        assert row.input == Input("image", divisor=(1.0, 1.0, 1.0), colour_divisor=changed)


def test_batch_norm_has_kerass_numbers():
    assert vars(SPECS["batch-norm"].batch_norm) == {"eps": 1e-3, "momentum": 0.01}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"blocks": ("conv gelu",) + SPECS["paper"].blocks[1:]}, "no layer is called"),
        ({"blocks": SPECS["paper"].blocks[:-1]}, "5 conv and 2 fc.*1 hidden.*5 and 2"),
        ({"weights": InitialWeights("normal", (0.01,), (0,))}, "8 conv and fc.*got 1 and 1"),
        ({"lrn": None}, "its blocks have lrn"),
        ({"blocks": ("conv samemap",) + SPECS["paper"].blocks[1:]}, "its blocks have samemap"),
        ({"pool": Pool(3, 2, (True, False))}, "3 pools, which need one ceil_mode or 3; it has 2"),
    ],
)
def test_a_row_that_contradicts_itself_says_where(change, words):
    with pytest.raises(ValueError, match=words):
        replace(SPECS["paper"], **change)
