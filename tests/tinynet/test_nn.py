"""Modules, layers and initial weights."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import spaced
from tinynet import nn, random


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
    "MaxPool2d": (
        lambda: nn.MaxPool2d(3, 2, 1, True), lambda _, x: tn.max_pool2d(x, 3, 2, 1, True)),
    "AvgPool2d": (lambda: nn.AvgPool2d((2, 3)), lambda _, x: tn.avg_pool2d(x, (2, 3))),
    "AdaptiveAvgPool2d": (
        lambda: nn.AdaptiveAvgPool2d((2, 3)), lambda _, x: tn.adaptive_avg_pool2d(x, (2, 3))),
    "LocalResponseNorm": (
        lambda: nn.LocalResponseNorm(3, 1.0, 0.5, 1.0, True, 2),
        lambda _, x: tn.local_response_norm(x, 3, 1.0, 0.5, 1.0, True, 2)),
    "ReLU": (nn.ReLU, lambda _, x: tn.relu(x)),
    "Tanh": (nn.Tanh, lambda _, x: tn.tanh(x)),
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
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(change, error, parts):
    model = network()
    state = {name: array + 1 for name, array in model.state_dict().items()}
    change(state)
    with pytest.raises(error) as raised:
        model.load_state_dict(state)
    assert [part for part in parts if part not in str(raised.value)] == []
    assert not model.conv1.bias.numpy().any()


def test_arguments_that_do_not_fit_a_layer_are_refused_when_it_is_made():
    with pytest.raises(ValueError, match="Conv2d: groups=4 does not divide 6 input"):
        nn.Conv2d(6, 4, 3, groups=4)
    with pytest.raises(ValueError, match="Sequential: the name 'a' is taken"):
        nn.Sequential([("a", nn.ReLU()), ("a", nn.ReLU())])
    with pytest.raises(ValueError, match="'parameters' is taken"):
        nn.Sequential([("parameters", nn.ReLU())])
    with pytest.raises(TypeError, match="Module has no forward"):
        nn.Module()(1)


# --- initial weights ------------------------------------------------------------------------------


def test_initial_weights_depend_on_the_seed_and_the_index_alone(backend):
    def weights(seed, index, dtype=np.float32):
        tn.seed(seed)
        parameter = nn.Parameter(np.zeros((20, 30), dtype))
        nn.init.normal(parameter, 0.01, index=index)
        return parameter.numpy()

    first = weights(1, 0)
    random.next_dropout_draw()
    assert np.array_equal(weights(1, 0), first)
    assert not np.array_equal(weights(2, 0), first)
    assert not np.array_equal(weights(1, 1), first)
    assert np.allclose(weights(1, 0, np.float64), first, rtol=1e-6)


def test_initial_weights_have_the_requested_spread(dtype):
    parameter = nn.Parameter(np.zeros((100, 100), dtype))
    nn.init.normal(parameter, 0.02, 1.0, index=0)
    assert parameter.dtype == dtype
    assert parameter.numpy().mean() == pytest.approx(1.0, abs=1e-3)
    assert parameter.numpy().std() == pytest.approx(0.02, rel=0.05)
    nn.init.uniform(parameter, 0.5, index=0)
    assert -0.5 <= parameter.numpy().min() < -0.49 and 0.49 < parameter.numpy().max() <= 0.5
    nn.init.constant(parameter, 0.1)
    assert (parameter.numpy() == dtype.type(0.1)).all()


def test_fans_are_the_inputs_an_output_reads_and_the_outputs_an_input_feeds():
    assert nn.init.fans(nn.Conv2d(6, 8, (3, 2), groups=2).weight) == (3 * 6, 8 * 6)
    assert nn.init.fans(nn.Linear(7, 5).weight) == (7, 5)


def test_drawing_weights_counts_as_a_change():
    layer = nn.Linear(3, 2)
    loss = layer(tn.Tensor(np.ones((1, 3), np.float32))).sum()
    nn.init.constant(layer.weight, 1.0)
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()
