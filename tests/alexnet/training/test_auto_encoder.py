"""Auto-encoders of convolutions: they learn, one rate fits, and other layers stay."""

import itertools

import numpy as np
import pytest

import tinynet as tn
from alexnet import build
from alexnet.errors import NotFinite
from alexnet.training.auto_encoder import AutoEncoder, stages
from tests.oracles.cases import spaced
from tinynet import nn


def smooth_images(count, size, dtype=np.float32):
    """Waves of any direction and colour: (N, 3, S, S), neighbouring pixels are alike."""
    generator = np.random.default_rng(0)
    rows, columns = np.mgrid[:size, :size] / size
    u, v, phase = generator.uniform(-8, 8, (3, count, 3, 1, 1))
    return np.sin(u * rows + v * columns + phase).astype(dtype)


def trained(stage, images, lr=0.1, steps=12):
    """The losses of the auto-encoder of a stage."""
    x = tn.Tensor(images)
    coder = AutoEncoder(stage.name, stage.conv, stage.activation, [stage.input(x)])
    optimizer, losses = tn.optim.SGD(coder.groups(), lr, 0.9), []
    for _ in range(steps):
        loss = coder.loss(stage.input(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    "spec, size, changes",
    [
        ("paper", 67, {"width": 0.03, "init": "he"}),  # two towers, LRN
        ("code-2012", 66, {"width": 0.03, "init": "he", "without": "conv4"}),  # rounds up
        ("cifar10", 32, {"width": 0.25, "norm": "batch", "activation": "tanh", "init": "he"}),
    ],
)
def test_every_layer_learns_and_no_other_changes(spec, size, changes):
    tn.seed(1)
    model = build(spec, 3, size, **changes).eval()
    images = smooth_images(4, size)
    for stage in stages(model):
        before = {name: array.copy() for name, array in model.state_dict().items()}
        losses = trained(stage, images)
        assert losses[-1] < 0.9 * losses[0] and losses[0] < 1.001, stage.name
        changed = [n for n, a in model.state_dict().items() if not np.array_equal(a, before[n])]
        assert changed == [f"{stage.name}.weight", f"{stage.name}.bias"]
        stage.settle_norms([tn.Tensor(images)])


def test_the_gradient_is_the_slope_of_the_loss():
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, dtype=np.float64)
    conv.weight.data = spaced(conv.weight.shape, "weight")
    conv.bias.data = spaced((6,), "bias")
    x = spaced((2, 4, 7, 6), "x")
    coder = AutoEncoder("conv", conv, nn.Tanh(), [tn.Tensor(x)])
    tn.check_gradients(lambda *_: coder.loss(tn.Tensor(x)), [conv.weight, conv.bias, coder.bias])


def test_the_loss_is_the_share_of_the_variance_that_is_not_explained():
    conv = nn.Conv2d(3, 5, 3, padding=1)
    x = tn.Tensor(smooth_images(4, 9))
    coder = AutoEncoder("conv", conv, nn.ReLU(), [x])
    given, back = x.numpy().astype(np.float64), coder(x).numpy().astype(np.float64)
    variance = given.var(axis=(0, 2, 3)).mean()
    assert coder.variance == pytest.approx(variance, rel=1e-5)
    expected = np.square(back - given).mean() / variance
    assert coder.loss(x).item() == pytest.approx(expected, rel=1e-5)
    # g and c are those of least squares: the error has nothing of what was decoded, and no mean.
    error, decoded = back - given, (back - coder.bias.numpy()[:, None, None]) / coder.g
    assert abs(error.mean(axis=(0, 2, 3))).max() < 1e-5
    assert abs((error * decoded).mean()) < 1e-5 * np.square(decoded).mean()


def test_one_rate_serves_weights_and_inputs_of_any_scale():
    losses = []
    for scale, contrast in itertools.product((1.0, 0.01), (1.0, 70.0)):
        tn.seed(5)
        model = build("cifar10", 3, 16, np.float64, width=0.25, init="he").eval()
        model["conv1"].weight.data = scale * model["conv1"].weight.numpy()
        losses.append(trained(stages(model)[0], contrast * smooth_images(4, 16, np.float64)))
    assert losses[0][-1] < 0.9 * losses[0][0]
    for other in losses[1:]:
        assert np.allclose(other, losses[0], rtol=1e-6)


def test_settled_norms_normalise_in_test_mode():
    tn.seed(2)
    model = build("cifar10", 3, 32, width=0.25, norm="batch", init="he").eval()
    first, second, third = stages(model)
    assert [len(stage.behind) for stage in (first, second, third)] == [3, 2, 2]
    images = [tn.Tensor(20 * smooth_images(6, 32)[start : start + 3]) for start in (0, 3)]
    first.settle_norms(images)
    norm, below = model["norm1"], model[:3]
    assert (norm.momentum, norm.training) == (0.01, False)
    with tn.no_grad():
        maps = [below(x).numpy().astype(np.float64) for x in images]
    means = np.mean([x.mean(axis=(0, 2, 3)) for x in maps], axis=0)
    count = maps[0][:, 0].size
    variances = np.mean([x.var(axis=(0, 2, 3)) for x in maps], axis=0) * count / (count - 1)
    assert np.allclose(norm.running_mean.numpy(), means, rtol=1e-4, atol=1e-5)
    assert np.allclose(norm.running_var.numpy(), variances, rtol=1e-4)


def test_a_layer_that_cannot_learn_is_an_error_that_names_it():
    conv, dark = nn.Conv2d(3, 4, 3), tn.Tensor(np.full((2, 3, 8, 8), 3, np.float32))
    with pytest.raises(NotFinite, match="conv2 cannot learn .* inputs have the variance 0"):
        AutoEncoder("conv2", conv, nn.ReLU(), [dark])
    conv.bias.data = np.full(4, -1e3, np.float32)
    with pytest.raises(NotFinite, match="conv2 .* give back of them 0; .*--init he"):
        AutoEncoder("conv2", conv, nn.ReLU(), [tn.Tensor(smooth_images(2, 8))])
