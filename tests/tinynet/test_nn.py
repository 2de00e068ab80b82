"""Modules and layers: their ops, modes, gradients, states and parameters."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import spaced
from tinynet import nn


def network(dtype=np.float32):
    return nn.Sequential(
        [
            ("conv1", nn.Conv2d(2, 4, 3, padding=1, dtype=dtype)),
            ("norm1", nn.BatchNorm2d(4, dtype=dtype)),
            ("relu1", nn.ReLU()),
            ("dropout1", nn.Dropout(0.5)),
            ("flatten", nn.Flatten()),
            ("fc2", nn.Linear(4 * 3 * 5, 6, bias=False, dtype=dtype)),
        ]
    )


NAMES = ["conv1.weight", "conv1.bias", "norm1.weight", "norm1.bias", "fc2.weight"]
BUFFERS = ["norm1.running_mean", "norm1.running_var"]


def test_parameters_have_their_layers_names_in_order():
    model = network()
    assert [name for name, _ in model.named_parameters()] == NAMES
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in model.parameters())
    assert model.conv1.weight is model.parameters()[0]
    assert set(model.state_dict()) == {*NAMES, *BUFFERS}


def test_a_model_can_be_walked_layer_by_layer(backend):
    model, images = network().eval(), tn.Tensor(spaced((2, 2, 3, 5)).astype(np.float32))
    for index, parameter in enumerate(model.parameters()):
        nn.init.normal(parameter, 0.5, index=index)
    x = images
    for _, layer in model:
        x = layer(x)
    assert np.array_equal(x.numpy(), model(images).numpy())
    assert len(model) == 6 and x.shape == (2, 6)


LAYERS = {
    "Conv2d": (
        lambda: nn.Conv2d(6, 4, (3, 2), stride=(1, 2), padding=1, groups=2),
        lambda layer, x: tn.conv2d(x, layer.weight, layer.bias, (1, 2), 1, 2)),
    "Conv2d that rounds up": (
        lambda: nn.Conv2d(6, 4, (3, 2), (5, 3), (0, 1), groups=2, ceil_mode=True),
        lambda layer, x: tn.conv2d(
            tn.pad(x, bottom=1, right=1), layer.weight, layer.bias, (5, 3), (0, 1), 2)),
    "Conv2d whose strides fit": (
        lambda: nn.Conv2d(6, 4, 3, 2, ceil_mode=True),
        lambda layer, x: tn.conv2d(x, layer.weight, layer.bias, 2)),
    "MaxPool2d": (
        lambda: nn.MaxPool2d(3, 2, 1, True), lambda _, x: tn.max_pool2d(x, 3, 2, 1, True)),
    "AvgPool2d": (lambda: nn.AvgPool2d((2, 3)), lambda _, x: tn.avg_pool2d(x, (2, 3))),
    "AvgPool2d, padding not counted": (
        lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        lambda _, x: tn.avg_pool2d(x, 3, 2, 1, False, False)),
    "AdaptiveAvgPool2d": (
        lambda: nn.AdaptiveAvgPool2d((2, 3)), lambda _, x: tn.adaptive_avg_pool2d(x, (2, 3))),
    "LocalResponseNorm": (
        lambda: nn.LocalResponseNorm(3, 1.0, 0.5, 1.0, True, 2),
        lambda _, x: tn.local_response_norm(x, 3, 1.0, 0.5, 1.0, True, 2)),
    "SameMapNorm": (
        lambda: nn.SameMapNorm(3, 9.0, 0.5, 2.0),
        lambda _, x: tn.same_map_norm(x, 3, 9.0, 0.5, 2.0)),
    "ReLU": (nn.ReLU, lambda _, x: tn.relu(x)),
    "Tanh": (nn.Tanh, lambda _, x: tn.tanh(x)),
    "Sigmoid": (nn.Sigmoid, lambda _, x: tn.sigmoid(x)),
    "Flatten": (nn.Flatten, lambda _, x: tn.flatten(x)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_its_op_with_its_arguments(name, backend):
    make, op = LAYERS[name]
    layer, x = make(), tn.Tensor(spaced((2, 6, 7, 5)).astype(np.float32))
    for index, parameter in enumerate(layer.parameters()):
        nn.init.normal(parameter, 1.0, index=index)
    assert np.array_equal(layer(x).numpy(), op(layer, x).numpy())


def test_a_layer_keeps_its_arguments():
    conv = nn.Conv2d(6, 4, 3, stride=2, padding=(0, 1), groups=2)
    assert (conv.kernel, conv.stride, conv.padding, conv.groups) == ((3, 3), (2, 2), (0, 1), 2)
    assert conv.weight.shape == (4, 3, 3, 3) and conv.bias.shape == (4,)
    assert nn.Conv2d(3, 4, 1, bias=False).bias is None
    assert nn.MaxPool2d(3).stride == (3, 3)
    lrn = nn.LocalResponseNorm()
    assert (lrn.size, lrn.alpha, lrn.beta, lrn.k, lrn.divide_by_size) == (5, 1e-4, 0.75, 2.0, False)
    same_map = nn.SameMapNorm()
    assert (same_map.size, same_map.alpha, same_map.beta, same_map.k) == (5, 1e-3, 0.75, 1.0)


def test_train_and_eval_reach_every_submodule(backend):
    model = nn.Sequential([("block", network()), ("head", nn.Dropout(0.9))])
    assert all(module.training for module in model.modules())
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    x = tn.Tensor(np.ones((1, 5), np.float32))
    assert model.head(x).numpy().tolist() == [[1] * 5]
    model.train()
    assert all(module.training for module in model.modules())
    assert [name for name, _ in model.named_parameters()] == [f"block.{name}" for name in NAMES]


def test_zero_grad_forgets_every_gradient(backend):
    model = network()
    model(tn.Tensor(np.ones((2, 2, 3, 5), np.float32))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_state_is_a_copy_and_makes_another_model_the_same(backend):
    model, other = network(), network()
    for index, parameter in enumerate(model.parameters()):
        nn.init.uniform(parameter, 1.0, index=index)
    model(tn.Tensor(spaced((2, 2, 3, 5)).astype(np.float32)))  # moves the running statistics
    state = model.state_dict()
    other.load_state_dict(state)
    for name, array in other.state_dict().items():
        assert np.array_equal(array, model.state_dict()[name])
        assert not np.shares_memory(array, state[name])
    for name, parameter in model.named_parameters():
        assert not np.shares_memory(parameter.numpy(), state[name])
    state["conv1.bias"] += 1
    assert not np.array_equal(state["conv1.bias"], other.conv1.bias.numpy())
    assert np.abs(other.norm1.running_mean.numpy()).max() > 0


@pytest.mark.parametrize(
    ("change", "error", "parts"),
    [
        (lambda s: s.pop("conv1.bias"), KeyError, ["missing ['conv1.bias']"]),
        (lambda s: s.update(extra=np.ones(1)), KeyError, ["unknown ['extra']"]),
        (lambda s: s.update({"fc2.weight": np.ones((6, 59), np.float32)}), ValueError,
         ["fc2.weight", "(6, 59)", "(6, 60)"]),
        (lambda s: s.update({"fc2.weight": np.ones((6, 60))}), ValueError,
         ["fc2.weight", "float64", "float32"]),
        (lambda s: s.update({"fc2.weight": [[1.0], [1.0, 2.0]]}), ValueError,
         ["fc2.weight does not fit"]),
        (lambda s: s.update({"fc2.weight": None}), ValueError,
         ["fc2.weight does not fit", "object"]),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, error, parts):
    model = network()
    before = model.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    change(state)
    with pytest.raises(error) as raised:
        model.load_state_dict(state)
    assert [part for part in parts if part not in str(raised.value)] == []
    if error is not KeyError:
        with pytest.raises(error):
            model.load_state_dict(state, strict=False)
    for name, array in model.state_dict().items():
        assert np.array_equal(array, before[name]), name


def test_what_is_no_dict_is_no_state():
    for state in (network(), "last.npz", None):
        with pytest.raises(TypeError, match=f"state is {type(state).__name__}; a dict of arrays"):
            network().load_state_dict(state)


def test_a_state_that_is_not_strict_loads_what_both_have_and_names_the_rest(backend):
    model = network()
    before = model.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    del state["conv1.weight"], state["norm1.running_var"]
    state["fc3.weight"] = np.ones(3)
    missing, unexpected = result = model.load_state_dict(state, strict=False)
    assert missing == result.missing_keys == ["conv1.weight", "norm1.running_var"]
    assert unexpected == result.unexpected_keys == ["fc3.weight"]
    for name, array in model.state_dict().items():
        assert np.array_equal(array, before[name] if name in missing else state[name]), name
    assert model.load_state_dict(before) == ([], [])


def test_a_state_may_hold_tensors_or_be_an_open_file(backend, tmp_path):
    model, state = network(), network().state_dict()
    model.load_state_dict({name: tn.Tensor(array) for name, array in state.items()})
    assert all(np.array_equal(array, state[name]) for name, array in model.state_dict().items())
    tn.save(tmp_path / "a.npz", state)
    other = network()
    with np.load(tmp_path / "a.npz") as file:
        other.load_state_dict(file)
    assert all(np.array_equal(array, state[name]) for name, array in other.state_dict().items())


# --- parameters -----------------------------------------------------------------------------------


def test_training_never_writes_into_the_array_of_a_parameter(backend):
    array = np.ones((2, 3), np.float32)
    fixed = np.broadcast_to(np.float32(2), (2, 3))  # read-only
    parameters = [nn.Parameter(array), nn.Parameter(fixed), nn.Parameter(tn.Tensor(array).data)]
    sgd = tn.optim.SGD(parameters, lr=0.5)
    sum((p.sum() for p in parameters[1:]), parameters[0].sum()).backward()
    sgd.step()
    assert [p.numpy().flat[0] for p in parameters] == [0.5, 1.5, 0.5]
    assert array.tolist() == [[1] * 3] * 2 and fixed.tolist() == [[2] * 3] * 2


def test_a_parameter_keeps_its_float_dtype_and_refuses_integers(backend):
    assert nn.Parameter(np.ones(2)).dtype == np.float64
    assert nn.Parameter([1.0, 2.0]).dtype == np.float32
    with pytest.raises(ValueError, match="int64 tensor cannot require a gradient; give it float32"):
        nn.Parameter(np.arange(3))


def test_a_parameter_takes_over_an_array_on_request():
    with tn.use_backend("numpy"):
        array = np.ones(3, np.float32)
        assert nn.Parameter(array, copy=False).data is array


def test_arguments_that_do_not_fit_a_layer_are_refused_when_it_is_made():
    with pytest.raises(ValueError, match="Conv2d: groups=4 does not divide 6 input"):
        nn.Conv2d(6, 4, 3, groups=4)
    with pytest.raises(ValueError, match="Sequential: the name 'a' is taken"):
        nn.Sequential([("a", nn.ReLU()), ("a", nn.ReLU())])
    with pytest.raises(ValueError, match="'parameters' is taken"):
        nn.Sequential([("parameters", nn.ReLU())])
    with pytest.raises(TypeError, match=r"Module has no forward; write def forward"):
        nn.Module()(1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nn.Conv2d("3", 8, 3), "Conv2d: in_channels must be an int, got '3'"),
        (lambda: nn.Conv2d(-3, 8, 3), "Conv2d: in_channels must be at least 1, got -3"),
        (lambda: nn.Conv2d(3, 8.0, 3), "Conv2d: out_channels must be an int, got 8.0"),
        (lambda: nn.Conv2d(3, 8, 3, groups=None), "Conv2d: groups must be an int, got None"),
        (lambda: nn.Linear(3.5, 4), "Linear: in_features must be an int, got 3.5"),
        (lambda: nn.Linear(3, -1), "Linear: out_features must be at least 0, got -1"),
        (lambda: nn.BatchNorm2d((2,)), r"BatchNorm2d: channels must be an int, got \(2,\)"),
    ],
)
def test_sizes_that_are_no_counts_are_refused_in_words(make, words):
    with pytest.raises((TypeError, ValueError), match=words):
        make()


def test_forward_gets_arguments_by_name():
    class Twice(nn.Module):
        def forward(self, x, *, times):
            return x * times

    assert Twice()(tn.Tensor([3.0]), times=2).item() == 6
