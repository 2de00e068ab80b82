"""Long sums of float32 numbers along every axis: the last digits stay right."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error

# Equal numbers are the worst case: added one after the other, every rounding goes the same way, and
# the sum of a million is 1 % off.
TENTH = np.float32(0.1)
EXACT = 1e-5


def tenths(*shape):
    return np.full(shape, TENTH)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((10**6, 2), 0), ((2, 10**6, 2), 1), ((1000, 1000, 2), (0, 1)), ((2, 10**6), 1)],
    ids=str,
)
def test_a_long_sum_and_mean_are_right_to_the_last_digits(shape, axis, backend):
    x = tn.Tensor(tenths(*shape))
    total, mean = x.sum(axis=axis), x.mean(axis=axis)
    assert total.dtype == mean.dtype == np.float32
    assert relative_error(total.numpy(), np.full(total.shape, 10**6 * float(TENTH))) < EXACT
    assert relative_error(mean.numpy(), np.full(total.shape, float(TENTH))) < EXACT


@pytest.mark.parametrize("shape", [(2,), (1, 2), ()], ids=str)
def test_the_gradient_of_an_operand_that_was_repeated_often_is_right(shape, backend):
    x, small = tn.Tensor(tenths(10**6, 2)), tn.Tensor(np.ones(shape, np.float32), True)
    (x * small).sum().backward()
    expected = np.full(shape, 10**6 * float(TENTH) * (2 if shape == () else 1))
    assert relative_error(on_host(small.grad), expected) < EXACT


def test_the_gradient_of_a_bias_is_right_with_many_images(backend):
    x, weight = tn.Tensor(tenths(10**6, 1)), tn.Tensor(tenths(2, 1))
    bias = tn.Tensor(tenths(2), requires_grad=True)
    tn.linear(x, weight, bias).backward(tenths(10**6, 2))
    assert relative_error(on_host(bias.grad), np.full(2, 1e6 * float(TENTH))) < EXACT


# Many small maps, and a large one.
MAPS = pytest.mark.parametrize("shape", [(10**5, 2, 1, 1), (1, 2, 1000, 1000)], ids=str)


@MAPS
def test_a_convolutions_bias_gradient_is_right_with_many_pixels(shape, backend):
    kernels = tn.get_backend()
    dbias = kernels.empty((2,), np.dtype(np.float32))
    kernels.conv2d_backward_bias(kernels.from_numpy(tenths(*shape)), dbias)
    count = shape[0] * shape[2] * shape[3]
    assert relative_error(on_host(dbias), np.full(2, count * float(TENTH))) < EXACT


@MAPS
def test_batch_norms_sums_are_right_with_many_pixels(shape, backend):
    count = shape[0] * shape[2] * shape[3]
    signs = (1 - 2 * (np.arange(count) % 2)).astype(np.float32)
    xhat = np.broadcast_to(signs.reshape(shape[0], 1, *shape[2:]), shape)
    ones, zeros = np.ones(2, np.float32), np.zeros(2, np.float32)
    weight, bias = (tn.Tensor(ones, requires_grad=True) for _ in range(2))
    mean, variance = tn.Tensor(zeros), tn.Tensor(zeros.copy())
    x = tn.Tensor(xhat + np.float32(0.5))
    y = tn.batch_norm(x, weight, bias, mean, variance, True, momentum=1.0, eps=0.0)
    y.backward(TENTH * xhat + TENTH)
    assert relative_error(mean.numpy(), np.full(2, 0.5)) < EXACT
    assert relative_error(variance.numpy(), ones * count / (count - 1)) < EXACT
    for gradient in (weight.grad, bias.grad):
        assert relative_error(on_host(gradient), np.full(2, count * float(TENTH))) < EXACT


def test_the_mean_of_a_large_window_is_right(backend):
    x = tn.Tensor(tenths(1, 2, 300, 300))
    for y in (tn.avg_pool2d(x, 300), tn.adaptive_avg_pool2d(x, 1), x.mean((2, 3), keepdims=True)):
        assert relative_error(y.numpy(), np.full((1, 2, 1, 1), float(TENTH))) < EXACT


def test_equal_largest_elements_are_counted_however_many_they_are(backend):
    x = tn.Tensor(np.ones((2**24 + 8, 1), np.float32), requires_grad=True)
    x.max(axis=0).sum().backward()
    assert on_host(x.grad[:1]).item() == pytest.approx(1 / (2**24 + 8), rel=1e-7)
