"""Batch normalisation: the normalised batch, and the running statistics."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced

SHAPE = (3, 7, 4, 5)


def tensors(dtype=np.float64):
    x = spaced(SHAPE) * np.arange(1, 8).reshape(1, 7, 1, 1) + 3
    arrays = [x, np.ones(7), np.zeros(7), np.zeros(7), np.ones(7)]
    return [tn.Tensor(a.astype(dtype)) for a in arrays]


def test_in_training_every_channel_has_mean_0_and_variance_1(backend):
    y = tn.batch_norm(*tensors(), True, eps=0.0).numpy()
    assert np.allclose(y.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    assert np.allclose(y.var(axis=(0, 2, 3)), 1, rtol=1e-12)


def test_running_statistics_move_by_the_momentum_as_in_pytorch(backend, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, weight, bias, mean, variance = tensors(dtype)
    peer = torch.nn.BatchNorm2d(7, momentum=0.3, dtype=torch.tensor(x.numpy()).dtype)
    for step in range(3):
        x.data = x.numpy() + step
        tn.batch_norm(x, weight, bias, mean, variance, True, momentum=0.3)
        peer(torch.tensor(x.numpy()))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert relative_error(mean.numpy(), peer.running_mean.numpy()) < tolerance
    assert relative_error(variance.numpy(), peer.running_var.numpy()) < tolerance
    assert mean.dtype == variance.dtype == dtype


def test_evaluation_uses_the_running_statistics_and_does_not_change_them(backend):
    x, weight, bias, mean, variance = tensors()
    mean.data, variance.data = np.arange(7.0), np.arange(1.0, 8.0)
    y = tn.batch_norm(x, weight, bias, mean, variance, False, eps=0.0).numpy()
    per_channel = [a.numpy().reshape(7, 1, 1) for a in (mean, variance)]
    assert relative_error(y, (x.numpy() - per_channel[0]) / np.sqrt(per_channel[1])) < 1e-14
    assert mean.numpy().tolist() == list(range(7))


def test_a_training_step_does_not_change_the_backward_of_an_earlier_evaluation(backend):
    def gradient(train_between):
        x, weight, bias, mean, variance = tensors()
        leaf = tn.Tensor(x.numpy(), requires_grad=True)
        loss = tn.batch_norm(leaf, weight, bias, mean, variance, False).sum()
        if train_between:
            tn.batch_norm(x, weight, bias, mean, variance, True)
        loss.backward()
        return on_host(leaf.grad)

    assert np.array_equal(gradient(True), gradient(False))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("left_out", [("weight",), ("bias",), ("weight", "bias")], ids=str)
def test_without_weight_or_bias_they_are_1_and_0(left_out, training, backend, dtype):
    def run(**given):
        x, weight, bias, mean, variance = tensors(dtype)
        leaves = [tn.Tensor(x.numpy() ** 2 / 4, requires_grad=True)]
        parameters = {"weight": weight, "bias": bias, **given}
        for name in {"weight", "bias"} - set(left_out):
            parameters[name] = tn.Tensor(spaced((7,), name).astype(dtype), requires_grad=True)
            leaves.append(parameters[name])
        y = tn.batch_norm(leaves[0], **parameters, running_mean=mean, running_var=variance,
                          training=training)  # fmt: skip
        y.backward(spaced(y.shape, "dy").astype(dtype))
        return [y.numpy(), *(on_host(leaf.grad) for leaf in leaves)]

    for ours, expected in zip(run(**dict.fromkeys(left_out)), run(), strict=True):
        assert ours.dtype == dtype and np.array_equal(ours, expected)


def test_a_layer_without_weight_and_bias_has_only_its_statistics(backend):
    layer = tn.nn.BatchNorm2d(7, affine=False)
    assert layer.parameters() == []
    assert sorted(layer.state_dict()) == ["running_mean", "running_var"]
    y = layer(tn.Tensor(spaced(SHAPE).astype(np.float32)))
    assert np.allclose(y.numpy().mean(axis=(0, 2, 3)), 0, atol=1e-6)


def test_running_statistics_that_training_moves_raise_their_version(backend):
    weight, bias = tn.nn.Parameter(np.ones(2, np.float32)), tn.nn.Parameter(np.zeros(2, np.float32))
    mean, variance = tn.Tensor(np.ones(2, np.float32)), tn.Tensor(np.ones(2, np.float32))
    x = tn.Tensor(np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2), requires_grad=True)
    loss = (weight * mean).sum()
    tn.batch_norm(x, weight, bias, mean, variance, training=True)
    with pytest.raises(RuntimeError, match="multiply read was changed"):
        loss.backward()


def test_one_batch_norm_may_be_used_twice_before_backward(backend):
    layer = tn.nn.BatchNorm2d(2)
    x = tn.Tensor(np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2), requires_grad=True)
    (layer(x) * layer(x * 2)).sum().backward()
    assert x.grad is not None


def test_running_statistics_with_a_gradient_of_another_backend_or_read_only_are_refused():
    ones = np.ones(2, np.float32)
    x = tn.Tensor(np.ones((2, 2, 2, 2), np.float32))
    with tn.use_backend("numpy"):
        elsewhere = tn.Tensor(ones)
    wrong = [(tn.nn.Parameter(ones), ValueError, "have no gradient")]
    if x.backend != "numpy":
        wrong.append((elsewhere, TypeError, "make them under one"))
    if x.backend != "cupy":
        wrong.append(
            (tn.Tensor(np.frombuffer(ones.tobytes(), np.float32)), ValueError, "read-only")
        )
    for mean, error, words in wrong:
        with pytest.raises(error, match=words):
            tn.batch_norm(x, None, None, mean, tn.Tensor(ones), training=True)


@pytest.mark.parametrize(
    "mean", [[0.0, 0.0], None, np.zeros((2, 2), np.float32)[:, 0]], ids=["list", "none", "strided"]
)
def test_running_statistics_that_training_could_not_change_are_refused(mean, backend):
    x, ones = tn.Tensor(np.ones((2, 2, 3, 3), np.float32)), np.ones(2, np.float32)
    variance = tn.Tensor(ones)
    with pytest.raises(TypeError, match="running_mean is a .* cannot change in place"):
        tn.batch_norm(x, ones, ones, mean, variance, True)
    np.testing.assert_array_equal(variance.numpy(), 1)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"momentum": None}, "must be a number"),
        ({"momentum": np.nan}, "must be a number"),
        ({"momentum": 10}, "from 0 to 1, got 10"),
        ({"momentum": -0.1}, "from 0 to 1"),
        ({"eps": "1"}, "must be a number"),
        ({"eps": -1e-5}, "at least 0"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers, words, backend):
    x, ones = tn.Tensor(np.ones((2, 2, 3, 3), np.float32)), np.ones(2, np.float32)
    mean, variance = tn.Tensor(ones), tn.Tensor(ones)
    with pytest.raises((TypeError, ValueError), match=words):
        tn.batch_norm(x, ones, ones, mean, variance, True, **numbers)
    np.testing.assert_array_equal(mean.numpy(), 1)
