"""Arithmetic: the operands that fit together, and their gradients."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import relative_error, spaced

BROADCASTS = [((3, 4), (4,)), ((3, 4), ()), ((2, 1, 4), (3, 1)), ((1,), (2, 3)), ((), ())]
OPERATIONS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_operands_broadcast_as_in_numpy_and_their_gradients_sum(operation, shapes, backend):
    function = OPERATIONS[operation]
    for pair in (shapes, shapes[::-1]):
        a, b = spaced(pair[0], "a", positive=True), spaced(pair[1], "b", positive=True)
        assert np.array_equal(function(tn.Tensor(a), tn.Tensor(b)).numpy(), function(a, b))
        tn.check_gradients(function, [a, b])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("number", [3, 2.5, np.float64(2.5), np.float32(2.5), np.int64(3)])
def test_a_number_beside_a_tensor_takes_its_dtype(operation, number, dtype, backend):
    function = OPERATIONS[operation]
    x = tn.Tensor(np.array([1, 2, 4], dtype), requires_grad=True)
    for y, expected in (
        (function(x, number), function(x.numpy(), float(number))),
        (function(number, x), function(float(number), x.numpy())),
    ):
        assert y.dtype == dtype
        assert relative_error(y.numpy(), expected) < 1e-6
        y.sum().backward()
        assert x.grad.dtype == dtype


@pytest.mark.parametrize("exponent", [2, 2.0, np.float64(2), np.float32(2), np.int64(2)])
def test_an_exponent_leaves_the_dtype_as_it_is(exponent, dtype, backend):
    x = tn.Tensor(np.array([1, 2, 4], dtype), requires_grad=True)
    y = x**exponent
    assert y.dtype == dtype and y.numpy().tolist() == [1, 4, 16]
    y.sum().backward()
    assert x.grad.dtype == dtype and x.grad.tolist() == [2, 4, 8]


def test_powers_of_zero_are_as_in_numpy_and_power_zero_has_no_slope(backend):
    x = tn.Tensor([0.0, 2.0], requires_grad=True)
    y = x**0
    y.sum().backward()
    assert y.numpy().tolist() == [1, 1] and x.grad.tolist() == [0, 0]
    x.grad = None
    (x**1).sum().backward()
    assert x.grad.tolist() == [1, 1]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_array_beside_a_tensor_makes_a_tensor_not_an_array_of_tensors(operation, backend):
    function = OPERATIONS[operation]
    array, x = np.array([1, 2], np.float32), tn.Tensor([4.0, 8.0], requires_grad=True)
    for y in (function(array, x), function(x, array)):
        assert isinstance(y, tn.Tensor) and y.dtype == np.float32
        y.sum().backward()
    assert np.array_equal(function(array, x).numpy(), function(array, x.numpy()))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_array_of_another_dtype_is_refused_on_either_side(operation, backend):
    function = OPERATIONS[operation]
    array, x = np.array([1.0, 2.0]), tn.Tensor([4.0, 8.0])
    for mixed in (lambda: function(x, array), lambda: function(array, x)):
        with pytest.raises(TypeError, match="float32.*float64|float64.*float32"):
            mixed()


@pytest.mark.parametrize("operation", "+-*")
def test_a_fraction_beside_an_integer_tensor_is_refused_not_rounded(operation, backend):
    function, labels = OPERATIONS[operation], tn.Tensor(np.array([1, 2]))
    assert function(labels, 1).dtype == np.int64
    for mixed in (lambda: function(labels, 0.5), lambda: function(0.5, labels)):
        with pytest.raises(TypeError, match="int64"):
            mixed()


def test_the_same_tensor_on_both_sides_gets_both_gradients(backend):
    for function, slope in (
        (lambda a: a + a, [2, 2]),
        (lambda a: a - a, [0, 0]),
        (lambda a: a * a, [6, 8]),
        (lambda a: a / a, [0, 0]),
    ):
        x = tn.Tensor([3.0, 4.0], requires_grad=True)
        function(x).sum().backward()
        assert x.grad.tolist() == slope


def test_matmul_takes_an_array_on_either_side(backend):
    a, x = spaced((2, 3), "a"), tn.Tensor(spaced((3, 2), "x"), requires_grad=True)
    assert np.allclose((a @ x).numpy(), a @ x.numpy())
    assert np.allclose((x @ a).numpy(), x.numpy() @ a)
    tn.check_gradients(lambda x: a @ x @ a, [x])


def test_matmul_sums_the_gradient_of_a_matrix_multiplied_with_a_stack(backend):
    tn.check_gradients(tn.matmul, [spaced((4, 2, 3), "a"), spaced((3, 2), "b")])
    tn.check_gradients(tn.matmul, [spaced((2, 3), "a"), spaced((4, 3, 2), "b")])


@pytest.mark.parametrize("other", [None, "3", [4.0, 8.0], (4.0, 8.0), 1j, print])
@pytest.mark.parametrize("operation", [*OPERATIONS, "**", "@"])
def test_an_operand_that_is_no_number_is_refused_on_either_side(operation, other, backend):
    function = {**OPERATIONS, "**": lambda a, b: a**b, "@": lambda a, b: a @ b}[operation]
    x = tn.Tensor([1.0, 2.0])
    for mixed in (lambda: function(x, other), lambda: function(other, x)):
        with pytest.raises(TypeError, match="a Tensor, an array or a number fits"):
            mixed()


@pytest.mark.parametrize("shapes", BROADCASTS, ids=str)
def test_a_power_of_tensors_is_numpys_with_both_gradients(shapes, backend):
    a, b = spaced(shapes[0], "a", positive=True), spaced(shapes[1], "b")
    assert np.array_equal((tn.Tensor(a) ** tn.Tensor(b)).numpy(), a**b)
    tn.check_gradients(lambda a, b: a**b, [a, b])
    assert np.array_equal((2 ** tn.Tensor(b)).numpy(), 2.0**b)
    tn.check_gradients(lambda b: 2.5**b, [b])


def test_powers_of_zero_have_pytorchs_gradients(backend):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a, b = np.array([0, 0, 0, 2], np.float32), np.array([0, 1, 2, 0], np.float32)
    ours = [tn.Tensor(n, requires_grad=True) for n in (a, b)]
    theirs = [torch.tensor(n, requires_grad=True) for n in (a, b)]
    (ours[0] ** ours[1]).sum().backward()
    (theirs[0] ** theirs[1]).sum().backward()
    for x, y in zip(ours, theirs, strict=True):
        assert x.grad.tolist() == y.grad.tolist()


@pytest.mark.parametrize(
    "function",
    [
        lambda mask: mask * 2,
        lambda mask: 5 + mask,
        lambda mask: 1 - mask,
        lambda mask: -mask,
        lambda mask: mask - mask,
        lambda mask: tn.maximum(mask, 2),
    ],
)
def test_bools_are_no_numbers(function, backend):
    with pytest.raises(TypeError, match="no array of numbers"):
        function(tn.Tensor([1.0, 3.0]) > 2)


@pytest.mark.parametrize("dtype, number", [("uint8", 300), ("uint8", -1), ("float32", 10**400)])
def test_a_number_that_an_element_does_not_hold_is_an_error(dtype, number, backend):
    with pytest.raises(ValueError, match="does not hold the number"):
        tn.Tensor(np.ones(2, dtype)) * number
