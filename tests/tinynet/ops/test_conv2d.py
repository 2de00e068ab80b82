"""Convolution: properties that hold for all numbers, and im2col with its transpose."""

import importlib

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced
from tinynet.backends import numpy as reference

X, WEIGHT = (3, 4, 7, 5), (6, 4, 3, 2)
GEOMETRY = {"stride": (2, 1), "padding": (1, 2)}


def conv2d(x, weight, bias=None, **arguments):
    bias = bias if bias is None else tn.Tensor(bias)
    return tn.conv2d(tn.Tensor(x), tn.Tensor(weight), bias, **arguments).numpy()


def test_convolution_is_linear_in_the_image_and_in_the_weight(backend):
    x, z, w, v = spaced(X, "x"), spaced(X, "z"), spaced(WEIGHT, "w"), spaced(WEIGHT, "v")
    y = conv2d(2 * x - 3 * z, w, **GEOMETRY)
    assert relative_error(y, 2 * conv2d(x, w, **GEOMETRY) - 3 * conv2d(z, w, **GEOMETRY)) < 1e-13
    y = conv2d(x, 2 * w - 3 * v, **GEOMETRY)
    assert relative_error(y, 2 * conv2d(x, w, **GEOMETRY) - 3 * conv2d(x, v, **GEOMETRY)) < 1e-13


def test_two_groups_are_two_convolutions_side_by_side(backend):
    x, weight, bias = spaced(X, "x"), spaced((6, 2, 3, 2), "weight"), spaced((6,), "bias")
    halves = [
        conv2d(x[:, :2], weight[:3], bias[:3], **GEOMETRY),
        conv2d(x[:, 2:], weight[3:], bias[3:], **GEOMETRY),
    ]
    together = conv2d(x, weight, bias, groups=2, **GEOMETRY)
    assert relative_error(together, np.concatenate(halves, axis=1)) < 1e-13


def test_a_kernel_of_one_pixel_is_a_linear_layer_at_every_pixel(backend):
    x, weight = spaced(X, "x"), spaced((6, 4), "weight")
    y = conv2d(x, weight.reshape(6, 4, 1, 1))
    assert relative_error(y, np.einsum("nchw,oc->nohw", x, weight)) < 1e-13


def test_an_int_stands_for_both_numbers_of_a_pair(backend):
    x, weight = spaced(X, "x"), spaced((2, 4, 3, 3), "weight")
    assert np.array_equal(
        conv2d(x, weight, stride=2, padding=1), conv2d(x, weight, stride=(2, 2), padding=[1, 1])
    )


def test_each_image_is_computed_independently(backend):
    x, weight = spaced((5, 4, 7, 5), "x"), spaced(WEIGHT, "weight")
    alone = [conv2d(image[None], weight) for image in x]
    assert relative_error(conv2d(x, weight), np.concatenate(alone)) < 1e-13


@pytest.mark.parametrize("columns", [1, 70, 100_000])
def test_the_number_of_images_at_once_does_not_change_the_result(columns, monkeypatch):
    """Numba's kernels put images side by side up to COLUMNS columns; one image has 35 columns."""
    kernels = importlib.import_module("tinynet.backends.numba.conv2d")
    monkeypatch.setattr(kernels, "COLUMNS", columns)
    results = []
    for backend in ("numba", "numpy"):
        with tn.use_backend(backend):
            shapes = [(7, 4, 7, 5), (6, 2, 3, 3), (6,)]
            tensors = [tn.Tensor(spaced(s, str(s)), requires_grad=True) for s in shapes]
            y = tn.conv2d(*tensors, padding=1, groups=2)
            y.backward(spaced(y.shape, "dy"))
            results.append([y.numpy(), *(on_host(t.grad) for t in tensors)])
    for ours, expected in zip(*results, strict=True):
        assert relative_error(ours, expected) < 1e-13


def test_a_map_may_be_computed_in_parts(backend):
    # A kernel's row has 96 x 3 x 11 weights: numba computes 315 of the 391 pixels at a time.
    x, weight, bias = spaced((2, 3, 27, 33), "x"), spaced((96, 3, 11, 11), "w"), spaced((96,), "b")
    with tn.use_backend("numpy"):
        expected = conv2d(x, weight) + bias[:, None, None]
    assert relative_error(conv2d(x, weight, bias), expected) < 1e-13


@pytest.mark.parametrize("padding", [(0, 0), (1, 2)])
def test_col2im_is_the_transpose_of_im2col(padding):
    image = spaced((3, 7, 6), "image")
    rows, columns = (7 + 2 * padding[0] - 3) // 2 + 1, (6 + 2 * padding[1] - 2) // 3 + 1
    patches = np.empty((3, 3, 2, rows, columns))
    reference.im2col(image, (2, 3), padding, patches)
    weights = spaced(patches.shape, "weights")
    back = np.empty_like(image)
    reference.col2im(weights, (2, 3), padding, back)
    assert np.isclose((patches * weights).sum(), (image * back).sum(), rtol=1e-12)


def test_a_column_of_im2col_is_a_patch_of_the_image():
    image = spaced((2, 5, 6), "image")
    patches = np.empty((2, 3, 2, 2, 3))
    reference.im2col(image, (2, 2), (0, 0), patches)
    assert np.array_equal(patches[:, :, :, 1, 2], image[:, 2:5, 4:6])
