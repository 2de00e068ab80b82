"""conv_transpose2d: the adjoint of conv2d, as PyTorch has it."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import spaced

# rows and columns of y, kernel, stride, padding, groups, channels of y, of x
GEOMETRIES = [
    ((7, 6), (3, 3), (1, 1), (1, 1), 1, 3, 4),
    ((9, 11), (3, 2), (2, 3), (1, 0), 2, 4, 6),
    ((13, 12), (5, 5), (4, 4), (2, 2), 1, 3, 2),  # rows and columns that no window reads
    ((5, 5), (1, 1), (2, 2), (0, 0), 3, 3, 6),
    ((6, 5), (2, 3), (1, 2), (3, 4), 1, 2, 2),  # windows that lie in the padding alone
]


def arrays(geometry, dtype=np.float64):
    size, kernel, stride, padding, groups, channels, out = geometry
    rows, columns = (
        (n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
    )
    x = spaced((2, out, rows, columns), "x").astype(dtype)
    weight = spaced((out, channels // groups, *kernel), "weight").astype(dtype)
    return x, weight, spaced((channels,), "bias").astype(dtype)


def options(geometry):
    names = ("size", "stride", "padding", "groups")
    return dict(zip(names, (geometry[0], *geometry[2:5]), strict=True))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_it_is_the_adjoint_of_conv2d(geometry, backend):
    """<conv2d(y), x> = <y, conv_transpose2d(x)>, whatever y is."""
    x, weight, _ = arrays(geometry)
    y = spaced((2, geometry[5], *geometry[0]), "y")
    forward = {name: value for name, value in options(geometry).items() if name != "size"}
    read = tn.conv2d(tn.Tensor(y), tn.Tensor(weight), **forward).numpy()
    laid = tn.conv_transpose2d(tn.Tensor(x), tn.Tensor(weight), **options(geometry)).numpy()
    assert laid.shape == y.shape
    assert np.isclose((read * x).sum(), (y * laid).sum(), rtol=1e-12)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_pytorch_computes_the_same(geometry, backend, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is the peer")
    size, kernel, stride, padding, groups, *_ = geometry
    x, weight, bias = arrays(geometry, dtype)
    y = tn.conv_transpose2d(*map(tn.Tensor, (x, weight, bias)), **options(geometry))
    assert y.dtype == dtype
    smallest = [
        (n - 1) * s + k - 2 * p
        for n, k, s, p in zip(x.shape[2:], kernel, stride, padding, strict=True)
    ]
    more = tuple(n - m for n, m in zip(size, smallest, strict=True))
    expected = torch.nn.functional.conv_transpose2d(
        *map(torch.from_numpy, (x, weight, bias)), stride=stride, padding=padding, groups=groups,
        output_padding=more,
    )  # fmt: skip
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert np.allclose(y.numpy(), expected.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_gradients_are_the_slopes(geometry, backend):
    x, weight, bias = (tn.Tensor(array, requires_grad=True) for array in arrays(geometry))
    tn.check_gradients(
        lambda *inputs: tn.conv_transpose2d(*inputs, **options(geometry)), [x, weight, bias]
    )


def test_by_winograd_it_is_the_same(backend):
    """3 x 3 kernels at stride 1 and 16 channels or more, as numba takes it by itself."""
    x, weight = spaced((8, 16, 12, 12), "x"), spaced((16, 16, 3, 3), "weight")
    by = {}
    for name in ("im2col", "winograd"):
        tensors = [tn.Tensor(array, requires_grad=True) for array in (x, weight)]
        with tn.conv_algorithm(name):
            y = tn.conv_transpose2d(*tensors, padding=1, size=(12, 12))
            (y * y).sum().backward()
        by[name] = [y.numpy(), *(tn.Tensor(tensor.grad).numpy() for tensor in tensors)]
    for one, other in zip(*by.values(), strict=True):
        assert np.abs(one - other).max() < 1e-10 * np.abs(one).max()


def test_without_a_size_it_is_the_smallest():
    x = tn.Tensor(np.ones((1, 2, 3, 4)))
    y = tn.conv_transpose2d(x, tn.Tensor(np.ones((2, 1, 3, 3))), stride=2, padding=1)
    assert y.shape == (1, 1, 5, 7)
    assert y.numpy()[0, 0, 0].tolist() == [2, 4, 2, 4, 2, 4, 2]


@pytest.mark.parametrize(
    "shape, options, words",
    [
        ((2, 1, 3, 3), {"size": (8, 7)}, r"maps of \(3, 3\) of size \(8, 7\), x has \(3, 4\)"),
        ((2, 1, 3, 3), {"size": (5, 7), "stride": 3}, r"\(9, 12\) fits, and up to stride - 1 more"),
        ((3, 1, 3, 3), {}, "do not fit x"),
        ((2, 1, 3, 3), {"groups": 4}, "a multiple of groups"),
        ((2, 3, 3), {}, r"weight has shape \(2, 3, 3\)"),
        ((2, 1, 3, 3), {"size": (4, 5, 6)}, "size must be an int or a pair"),
    ],
)
def test_what_does_not_fit_is_an_error_in_words(shape, options, words):
    x, weight = tn.Tensor(np.ones((1, 2, 3, 4))), tn.Tensor(np.ones(shape))
    arguments = {"stride": 2, "padding": 0} | options
    with pytest.raises((ValueError, TypeError), match=words):
        tn.conv_transpose2d(x, weight, **arguments)
