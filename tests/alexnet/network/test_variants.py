"""changed: each change of a spec changes its own part and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS
from alexnet.network.variants import changed
from tests.alexnet.network.small_networks import NAMES, plan_of, small, weights_of


def without(layers, prefix):
    return [layer for layer in layers if not layer.name.startswith(prefix)]


def essence(layers):
    return [(layer.name, layer.kind, layer.arguments) for layer in layers]


def without_norms(layers):
    return without(without(layers, "norm"), "samemap")


@pytest.mark.parametrize("name", NAMES)
def test_norm_none_only_leaves_normalisation_out(name):
    assert essence(plan_of(name, norm="none")) == essence(without_norms(plan_of(name)))


@pytest.mark.parametrize("name", NAMES)
def test_norm_batch_follows_every_convolutions_activation(name):
    layers = plan_of(name, norm="batch")
    assert essence(without(layers, "norm")) == essence(without_norms(plan_of(name)))
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


@pytest.mark.parametrize("name", [name for name in NAMES if name != "code-2012"])
def test_norm_same_map_closes_blocks_1_and_2_with_the_numbers_of_cifar10(name):
    layers = plan_of(name, norm="same-map")
    assert essence(without(layers, "samemap")) == essence(without(plan_of(name), "norm"))
    norms = [layer for layer in layers if layer.kind == "SameMapNorm"]
    assert [layer.name for layer in norms] == ["samemap1", "samemap2"]
    expected = {"size": 3, "alpha": 5e-5, "beta": 0.75, "k": 1.0}
    assert all(layer.arguments == expected for layer in norms)
    names = [layer.name for layer in layers]
    assert [names[names.index(f"samemap{i}") + 1] for i in (1, 2)] == ["conv2", "conv3"]


@pytest.mark.parametrize("norm, prefix", [("lrn", "samemap"), ("same-map", "norm")])
def test_of_the_two_kinds_of_2012_norm_keeps_one_in_its_place(norm, prefix):
    """samemap2, 5 x 5, in block 2 alone; norm1 and norm2 within the towers."""
    expected = without(plan_of("code-2012"), prefix)
    assert plan_of("code-2012", norm=norm) == expected
    assert len(expected) == len(plan_of("code-2012")) - {"lrn": 1, "same-map": 2}[norm]
    assert changed(SPECS["code-2012"], norm=None) == SPECS["code-2012"]


def test_one_tower_has_no_edge_that_lrn_stops_at():
    lrn = [x for x in plan_of("code-2012", groups=1) if x.kind == "LocalResponseNorm"]
    assert [layer.arguments["groups"] for layer in lrn] == [1, 1]
    lrn = [x for x in plan_of("code-2012", groups=2) if x.kind == "LocalResponseNorm"]
    assert [layer.arguments["groups"] for layer in lrn] == [2, 2]


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
            if name == "onnx-zoo":
                ceil_mode = old.name == "pool5"
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
