"""Every op with every mixture of tensors and arrays in the places of its tensors."""

import itertools

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, spaced

MAPS = spaced((2, 4, 5, 5), "x")
ROWS = spaced((3, 4), "rows")
CHANNELS = [spaced((4,), name, positive=True) for name in ("weight", "bias", "mean", "var")]
LABELS = np.array([0, 3, 1])


def a_tensor_method(name):
    return lambda *arguments, **options: getattr(tn.Tensor, name)(*arguments, **options)


# name: (the op, the arrays in the places of tensors, further arguments)
CALLS = {
    "add": (a_tensor_method("__add__"), [ROWS, spaced((4,), "b")], {}),
    "subtract": (a_tensor_method("__sub__"), [ROWS, spaced((4,), "b")], {}),
    "multiply": (a_tensor_method("__mul__"), [ROWS, ROWS + 1], {}),
    "divide": (a_tensor_method("__truediv__"), [ROWS, CHANNELS[0]], {}),
    "power": (a_tensor_method("__pow__"), [np.abs(ROWS) + 1, CHANNELS[0]], {}),
    "matmul": (tn.matmul, [ROWS, spaced((4, 2), "b")], {}),
    "maximum": (tn.maximum, [ROWS, CHANNELS[0]], {}),
    "minimum": (tn.minimum, [ROWS, CHANNELS[0]], {}),
    "where": (tn.where, [ROWS > 0, ROWS, CHANNELS[0]], {}),
    "concatenate": (lambda *arrays: tn.concatenate(arrays), [ROWS, ROWS + 1, ROWS[:1]], {}),
    "equal": (a_tensor_method("__eq__"), [ROWS, ROWS], {}),
    "conv2d": (tn.conv2d, [MAPS, spaced((6, 2, 3, 3), "w"), spaced((6,), "b")], {"groups": 2}),
    "conv2d without bias": (tn.conv2d, [MAPS, spaced((6, 4, 3, 3), "w")], {}),
    "linear": (tn.linear, [ROWS, spaced((2, 4), "w"), spaced((2,), "b")], {}),
    "batch_norm in training": (tn.batch_norm, [MAPS, *CHANNELS], {"training": True}),
    "batch_norm in test": (tn.batch_norm, [MAPS, *CHANNELS], {"training": False}),
    "batch_norm without bias": (
        lambda x, weight: tn.batch_norm(x, weight, None, *CHANNELS[2:], False),
        [MAPS, CHANNELS[0]],
        {},
    ),
    "softmax_cross_entropy": (tn.softmax_cross_entropy, [ROWS, LABELS], {}),
    "softmax_cross_entropy, soft": (
        tn.softmax_cross_entropy,
        [ROWS, np.abs(ROWS) + 0.5],
        {"label_smoothing": 0.1},
    ),
}


def copies(arrays, as_tensors, requires_grad=True):
    return [
        tn.Tensor(a.copy(), requires_grad and a.dtype.kind == "f" and i < 3) if t else a.copy()
        for i, (a, t) in enumerate(zip(arrays, as_tensors, strict=True))
    ]


@pytest.mark.parametrize("name", CALLS)
def test_an_array_in_the_place_of_a_tensor_is_a_constant(name, backend):
    """The output is the same, and so are the gradients of the tensors that are left."""
    function, arrays, options = CALLS[name]
    reference = copies(arrays, [True] * len(arrays))
    expected = function(*reference, **options)
    slope = spaced(expected.shape, "slope")
    differentiable = expected.requires_grad
    if differentiable:
        expected.backward(slope)
    for as_tensors in itertools.product([True, False], repeat=len(arrays)):
        arguments = copies(arrays, as_tensors)
        operands = 3 if name.startswith("batch_norm") else None  # its statistics are tensors anyway
        lost = name == "batch_norm in training" and backend == "cupy" and not all(as_tensors[3:])
        if not any(as_tensors[:operands]) or lost:  # training cannot change NumPy's array there
            with pytest.raises((TypeError, AttributeError)):
                function(*arguments, **options)
            continue
        y = function(*arguments, **options)
        assert np.array_equal(y.numpy(), expected.numpy()), as_tensors
        if differentiable and y.requires_grad:
            y.backward(slope)
        for ours, theirs in zip(arguments, reference, strict=True):
            if isinstance(ours, tn.Tensor) and ours.requires_grad and differentiable:
                assert np.array_equal(on_host(ours.grad), on_host(theirs.grad)), as_tensors


@pytest.mark.parametrize("operation", ["+", "-", "*", "/", "**", "@", "=="])
def test_an_array_on_the_left_of_an_operator_is_a_constant_too(operation, backend):
    left = np.array([[1, 2], [3, 4]], np.float32)
    right = np.array([[5, 6], [7, 8]], np.float32)
    both = {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
        "/": lambda a, b: a / b, "**": lambda a, b: a**b, "@": lambda a, b: a @ b,
        "==": lambda a, b: a == b,
    }[operation]  # fmt: skip
    alone, beside = (tn.Tensor(right, requires_grad=True) for _ in range(2))
    ours, theirs = both(left, alone), both(tn.Tensor(left), beside)
    assert np.array_equal(ours.numpy(), theirs.numpy())
    if ours.requires_grad:
        ours.sum().backward()
        theirs.sum().backward()
        assert np.array_equal(on_host(alone.grad), on_host(beside.grad))


def test_the_product_of_an_array_and_a_tensor_gives_the_tensor_its_own_gradient(backend):
    a, b = np.array([[1, 2], [3, 4]], np.float32), np.array([[5, 6], [7, 8]], np.float32)
    tensor = tn.Tensor(b, requires_grad=True)
    tn.matmul(a, tensor).sum().backward()
    assert tensor.grad.tolist() == [[4, 4], [6, 6]]


def test_an_array_that_the_caller_changes_before_backward_changes_no_gradient(backend):
    array, x = np.array([2, 3], np.float32), tn.Tensor([1.0, 1.0], requires_grad=True)
    loss = (x * array).sum()
    array[:] = 0
    loss.backward()
    assert x.grad.tolist() == [2, 3]


def test_an_array_of_objects_or_with_a_mask_is_refused(backend):
    x = tn.Tensor([1.0, 2.0])
    for array in (np.array(["a", "b"]), np.ma.masked_array([1, 2], [0, 1], np.float32)):
        with pytest.raises(TypeError, match="add: b: "):
            x + array
