"""Operations in place: they write where nothing is recorded; elsewhere a leaf does not change."""

import numpy as np
import pytest

import tinynet as tn


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_an_update_of_parameters_in_a_loop_moves_them(backend):
    parameters = [leaf(1, 2), leaf(3)]
    for p in parameters:
        (p * p).sum().backward()
    with tn.no_grad():
        for p in parameters:
            p -= 0.5 * p.grad
    assert [p.numpy().tolist() for p in parameters] == [[0, 0], [0]]


def operate(sign, a, b):
    names = {"a": a, "b": b}
    exec(f"a {sign} b", names)
    return names["a"]


@pytest.mark.parametrize("sign", ["+=", "-=", "*=", "/=", "**="])
def test_outside_no_grad_a_leaf_that_requires_a_gradient_does_not_change(sign, backend):
    p = leaf(1, 2)
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient.*no_grad"):
        operate(sign, p, 2)
    assert p.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("sign", ["+=", "-=", "*=", "/=", "**="])
def test_without_recording_the_memory_changes(sign, backend):
    x = tn.Tensor([1.0, 2.0])
    array = x.numpy().copy()
    other = x.detach()
    assert operate(sign, x, 2.0) is x
    expected = operate(sign, array, 2.0)
    assert x.numpy().tolist() == other.numpy().tolist() == expected.tolist()


def test_a_matrix_is_multiplied_in_place(backend):
    x = tn.Tensor(np.array([[1, 2], [3, 4]], np.float32))
    same = x
    x @= np.array([[0, 1], [1, 0]], np.float32)
    assert same is x and x.numpy().tolist() == [[2, 1], [4, 3]]


def test_a_recorded_sum_is_a_new_tensor_with_every_gradient(backend):
    x, y = leaf(1, 2), leaf(3, 4)
    total = x * 2
    before = total
    total += y
    total += x
    total.sum().backward()
    assert before.numpy().tolist() == [2, 4]
    assert (x.grad.tolist(), y.grad.tolist()) == ([3, 3], [1, 1])
    zero = tn.Tensor([0.0, 0.0])
    zero += x  # the constant begins to depend on x
    assert zero.requires_grad


def test_a_result_that_is_not_like_the_tensor_is_an_error(backend):
    x = tn.Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"t \+= a: .*\(2, 2\).*\(2,\)"):
        x += tn.Tensor(np.ones((2, 2), np.float32))
    with pytest.raises(TypeError, match="divide"):
        labels = tn.Tensor([1, 2])
        labels /= 2


def test_elements_are_written_by_a_key(backend):
    x = tn.Tensor(np.zeros((2, 3), np.float32))
    x[0] = 1
    x[1, 1:] = np.array([5, 6], np.float32)
    x[tn.Tensor([0]), 2] = tn.Tensor([9.0])
    assert x.numpy().tolist() == [[1, 1, 9], [0, 5, 6]]
    with pytest.raises(IndexError):
        x[2] = 0
    with pytest.raises(TypeError, match="float64"):
        x[0] = np.ones(3)
    with pytest.raises(TypeError, match="an integer fits"):
        tn.Tensor([1, 2])[0] = 0.5
    p = leaf(1, 2)
    with pytest.raises(RuntimeError, match="no gradient would flow"):
        p[0] = 3
    with tn.no_grad():
        p[0] = 3
    assert p.numpy().tolist() == [3, 2]


def test_a_tensor_in_a_read_only_array_is_not_written():
    x = tn.Tensor(np.frombuffer(np.ones(2, np.float32).tobytes(), np.float32))
    if x.backend == "cupy":
        pytest.skip("a GPU has copied it")
    with pytest.raises(ValueError, match="read-only array"):
        x += 1
