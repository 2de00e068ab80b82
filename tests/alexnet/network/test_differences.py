"""differences: what two networks do not have in common."""

from dataclasses import replace

import pytest

from alexnet import SPECS
from alexnet.network.differences import Network, differences
from alexnet.network.plan import plan
from alexnet.network.variants import changed
from tests.alexnet.network.small_networks import NAMES


def network(name, num_classes=10, image_size=None, **changes):
    spec = changed(SPECS[name], **changes)
    return Network(spec, plan(spec, num_classes, image_size or spec.image_size))


def compared(first, second):
    """{subject: (values in the first, values in the second)}."""
    found = differences(first, second)
    assert len({row.subject for row in found}) == len(found)
    return {row.subject: (row.first, row.second) for row in found}


def test_the_program_of_2012_differs_from_the_paper_in_what_is_published():
    """docs/facts.md, sections 2, 3 and 5; not in parameters, dropout or any width."""
    same_map = {"size": 5, "alpha": 1e-3, "beta": 0.75, "k": 1.0}
    lrn = {"divide_by_size": False, "groups": 1}, {"divide_by_size": True, "groups": 2}
    up = {"ceil_mode": False}, {"ceil_mode": True}
    width = {"deviation": 0.01}, {"deviation": 0.03}
    assert compared(network("paper"), network("code-2012")) == {
        "input": (
            {"size": 227, "colour_divisor": 1.0}, {"size": 224, "colour_divisor": 1.1},
        ),
        "conv1": up,
        "relu1": (
            {"output": (96, 55, 55), "after": "conv1"}, {"output": (96, 27, 27), "after": "pool1"},
        ),
        "norm1": lrn,
        "pool1": up,
        "norm2": lrn,
        "samemap2": (
            None,
            {"kind": "SameMapNorm", **same_map, "output": (256, 27, 27), "after": "norm2"},
        ),
        "pool2": up,
        "pool5": tuple(side | {"after": place} for side, place in
                       zip(up, ("relu5", "conv5"), strict=True)),
        "relu5": ({"output": (256, 13, 13)}, {"output": (256, 6, 6)}),
        **{f"weights of conv{number}": width for number in (3, 4, 5)},
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_network_does_not_differ_from_itself(name):
    assert differences(network(name), network(name)) == []


@pytest.mark.parametrize(
    "change, subject, first, second",
    [
        ({"dropout": 0.3}, "dropout7", {"drop": 0.5}, {"drop": 0.3}),
        ({"init": "he"}, "initial weights", {"rule": "normal"}, {"rule": "he"}),
        ({"width": 0.5}, "network", {"parameters": 56_909_194}, {"parameters": 14_248_650}),
        ({"apart": True}, "norm2", {"groups": 1}, {"groups": 2}),
        ({"norm": "batch"}, "norm1", {"kind": "LocalResponseNorm"}, {"kind": "BatchNorm2d"}),
        ({"num_classes": 11}, "fc8", {"out_features": 10}, {"out_features": 11}),
    ],
)
def test_every_kind_of_change_is_seen(change, subject, first, second):
    found = compared(network("paper"), network("paper", **change))[subject]
    for values, expected in zip(found, (first, second), strict=True):
        assert expected.items() <= values.items()


def test_a_layer_that_is_left_out_is_what_differs():
    found = compared(network("paper"), network("paper", without="conv4"))
    assert list(found) == ["conv4", "relu4", "network"]
    assert [found[name][1] for name in ("conv4", "relu4")] == [None, None]


def test_numbers_that_the_summary_does_not_show_are_seen():
    """beta of LRN, the input's mean, and a bias."""
    row = SPECS["caffe"]
    other = replace(
        row,
        lrn=replace(row.lrn, beta=0.5),
        input=replace(row.input, mean=(1.0, 2.0, 3.0)),
        weights=replace(row.weights, biases=(7, *row.weights.biases[1:])),
    )
    found = compared(network("caffe"), Network(other, plan(other, 10, 227)))
    assert found == {
        "input": ({"mean": "image"}, {"mean": (1.0, 2.0, 3.0)}),
        "norm1": ({"beta": 0.75}, {"beta": 0.5}),
        "norm2": ({"beta": 0.75}, {"beta": 0.5}),
        "weights of conv1": ({"bias": 0}, {"bias": 7}),
    }


def test_layers_of_one_network_alone_stand_where_it_has_them():
    subjects = list(compared(network("cifar10"), network("torchvision")))
    assert subjects.index("conv3") < subjects.index("conv4") < subjects.index("fc6")
    assert compared(network("cifar10"), network("torchvision"))["conv4"][0] is None
    assert compared(network("torchvision"), network("cifar10"))["conv4"][1] is None
