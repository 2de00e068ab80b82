"""Every spec of AlexNet trained as in PyTorch, and the gradient of the whole network.

Both sides start from the same weights and take ten steps of SGD on the same images and labels, with
each update rule; the rate changes after step 5. The networks have an eighth of the published width
and the smallest image that fits.
"""

import functools

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.network.plan import plan, smallest_image_size
from benchmarks.programs.pytorch import pytorch_layer
from tests.gpu_on_cpu.host_gpu import host_backend
from tests.oracles.cases import relative_error

STEPS, CHANGE_AFTER, CLASSES = 10, 5, 5
NUMBERS = {"momentum": 0.9, "weight_decay": 5e-4}
# Batch normalisation divides by the deviation of a few numbers, which magnifies rounding errors: at
# the others' rate two float32 runs diverge within ten steps, while in float64 they agree to 1e-10.
LR = {spec: 0.001 if spec == "batch-norm" else 0.01 for spec in alexnet.SPECS}
BATCH = {spec: 8 if spec == "batch-norm" else 3 for spec in alexnet.SPECS}
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
# With cupy-host the threads of a block run one after the other: ten steps take 3 seconds, or 10
# seconds for batch-norm with its many sums. The specs that run there use every op but batch
# normalisation between them; tests/tinynet/ops checks each op there by itself.
ON_HOST = ["paper", "code-2012", "cifar10"]


def skip_on_host(work):
    if tn.get_backend() is host_backend():
        pytest.skip(f"{work} takes long where a processor runs the GPU's kernels")


@functools.cache
def image_size(spec):
    return smallest_image_size(alexnet.SPECS[spec])


def model_of(spec, dtype, **changes):
    """A small network of this spec from seed 0; with "he" the signals reach the last layer."""
    tn.seed(0)
    changes = {"width": 0.125, "dropout": 0.0, "init": "he", **changes}
    return alexnet.build(spec, CLASSES, image_size(spec), np.dtype(dtype), **changes)


def batch(spec, dtype, step):
    generator = np.random.default_rng(step)
    images = generator.standard_normal((BATCH[spec], 3, image_size(spec), image_size(spec)))
    return images.astype(dtype), generator.integers(0, CLASSES, BATCH[spec])


def train(spec, dtype, rule):
    """Train our network for ten steps; returns the losses and the final weights."""
    model = model_of(spec, dtype)
    sgd = tn.optim.SGD(model.parameters(), LR[spec], rule=rule, **NUMBERS)
    losses = []
    for step in range(STEPS):
        if step == CHANGE_AFTER:
            sgd.groups[0]["lr"] *= 0.1
        images, labels = batch(spec, dtype, step)
        loss = tn.softmax_cross_entropy(model(tn.Tensor(images)), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses, model.state_dict()


# --- the same in PyTorch --------------------------------------------------------------------------


def peer_model(torch, model, dtype):
    peer = torch.nn.Sequential()
    for layer in plan(model.spec, model.num_classes, model.image_size):
        peer.add_module(layer.name, pytorch_layer(torch, **vars(layer)))
    state = {name: torch.tensor(array) for name, array in model.state_dict().items()}
    peer = peer.to(getattr(torch, dtype))
    missing, unknown = peer.load_state_dict(state, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in missing)
    return peer


def papers_step(torch, parameters, velocities, lr):
    """v = momentum v - weight_decay lr w - lr g; w = w + v."""
    with torch.no_grad():
        for w, v in zip(parameters, velocities, strict=True):
            v.mul_(NUMBERS["momentum"]).sub_(NUMBERS["weight_decay"] * lr * w).sub_(lr * w.grad)
            w.add_(v)


@functools.cache
def train_peer(spec, dtype, rule):
    import torch

    peer = peer_model(torch, model_of(spec, dtype), dtype)
    parameters = list(peer.parameters())
    sgd = torch.optim.SGD(parameters, LR[spec], **NUMBERS)
    velocities = [torch.zeros_like(w) for w in parameters]
    losses = []
    for step in range(STEPS):
        if step == CHANGE_AFTER:
            sgd.param_groups[0]["lr"] *= 0.1
        images, labels = (torch.tensor(array) for array in batch(spec, dtype, step))
        loss = torch.nn.functional.cross_entropy(peer(images), labels)
        sgd.zero_grad()
        loss.backward()
        if rule == "pytorch":
            sgd.step()
        else:
            papers_step(torch, parameters, velocities, sgd.param_groups[0]["lr"])
        losses.append(loss.item())
    return losses, {name: tensor.numpy().copy() for name, tensor in peer.state_dict().items()}


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
@pytest.mark.parametrize("spec", alexnet.SPECS)
def test_ten_steps_match_pytorch(spec, rule, backend, dtype):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    if (rule, dtype.name) == ("pytorch", "float32") and spec not in ON_HOST:
        pytest.skip("in float32 one rule trains every spec, both train three of them")
    if spec not in ON_HOST or (rule, dtype.name) not in [
        ("paper", "float32"),
        ("pytorch", "float64"),
    ]:
        skip_on_host(f"each training of {spec}")
    losses, weights = train(spec, dtype.name, rule)
    peer_losses, peer_weights = train_peer(spec, dtype.name, rule)
    assert relative_error(losses, peer_losses) <= TOLERANCE[dtype.name]
    for name, array in weights.items():
        assert relative_error(array, peer_weights[name]) <= TOLERANCE[dtype.name], name


@pytest.mark.parametrize("spec", alexnet.SPECS)
def test_ten_steps_move_every_weight_and_the_rules_differ(spec):
    """So the test above compares real changes and tells the two rules apart."""
    before = model_of(spec, "float64").state_dict()
    after = {rule: train(spec, "float64", rule)[1] for rule in ("paper", "pytorch")}
    for name, array in before.items():
        assert relative_error(after["paper"][name], array) > 1e-5, name
    assert max(relative_error(after["paper"][n], after["pytorch"][n]) for n in before) > 1e-4


# --- the gradient of the whole network ------------------------------------------------------------


def check_network(spec, seed, **changes):
    """Check the gradient of the loss by the images and by every parameter, each along a random
    direction."""
    model = model_of(spec, "float64", width=0.0625, **changes)
    owners = [(layer, kind) for _, layer in model for kind, _ in layer.named_parameters()]
    images, labels = (array[:3] for array in batch(spec, "float64", seed))

    def loss(images, *parameters):
        for (layer, kind), parameter in zip(owners, parameters, strict=True):
            setattr(layer, kind, parameter)
        return tn.softmax_cross_entropy(model(images), labels)

    inputs = [images, *(parameter.numpy() for parameter in model.parameters())]
    return tn.check_gradients(loss, inputs, directions=1, tolerance=1e-6, seed=seed)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("spec", ["paper", "caffenet", "torchvision", "batch-norm", "cifar10"])
def test_the_gradient_of_a_network_of_tanh_is_its_slope(spec, seed, backend):
    if spec not in ON_HOST or seed > 1:
        skip_on_host(f"each gradient of {spec}")
    check_network(spec, seed, activation="tanh", init="glorot")


@pytest.mark.parametrize("spec", alexnet.SPECS)
def test_the_gradient_of_a_network_of_relu_is_its_slope(spec, backend):
    if spec not in ON_HOST:
        skip_on_host(f"the gradient of {spec}")
    check_network(spec, seed=1)
