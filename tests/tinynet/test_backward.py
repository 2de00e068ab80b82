"""backward: its argument, its errors, a graph that is kept, the gradient of an activation."""

import numpy as np
import pytest

import tinynet as tn


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_a_second_backward_is_an_error_that_says_so(backend):
    loss = (leaf(1, 2) * 2).sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="already walked and freed; compute the loss again"):
        loss.backward()


def test_a_second_backward_through_a_shared_part_is_an_error():
    x = leaf(1, 2)
    shared = x * x
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="already walked"):
        (shared * 2).sum().backward()


def test_backward_needs_a_gradient_of_the_correct_shape_and_dtype():
    y = leaf(1, 2) * 2
    with pytest.raises(ValueError, match=r"\(2,\); give grad"):
        y.backward()
    with pytest.raises(ValueError, match=r"grad is float32 \(3,\), the tensor float32 \(2,\)"):
        y.backward(np.ones(3, np.float32))
    with pytest.raises(ValueError, match="grad is float64"):
        y.backward(np.ones(2))
    with pytest.raises(RuntimeError, match="requires a gradient"):
        tn.Tensor([1.0]).backward()


def test_retain_graph_allows_a_second_backward(backend):
    x = leaf(1, 2)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match=r"already walked.*retain_graph=True"):
        loss.backward()


def test_retain_grad_leaves_the_whole_gradient_of_an_activation(backend):
    x = leaf(1, 2)
    hidden = x * 3
    hidden.retain_grad()
    (hidden * hidden + hidden).sum().backward()
    assert hidden.grad.tolist() == [7, 13] and x.grad.tolist() == [21, 39]
    hidden, grad = x * 3, np.array([1, 2], np.float32)
    hidden.retain_grad()
    hidden.backward(grad)
    grad[:] = 0
    assert hidden.grad.tolist() == [1, 2]  # its own array
    hidden = x * 3
    hidden.retain_grad()
    hidden.retain_grad()
    hidden.sum().backward()
    assert hidden.grad.tolist() == [1, 1]
    x.retain_grad()  # a leaf keeps its gradient anyway
    with pytest.raises(RuntimeError, match="retain_grad: .* no gradient"):
        hidden.detach().retain_grad()


def test_the_gradient_of_backward_may_be_a_tensor(backend):
    x = leaf(1, 2)
    (x * 3).backward(tn.Tensor([1.0, 10.0]))
    assert x.grad.tolist() == [3, 30]
