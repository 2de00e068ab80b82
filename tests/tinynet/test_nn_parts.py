"""The parts of a module: where they are found, their names, what is refused, how they are shown."""

import copy
import pickle
from collections import ChainMap, OrderedDict, UserDict, UserList, deque, namedtuple
from types import MappingProxyType

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn


class Holder(nn.Module):
    """Any attributes."""

    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)


def same(some, others):
    """Whether two lists hold the same objects; == compares the numbers of tensors."""
    return [id(one) for one in some] == [id(other) for other in others]


def linear():
    return nn.Linear(1, 1, bias=False)


Pair = namedtuple("Pair", "first second")
NESTS = {
    "a list": (lambda a, b: [a, b], ["0", "1"]),
    "a tuple": (lambda a, b: (a, b), ["0", "1"]),
    "a named tuple": (lambda a, b: Pair(a, b), ["0", "1"]),
    "a deque": (lambda a, b: deque([a, b]), ["0", "1"]),
    "a dict": (lambda a, b: {"left": a, "right": b}, ["left", "right"]),
    "an ordered dict": (lambda a, b: OrderedDict([(3, a), (1, b)]), ["3", "1"]),
    "a UserList": (lambda a, b: UserList([a, b]), ["0", "1"]),
    "a UserDict": (lambda a, b: UserDict(left=a, right=b), ["left", "right"]),
    "a ChainMap": (lambda a, b: ChainMap({"left": a, "right": b}), ["left", "right"]),
    "a read-only dict": (lambda a, b: MappingProxyType({"x": a, "y": b}), ["x", "y"]),
    "lists in a list": (lambda a, b: [[a], [None, 7, [b]]], ["0.0", "1.2.0"]),
    "a list in a dict": (lambda a, b: {"x": [a, "text"], "y": (b,)}, ["x.0", "y.0"]),
    "a Sequential in a list": (lambda a, b: [nn.Sequential(a, b)], ["0.0", "0.1"]),
}  # fmt: skip


@pytest.mark.parametrize("nest", NESTS)
def test_layers_are_found_in(nest):
    make, names = NESTS[nest]
    a, b = linear(), linear()
    model = Holder(before=linear(), parts=make(a, b))
    keys = ["before.weight", *(f"parts.{name}.weight" for name in names)]
    assert [name for name, _ in model.named_parameters()] == list(model.state_dict()) == keys
    assert same(model.parameters(), [model.before.weight, a.weight, b.weight])
    assert a in list(model.modules()) and b in list(model.modules())
    model.eval()
    assert not a.training and not b.training
    other = Holder(before=linear(), parts=make(linear(), linear()))
    other.load_state_dict(model.state_dict())
    assert [p.item() for p in other.parameters()] == [p.item() for p in model.parameters()]


def test_layers_that_are_appended_removed_or_replaced_later_count():
    model = Holder(layers=[linear()])
    model.layers.append(linear())
    assert list(model.state_dict()) == ["layers.0.weight", "layers.1.weight"]
    model.layers[0] = nn.Linear(2, 2)
    del model.layers[1]
    assert [p.shape for p in model.parameters()] == [(2, 2), (2,)]


def test_layers_in_a_list_are_trained(backend):
    class Network(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(2, 3), nn.Linear(3, 2)]

        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    model = Network()
    before = model.state_dict()
    sgd = tn.optim.SGD(model.parameters(), lr=0.1)
    model(tn.Tensor(np.ones((1, 2), np.float32))).sum().backward()
    sgd.step()
    for name, array in model.state_dict().items():
        assert not np.array_equal(array, before[name]), name


def test_parameters_and_buffers_are_found_in_lists_and_dicts():
    weight, scale, mean = nn.Parameter([1.0]), nn.Parameter([2.0]), tn.Tensor([3.0])
    model = Holder(weights=[weight], scales={"x": scale}, statistics=(mean,), nothing=None)
    assert same(model.parameters(), [weight, scale])
    assert {name: array.item() for name, array in model.state_dict().items()} == {
        "weights.0": 1, "scales.x": 2, "statistics.0": 3,
    }  # fmt: skip
    model.load_state_dict({"weights.0": weight, "scales.x": weight, "statistics.0": weight})
    assert [scale.item(), mean.item()] == [1, 1]


def test_a_leaf_that_requires_a_gradient_is_a_parameter_and_an_activation_is_not():
    scale, x = tn.Tensor([2.0], requires_grad=True), nn.Parameter([1.0])
    model = Holder(scale=scale, seen=x * 3)
    assert same(model.parameters(), [scale])
    assert list(model.state_dict()) == ["scale", "seen"]


def test_a_frozen_parameter_is_still_a_parameter():
    layer = linear()
    layer.weight.requires_grad = False
    assert same(layer.parameters(), [layer.weight])


