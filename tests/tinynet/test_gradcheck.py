"""The gradient check finds a wrong gradient and names the element."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import spaced


def faulty_double(element, wrong):
    """An op, 2 x, whose gradient is wrong at one element."""

    @tn.op
    def double(ctx, x):
        def backward(dy):
            dx = 2 * dy
            dx[element] = wrong(dx[element])
            return dx

        return 2 * x, backward

    return double


def test_correct_gradients_pass_with_a_small_error(backend):
    assert tn.check_gradients(lambda x: tn.tanh(x * x), [spaced((3, 4))]) < 1e-8


@pytest.mark.parametrize(
    "wrong",
    [lambda g: g * 1.001, lambda g: -g, lambda g: 0 * g],
    ids=["larger", "negative", "zero"],
)
def test_a_wrong_element_is_named_with_both_values(wrong, backend):
    with pytest.raises(AssertionError, match=r"inputs\[0\]\[2, 1\]: analytic .*, numeric "):
        tn.check_gradients(faulty_double((2, 1), wrong), [spaced((3, 4))])


def test_a_wrong_element_of_the_second_input_is_named(backend):
    def function(a, b):
        return a * 3 + faulty_double((1,), lambda g: g + 1)(b)

    with pytest.raises(AssertionError, match=r"inputs\[1\]\[1\]"):
        tn.check_gradients(function, [spaced((3,), "a"), spaced((3,), "b")])


@pytest.mark.parametrize("element", [0, 1, 2])
def test_a_nan_gradient_is_found_at_every_element(element):
    def function(a, b):
        return faulty_double((element,), lambda g: np.nan)(a) + b * b

    with pytest.raises(AssertionError, match=rf"inputs\[0\]\[{element}\]: analytic nan"):
        tn.check_gradients(function, [spaced((3,), "a"), spaced((3,), "b")])


def test_a_large_input_is_checked_along_directions(backend):
    calls = []

    def function(x):
        calls.append(x)
        return tn.tanh(x)

    tn.check_gradients(function, [spaced((50, 50))])
    assert len(calls) == 1 + 2 * 8
    with pytest.raises(AssertionError, match=r"inputs\[0\] along random direction \d"):
        tn.check_gradients(faulty_double((7, 9), lambda g: -g * 100), [spaced((50, 50))])


def test_mistakes_of_two_elements_do_not_cancel():
    @tn.op
    def swapped(ctx, x):
        return x * 2, lambda dy: dy[::-1] * 2

    with pytest.raises(AssertionError):
        tn.check_gradients(swapped, [spaced((4,))])


def test_inputs_without_gradient_are_left_alone():
    constant = tn.Tensor(spaced((3,), "a"))
    tn.check_gradients(lambda a, b: a.detach() * b, [constant, spaced((3,), "b")])
    with pytest.raises(AssertionError, match=r"inputs\[0\]"):
        tn.check_gradients(lambda a, b: a.detach() * b, [spaced((3,), "a"), spaced((3,), "b")])


def test_float32_is_refused():
    with pytest.raises(TypeError, match=r"inputs\[1\] is float32; slopes drown"):
        tn.check_gradients(lambda a, b: a + b, [spaced((3,)), spaced((3,)).astype(np.float32)])


@pytest.mark.parametrize(
    "arguments", [{"directions": 0}, {"directions": -1}, {"tolerance": np.nan}, {"step": 0}]
)
def test_a_check_that_checks_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match=f"check_gradients: .*{next(iter(arguments))}"):
        tn.check_gradients(lambda x: x * x, [np.ones(3)], **arguments)


@pytest.mark.parametrize("output", [5.0, None, np.ones(3)])
def test_a_function_that_returns_no_tensor_is_refused(output):
    with pytest.raises(TypeError, match="must return a Tensor"):
        tn.check_gradients(lambda x: output, [np.ones(3)])
