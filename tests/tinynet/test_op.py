"""@op: it unwraps arguments, wraps and records results, and refuses arguments that do not fit."""

import inspect

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host


@tn.op
def scaled_sum(ctx, a, b, factor=2.0, bias=None):
    """factor (a + b) + bias."""
    y = factor * (a + b)
    y = y if bias is None else y + bias

    def backward(dy):
        gradients = [factor * dy, factor * dy, None, dy]
        return tuple(
            g if needed else None for g, needed in zip(gradients, ctx.needs_grad, strict=True)
        )

    return y, backward


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_arguments_go_by_position_or_by_name(backend):
    a, b, bias = leaf(1), leaf(2), leaf(3)
    for y in (
        scaled_sum(a, b, 2.0, bias),
        scaled_sum(bias=bias, b=b, a=a),
        scaled_sum(a, b, bias=bias),
    ):
        a.grad = b.grad = bias.grad = None
        assert y.item() == 9
        y.backward()
        assert (a.grad.item(), b.grad.item(), bias.grad.item()) == (2, 2, 1)


def test_the_last_parameter_may_be_any_number_of_arrays(backend):
    @tn.op
    def weighted_sum(ctx, factor, *arrays):
        return factor * sum(arrays), lambda dy: (None, *[factor * dy] * len(arrays))

    for count in (1, 2, 5):
        tensors = [leaf(float(i)) for i in range(count)]
        y = weighted_sum(2.0, *tensors, np.ones(1, np.float32))
        y.backward()
        assert y.item() == 2 * sum(range(count)) + 2
        assert [on_host(t.grad).item() for t in tensors] == [2] * count


def test_help_shows_the_name_the_docstring_and_the_arguments_without_ctx():
    assert str(inspect.signature(scaled_sum)) == "(a, b, factor=2.0, bias=None)"
    assert scaled_sum.__doc__ == "factor (a + b) + bias."
    assert scaled_sum.__name__ == "scaled_sum"
    assert str(inspect.signature(tn.conv2d)) == (
        "(x, weight, bias=None, stride=1, padding=0, groups=1)"
    )


def test_needs_grad_says_which_arguments_need_a_gradient():
    flags = []

    @tn.op
    def watched(ctx, a, number, b):
        flags.append(ctx.needs_grad)
        return a + b, lambda dy: (dy, None, dy)

    a, b = leaf(1), tn.Tensor([2.0])
    watched(a, 5, b)
    watched(b, 5, a)
    watched(b, 5, b)
    with tn.no_grad():
        watched(a, 5, a)
    none = (False, False, False)
    assert flags == [(True, False, False), (False, False, True), none, none]


def test_the_result_of_inputs_without_gradient_records_nothing():
    y = scaled_sum(tn.Tensor([1.0]), tn.Tensor([2.0]))
    assert not y.requires_grad and y._node is None


def test_a_scalar_output_is_an_array_and_strided_gradients_are_brought_into_c_order(backend):
    @tn.op
    def turned(ctx, x):
        return x.T.copy(), lambda dy: dy.T

    @tn.op
    def total(ctx, x):
        return x.sum(), lambda dy: ctx.xp.broadcast_to(dy, x.shape)

    x = tn.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3), requires_grad=True)
    y = turned(x)
    assert y.shape == (3, 2)
    assert type(total(x).data) is type(x.data) and total(x).shape == ()
    total(turned(x) * turned(x)).backward()
    assert x.grad.tolist() == (2 * x.numpy()).tolist()
    assert x.grad.flags.c_contiguous
    x.grad += 1  # only the leaf holds this array, so it may be written to


def test_a_layer_refuses_the_strided_output_of_an_op_that_breaks_the_rule(backend):
    @tn.op
    def turned_view(ctx, x):
        return x.T, lambda dy: dy.T

    x = tn.Tensor(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match="relu: x is not C-contiguous; the op that made it"):
        tn.relu(turned_view(x))


def test_an_op_without_a_tensor_says_which_argument_to_wrap():
    with pytest.raises(TypeError, match="relu: x is numpy.ndarray, not a Tensor; wrap it"):
        tn.relu(np.ones(3, np.float32))


def test_tensors_of_two_backends_do_not_mix():
    with tn.use_backend("numpy"):
        a = leaf(1, 2)
    with tn.use_backend("numba"):
        b = leaf(3, 4)
    for mixed in (lambda: a + b, lambda: tn.linear(a.reshape(1, 2), b.reshape(1, 2))):
        with pytest.raises(TypeError, match="two backends, numba and numpy, do not mix"):
            mixed()


def test_a_backward_that_returns_another_shape_is_an_error_at_the_leaf():
    @tn.op
    def wrong(ctx, x):
        return x * 2, lambda dy: np.ones((3, 3), np.float32)

    with pytest.raises(RuntimeError, match=r"backward of .*float32 \(3, 3\).*float32 \(2,\)"):
        wrong(leaf(1, 2)).sum().backward()


@pytest.mark.parametrize("returned", [1, 3])
def test_a_backward_with_too_few_or_too_many_gradients_is_an_error(returned):
    @tn.op
    def product(ctx, a, b):
        return a * b, lambda dy: (dy,) * returned

    with pytest.raises(RuntimeError, match=r"backward of .* one gradient for each argument"):
        product(leaf(1), leaf(2)).backward()


def test_a_backward_without_a_gradient_that_is_needed_is_an_error():
    @tn.op
    def scaled(ctx, number, a):
        return number * a, lambda dy: dy  # it is the number's place

    with pytest.raises(RuntimeError, match=r"need one: 2 of 2, returned: 1 of 2"):
        scaled(2, leaf(1)).backward()


def test_an_output_without_derivative_records_nothing():
    @tn.op
    def largest(ctx, a):
        return a.argmax(), None

    assert not largest(leaf(1, 3)).requires_grad


def test_an_unknown_keyword_names_the_op_and_its_arguments():
    with pytest.raises(TypeError, match=r"conv2d: .*'dilation'.*\(x, weight, bias=None"):
        tn.conv2d(leaf(1), leaf(1), dilation=2)