def test_a_layer_or_parameter_that_is_used_twice_counts_once():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.ReLU(), shared)
    model.tied = nn.Linear(2, 2, bias=False)
    model.tied.weight = shared.weight
    assert same(model.parameters(), [shared.weight, shared.bias])
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert len(list(model.modules())) == 4 and [name for name, _ in model][:3] == ["0", "1", "2"]

    x = tn.Tensor(np.ones((1, 2), np.float32))
    expected = shared(tn.relu(shared(x))).numpy() @ shared.weight.numpy().T
    assert np.allclose(model(x).numpy(), expected, rtol=1e-6)
    sgd = tn.optim.SGD(model.parameters(), lr=0.1)
    model(x).sum().backward()
    sgd.step()
    state = model.state_dict()
    model.load_state_dict({name: array + 1 for name, array in state.items()})
    assert np.array_equal(model.tied.weight.numpy(), state["0.weight"] + 1)


def test_a_part_that_knows_its_parent_is_walked_once():
    model = Holder(layer=linear(), others=[linear()])
    model.layer.parent, model.others[0].family = model, [model]
    model.others.append(model.others)
    assert list(model.state_dict()) == ["layer.weight", "others.0.weight"]
    assert len(list(model.modules())) == 3
    assert model.eval() is model and not model.others[0].training
    model.zero_grad()
    model.load_state_dict(model.state_dict())
    assert "parent: the model again" in repr(model)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_model_is_a_model_of_its_own(copied, backend):
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm2d(2))
    model.again, model[0].parent = model[0], model
    model[0].bias.requires_grad = False
    model[1].eval()
    twin = copied(model)
    assert type(twin) is nn.Sequential and repr(twin) == repr(model)
    assert twin.again is twin[0] and twin[0].parent is twin
    assert twin.training and not twin[1].training
    assert all(type(p) is nn.Parameter for p in twin.parameters())
    assert [p.requires_grad for p in twin.parameters()] == [True, False, True, True]
    before = model.state_dict()
    for name, array in twin.state_dict().items():
        assert np.array_equal(array, before[name])
    twin[0](tn.Tensor(np.ones((1, 2), np.float32))).sum().backward()
    tn.optim.SGD(twin.parameters(), lr=0.1).step()
    assert not np.array_equal(twin[0].weight.numpy(), before["0.weight"])
    assert np.array_equal(model[0].weight.numpy(), before["0.weight"])
    assert model[0].weight.grad is None


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "error", "words"),
    [
        ("a.b", linear, ValueError, "the name 'a.b' of a Linear is empty or has a dot"),
        ("", linear, ValueError, "the name '' of a Linear"),
        ("d", lambda: {"a.b": linear()}, ValueError, "the name 'a.b' of a Linear"),
        ("d", lambda: {"": linear()}, ValueError, "the name '' of a Linear"),
        ("d", lambda: {0.5: nn.Parameter([1.0])}, ValueError, "the name '0.5' of a Parameter"),
        ("d", lambda: {1: linear(), "1": linear()}, ValueError, "two parts are named d.1.weight"),
        ("s", lambda: {linear()}, TypeError, "s is a set with layers or tensors"),
        ("s", lambda: [{"x": linear()}.values()], TypeError, "s.0 is a dict_values with layers"),
        ("g", lambda: (linear() for _ in "ab"), TypeError, r"g is a generator.* write list\("),
        ("m", lambda: map(nn.ReLU, []), TypeError, r"m is a map.* write list\("),
        ("modules", lambda: [linear()], ValueError, "Holder: the name 'modules' is taken"),
        ("training", linear, ValueError, "Holder: the name 'training' is taken"),
    ],
)
def test_a_place_that_would_lose_parts_is_refused(name, value, error, words):
    with pytest.raises(error, match=words):
        Holder(**{name: value()}).parameters()


def test_values_without_parts_may_have_any_name_and_place():
    plain = {"a.b": 1, "": "x", 2: [3.0], "s": {1, 2}}
    model = Holder(options=plain, names={"a", "b"}, array=np.ones(3), layer=linear())
    assert list(model.state_dict()) == ["layer.weight"]


@pytest.mark.parametrize("make", [linear, lambda: nn.Parameter([1.0]), lambda: [nn.Dropout()]])
def test_parts_of_the_class_are_refused(make):
    with pytest.raises(TypeError, match=r"Network.part.* write self.part = ... in __init__"):
        type("Network", (nn.Module,), {"part": make()})
    with pytest.raises(TypeError, match="has no __slots__"):
        type("Network", (nn.Module,), {"__slots__": ("part",)})
    type("Network", (nn.Module,), {"mean": tn.Tensor([0.5])})  # a constant


@pytest.mark.parametrize(
    "value", [np.ones((1, 1), np.float32), [[1.0]], 1.0, tn.Tensor([[1.0]])], ids=lambda v: type(v)
)
def test_a_parameter_is_replaced_by_a_parameter_alone(value):
    layer = linear()
    with pytest.raises(TypeError, match=r"Linear.weight is a Parameter \(1, 1\).*\.weight\.data ="):
        layer.weight = value
    with pytest.raises(TypeError, match="Linear.weight is a Parameter"):
        layer.weight = layer.weight * 2
    replacement = nn.Parameter([[2.0]])
    layer.weight = replacement
    assert same(layer.parameters(), [replacement])
    layer.weight = None
    assert layer.parameters() == []


