"""changed: each change of a spec changes its own part and nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS
from alexnet.data.normalization import Normalization
from alexnet.network.plan import array_shapes
from alexnet.network.variants import changed, in_words
from alexnet.weights import checkpoint
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


# --- towers apart ---------------------------------------------------------------------------------


def test_towers_apart_divide_conv2_to_conv5_and_normalise_each_by_itself():
    """conv3 reads 128 maps where it read 256: 384 * 128 * 9 parameters less."""
    before, after = plan_of("paper"), plan_of("paper", apart=True)
    groups = [x.arguments["groups"] for x in after if x.kind == "Conv2d"]
    assert groups == [1, 2, 2, 2, 2]
    assert [x.arguments["groups"] for x in after if x.kind == "LocalResponseNorm"] == [2, 2]
    for old, new in zip(before, after, strict=True):
        same = {name: value for name, value in new.arguments.items() if name != "groups"}
        assert (old.name, old.outputs) == (new.name, new.outputs)
        assert same.items() <= old.arguments.items()
    assert parameters(before) == 60_965_224
    assert parameters(after) == 60_965_224 - 384 * 128 * 9


def parameters(layers):
    return sum(math.prod(shape) for shape in array_shapes(layers)[0].values())


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cifar10"])
def test_towers_apart_make_two_towers_of_every_spec(name):
    assert changed(SPECS[name], apart=True) == changed(SPECS[name], groups=2, apart=True)
    row = changed(SPECS[name], apart=True, norm="batch")  # which has no window across maps
    assert [convolution.groups for convolution in row.convolutions] == [1, 2, 2, 2, 2]


def test_apart_false_is_the_spec_itself():
    assert changed(SPECS["paper"], apart=False) == SPECS["paper"]


@pytest.mark.usefixtures("numpy_backend")
def test_a_tower_apart_sees_nothing_of_the_other_before_the_first_fully_connected_layer():
    """Set to 0 what one tower's kernels of conv1 make: the other tower's half of pool5 stays."""
    tn.seed(6)
    for apart, unmoved in ((True, True), (False, False)):
        model = small("paper", apart=apart, init="he")
        convolutions = model[:15]  # conv1 to pool5
        x = tn.Tensor(np.random.default_rng(0).standard_normal((1, 3, 67, 67)).astype(np.float32))
        with tn.no_grad():
            before = convolutions(x).numpy().copy()
            weight = model["conv1"].weight.numpy().copy()
            weight[len(weight) // 2 :] = 0
            model["conv1"].weight.data = weight
            after = convolutions(x).numpy()
        half = before.shape[1] // 2
        assert not np.array_equal(after[:, half:], before[:, half:])
        assert np.array_equal(after[:, :half], before[:, :half]) == unmoved


# --- without a layer ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_without_a_layer_the_others_keep_names_numbers_and_weights_rules(name):
    layers = plan_of(name)
    weighted = [layer.name for layer in layers if layer.kind in ("Conv2d", "Linear")]
    for at, left_out in enumerate(weighted[1:-1], start=1):
        number = left_out.removeprefix("conv").removeprefix("fc")
        gone = {f"{word}{number}" for word in "conv fc relu norm samemap dropout".split()}
        expected = [layer for layer in layers if layer.name not in gone]
        after = plan_of(name, without=left_out)
        assert [layer.name for layer in after] == [layer.name for layer in expected]
        for old, new in zip(expected, after, strict=True):
            inputs = {"in_channels", "in_features", "channels"}
            same = {key: value for key, value in new.arguments.items() if key not in inputs}
            assert same.items() <= old.arguments.items()
        weights, row = SPECS[name].weights, changed(SPECS[name], without=left_out).weights
        for old, new in ((weights.deviations, row.deviations), (weights.biases, row.biases)):
            assert new == (*old[:at], *old[at + 1 :])


def test_a_network_without_a_layer_has_the_parameters_of_the_others():
    """Golden counts of docs/facts.md, section 2; the layer behind reads other inputs."""
    assert parameters(plan_of("paper", without="conv4")) == 60_965_224 - 663_936
    # conv4 then reads the 128 maps of a tower of conv2 where it read 192
    conv4 = 384 * (128 - 192) * 9
    assert parameters(plan_of("paper", without="conv3")) == 60_965_224 - 885_120 + conv4
    # fc6 then reads conv4's 384 maps of 6 x 6 where it read 256
    fc6 = 4096 * (384 - 256) * 36
    assert parameters(plan_of("paper", without="conv5")) == 60_965_224 - 442_624 + fc6
    assert parameters(plan_of("paper", without="fc7")) == 60_965_224 - 16_781_312
    fc7 = 4096 * (9216 - 4096)
    assert parameters(plan_of("paper", without="fc6")) == 60_965_224 - 37_752_832 + fc7


def test_groups_and_widths_belong_to_layers_not_to_places():
    for changes in ({"groups": 2}, {"apart": True}, {"width": 0.37, "groups": 2}, {"groups": 1}):
        whole = changed(SPECS["single-tower"], **changes).convolutions
        for at in range(1, 5):
            row = changed(SPECS["single-tower"], without=f"conv{at + 1}", **changes)
            assert row.convolutions == (*whole[:at], *whole[at + 1 :])
    row = changed(SPECS["paper"], without="conv3", norm="batch", activation="tanh", init="he")
    assert row.blocks[2] == "" and row.blocks[3] == "conv tanh batchnorm"
    assert changed(SPECS["paper"], without="fc7", dropout=0.3).blocks[6] == ""


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.parametrize("changes", [{"without": "conv4"}, {"without": "fc6"}, {"apart": True}])
def test_a_changed_network_trains_and_is_saved_and_loaded(changes, tmp_path):
    tn.seed(2)
    model = small("paper", init="he", **changes)
    x = np.random.default_rng(0).standard_normal((4, 3, 67, 67)).astype(np.float32)
    labels = np.arange(4)
    optimizer = tn.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    losses = []
    for _ in range(8):
        loss = tn.softmax_cross_entropy(model(tn.Tensor(x)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    images = Normalization(np.zeros((3, 1, 1)), np.ones((3, 1, 1)))
    saved = checkpoint.Checkpoint(
        model.build_arguments, list("abcdefghij"), 67, images, model.state_dict(),
        optimizer.state_dict(), {}, {},
    )  # fmt: skip
    saved.save(tmp_path / "a.npz")
    loaded = checkpoint.load(tmp_path / "a.npz").make_model()
    assert loaded.build_arguments == model.build_arguments
    assert np.array_equal(loaded(tn.Tensor(x)).numpy(), model.eval()(tn.Tensor(x)).numpy())


def test_changes_are_named_in_words_where_they_change_something():
    changes = {"norm": None, "apart": False, "width": 1.0, "init": "he", "spec": "paper"}
    assert in_words(changes) == ["init he"]
    changes = {"dropout": 0.0, "apart": True, "width": 0.5, "without": "conv4"}
    assert in_words(changes) == ["dropout 0.0", "apart", "width 0.5", "without conv4"]
