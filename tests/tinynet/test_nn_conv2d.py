"""nn.Conv2d that rounds its output's size up, as cuda-convnet does."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced
from tinynet import nn


@st.composite
def geometries(draw):
    """(sizes, kernel, stride, padding) where at least one window fits, once rounded up."""
    axes = []
    for _ in range(2):
        kernel, stride = draw(st.integers(1, 5)), draw(st.integers(1, 5))
        padding = draw(st.integers(0, 2))
        least = max(1, kernel - 2 * padding - stride + 1)
        axes.append((draw(st.integers(least, 11)), kernel, stride, padding))
    return tuple(zip(*axes, strict=True))


def layer_of(kernel, stride, padding, dtype=np.float64, ceil_mode=True):
    layer = nn.Conv2d(2, 3, kernel, stride, padding, dtype=dtype, ceil_mode=ceil_mode)
    layer.weight.data = spaced(layer.weight.shape, "weight").astype(dtype)
    layer.bias.data = spaced((3,), "bias").astype(dtype)
    return layer


def scalar_conv2d(x, weight, bias, sizes, stride, padding):
    """One number at a time; pixels outside x are zero."""
    y = np.empty((len(x), len(weight), *sizes))
    for n, o, i, j in np.ndindex(y.shape):
        y[n, o, i, j] = bias[o]
        for c, u, v in np.ndindex(weight.shape[1:]):
            h, w = i * stride[0] + u - padding[0], j * stride[1] + v - padding[1]
            if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]:
                y[n, o, i, j] += weight[o, c, u, v] * x[n, c, h, w]
    return y


@given(geometry=geometries())
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_last_windows_hang_over_zeros_at_any_size(backend, geometry):
    sizes, kernel, stride, padding = geometry
    x = spaced((1, 2, *sizes), "x")
    layer = layer_of(kernel, stride, padding)
    y = layer(tn.Tensor(x)).numpy()
    expected = [
        1 + math.ceil((sizes[axis] + 2 * padding[axis] - kernel[axis]) / stride[axis])
        for axis in (0, 1)
    ]
    arrays = layer.weight.numpy(), layer.bias.numpy()
    assert relative_error(y, scalar_conv2d(x, *arrays, expected, stride, padding)) < 1e-12


@pytest.mark.parametrize("sizes", [(8, 9), (7, 7), (6, 8)])
def test_gradients_are_slopes_where_windows_hang_over_and_where_they_do_not(sizes, backend):
    layer = layer_of(3, 2, 0)

    def function(x, weight, bias):
        layer.weight, layer.bias = weight, bias
        return layer(x)

    arrays = [spaced((1, 2, *sizes), "x"), layer.weight.numpy(), layer.bias.numpy()]
    assert tn.check_gradients(function, arrays) <= 1e-6


def test_outputs_and_gradients_are_those_of_pytorch_on_maps_with_zeros_at_the_end(backend, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer = layer_of(3, (3, 2), 1, dtype)
    x = tn.Tensor(spaced((2, 2, 6, 6), "x").astype(dtype), requires_grad=True)
    y = layer(x)
    dy = spaced(y.shape, "dy").astype(dtype)
    y.backward(dy)
    peers = [torch.tensor(t.numpy(), requires_grad=True) for t in (x, layer.weight, layer.bias)]
    filled = torch.nn.functional.pad(peers[0], (0, 1, 0, 1))
    expected = torch.conv2d(filled, *peers[1:], stride=(3, 2), padding=1)
    gradients = torch.autograd.grad(expected, peers, torch.tensor(dy))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert relative_error(y.numpy(), expected.detach().numpy()) <= tolerance
    for ours, theirs in zip((x, layer.weight, layer.bias), gradients, strict=True):
        assert relative_error(on_host(ours.grad), theirs.numpy()) <= tolerance


@pytest.mark.parametrize("size, down, up", [(224, 54, 55), (227, 55, 55), (225, 54, 55)])
def test_the_papers_first_convolution_has_maps_of_55_at_224_only_if_it_rounds_up(size, down, up):
    x = tn.Tensor(np.ones((1, 2, size, size), np.float32))
    for ceil_mode, expected in ((False, down), (True, up)):
        layer = layer_of(11, 4, 0, np.float32, ceil_mode)
        assert layer(x).shape == (1, 3, expected, expected)


def test_where_the_strides_fit_the_bits_are_those_of_rounding_down(backend, dtype):
    x = tn.Tensor(spaced((2, 2, 7, 9)).astype(dtype))
    up, down = (layer_of(3, 2, 0, dtype, ceil_mode)(x).numpy() for ceil_mode in (True, False))
    assert up.tobytes() == down.tobytes()


def test_maps_that_are_too_small_or_no_maps_are_refused_by_conv2d(backend):
    with pytest.raises(ValueError, match="conv2d: a window of"):
        layer_of(7, 2, 0)(tn.Tensor(np.ones((1, 2, 3, 3))))
    with pytest.raises(ValueError, match="conv2d: x"):
        layer_of(3, 2, 0)(tn.Tensor(np.ones((2, 3, 3))))
