"""pad: the order of the sides, and the pool of ONNX's AlexNet."""

import numpy as np

import tinynet as tn
from tests.oracles.cases import on_host, spaced


def test_the_sides_are_top_bottom_left_right(backend, dtype):
    x = tn.Tensor(np.array([[[[1, 2]]]], dtype))
    y = tn.pad(x, top=1, bottom=2, left=3, right=4, value=9)
    expected = np.full((1, 1, 4, 9), 9)
    expected[0, 0, 1, 3:5] = 1, 2
    assert y.dtype == dtype and np.array_equal(y.numpy(), expected)
    assert np.array_equal(tn.pad(x, 1, 2, 3, 4, 9).numpy(), expected)


def test_equal_sides_are_the_padding_of_a_convolution(backend):
    x, weight = tn.Tensor(spaced((2, 3, 5, 4))), tn.Tensor(spaced((2, 3, 3, 3)))
    padded = tn.conv2d(tn.pad(x, 1, 1, 2, 2), weight)
    assert np.allclose(padded.numpy(), tn.conv2d(x, weight, padding=(1, 2)).numpy(), rtol=1e-12)


def test_a_pool_padded_below_and_to_the_right_is_one_rounded_up(backend):
    """pads=[0, 0, 1, 1] of a MaxPool in ONNX's AlexNet: none above and to the left."""
    x = tn.Tensor(spaced((2, 3, 6, 8)))
    y = tn.max_pool2d(tn.pad(x, bottom=1, right=1, value=-np.inf), 3, 2)
    assert np.array_equal(y.numpy(), tn.max_pool2d(x, 3, 2, ceil_mode=True).numpy())


def test_only_the_map_gets_a_gradient(backend):
    x = tn.Tensor(spaced((1, 2, 2, 3)), requires_grad=True)
    dy = spaced((1, 2, 4, 6))
    tn.pad(x, 0, 2, 3, 0).backward(dy)
    assert np.array_equal(on_host(x.grad), dy[:, :, :2, 3:])