def test_a_buffer_is_replaced_by_a_tensor_alone():
    norm = nn.BatchNorm2d(2)
    with pytest.raises(TypeError, match=r"BatchNorm2d.running_mean is a Tensor \(2,\)"):
        norm.running_mean = np.zeros(2, np.float32)
    norm.running_mean = tn.Tensor([1.0, 2.0])
    assert norm.state_dict()["running_mean"].tolist() == [1, 2]


# --- Sequential -----------------------------------------------------------------------------------


def test_layers_without_names_are_named_by_their_positions():
    conv, act, head = nn.Conv2d(1, 2, 3), nn.ReLU(), ("head", nn.Flatten())
    for model in (nn.Sequential(conv, act, head), nn.Sequential([conv, act, head])):
        assert list(model) == [("0", conv), ("1", act), head]
        assert list(model.state_dict()) == ["0.weight", "0.bias"]
    named = [("conv", conv), ("act", act)]
    for model in (nn.Sequential(named), nn.Sequential(*named), nn.Sequential(dict(named))):
        assert list(model) == named
    assert list(nn.Sequential(("conv", conv))) == named[:1]
    assert len(nn.Sequential()) == 0 and nn.Sequential()(3) == 3


def test_layers_are_reached_by_position_name_and_slice():
    layers = [nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)]
    model = nn.Sequential(*layers)
    assert [model[i] for i in (0, -1, np.int64(1))] == [layers[0], layers[2], layers[1]]
    assert model["2"] is layers[2]
    assert list(model[1:]) == [("1", layers[1]), ("2", layers[2])]
    assert layers[1] in model and "1" in model and nn.ReLU() not in model and "3" not in model
    x = tn.Tensor(np.ones((1, 2), np.float32))
    assert model[1:](model[:1](x)).item() == model(x).item()
    for key, error, words in ((3, IndexError, "no layer 3, there are 3"),
                              (-4, IndexError, "no layer -4"),
                              ("fc", KeyError, "no layer 'fc' among 0, 1, 2")):  # fmt: skip
        with pytest.raises(error, match=words):
            model[key]


def test_a_list_beside_the_layers_is_trained_but_not_run():
    model = nn.Sequential(nn.Linear(1, 1))
    model.blocks = [model[0], linear()]
    assert list(model.state_dict()) == ["0.weight", "0.bias", "blocks.1.weight"]
    assert len(model) == 1


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((nn.ReLU,), "layer 0 is <class .*ReLU.*; a Module such as ReLU"),
        ((nn.Flatten(), tn.relu), "layer 1 is <function relu"),
        ((5,), "layer 0 is 5"),
        (([nn.ReLU(), None],), "layer 1 is None"),
        (([("a", "b", nn.ReLU())],), "layer 0 is "),
        (([(1, nn.ReLU())],), "layer 0 is "),
    ],
)
def test_what_is_no_layer_is_refused(layers, words):
    with pytest.raises(TypeError, match=f"Sequential: {words}"):
        nn.Sequential(*layers)


# --- repr -----------------------------------------------------------------------------------------


def test_the_tree_shows_layers_shapes_and_parameters():
    block = nn.Sequential(nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.ReLU())
    model = Holder(width=4, block=block, heads=[nn.Linear(1024, 2)], again=block, table=np.ones(3))
    model.scale = nn.Parameter([1.0])
    assert repr(model) == (
        "Holder(width=4): scale (1,), 2,171 parameters\n"
        "  block: Sequential()\n"
        "    0: Conv2d(in_channels=3, out_channels=4, groups=1, kernel=(3, 3), stride=(1, 1), "
        "padding=(0, 0), ceil_mode=False): weight (4, 3, 3, 3), bias (4,), 112 parameters\n"
        "    1: BatchNorm2d(channels=4, momentum=0.1, eps=1e-05): weight (4,), bias (4,), "
        "running_mean (4,), running_var (4,), 8 parameters\n"
        "    2: ReLU()\n"
        "  heads.0: Linear(in_features=1024, out_features=2): weight (2, 1024), bias (2,), "
        "2,050 parameters\n"
        "  again: block again"
    )
    assert repr(nn.ReLU()) == "ReLU()"


@pytest.mark.parametrize(
    "container",
    [
        lambda layer: {"a": layer}.items(),
        lambda layer: {("a", layer)},
        lambda layer: enumerate([layer]),
        lambda layer: reversed([layer]),
        lambda layer: iter([layer]),
    ],
)
def test_containers_that_would_hide_layers_are_refused(container):
    class Model(nn.Module):
        def __init__(self):
            self.parts = container(nn.Linear(2, 2))

    with pytest.raises(TypeError, match="the attribute parts is a"):
        Model().parameters()
