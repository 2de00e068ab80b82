"""The walk of backward: its order, its sums, the owners of gradients, and the memory it keeps."""

import gc
import threading
import weakref

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


# --- the walk -------------------------------------------------------------------------------------


def test_a_node_is_visited_once_and_after_all_its_users(backend):
    visits = []

    @tn.op
    def watched(ctx, x, name):
        def backward(dy):
            visits.append((name, dy.tolist()))
            return dy

        return x + 0, backward

    x = leaf(1)
    a = watched(x, "a")
    b = watched(a, "b")
    c = watched(a, "c")
    (watched(b, "d") + c * 10 + a * 100).sum().backward()
    assert [name for name, _ in visits] == ["d", "c", "b", "a"]
    assert visits[-1] == ("a", [111.0])
    assert x.grad.tolist() == [111]


def test_many_users_of_one_tensor_add_up(backend):
    x = leaf(2, 3)
    y = x * x
    (y + y * x + x).sum().backward()  # x^2 + x^3 + x
    assert x.grad.tolist() == [2 * 2 + 3 * 4 + 1, 2 * 3 + 3 * 9 + 1]


def test_forty_doublings_take_forty_visits():
    x = leaf(1)
    y = x
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad.tolist() == [2.0**40]


def test_a_chain_of_100000_needs_no_recursion():
    x = leaf(1)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]
    assert y.item() == 100_001


def test_an_unwalked_chain_of_100000_is_freed_without_recursion():
    y = leaf(1)
    first = y
    for _ in range(100_000):
        y = y + 1
    first_is_gone = weakref.ref(first)
    del first, y  # recursion would end the process here
    assert first_is_gone() is None


def test_backward_from_a_leaf_gives_it_its_own_gradient():
    x = leaf(1, 2)
    grad = np.array([3, 4], np.float32)
    x.backward(grad)
    assert x.grad.tolist() == [3, 4]
    assert not np.shares_memory(x.grad, grad)


def test_backward_starts_from_its_argument_and_does_not_change_it():
    x, y = leaf(1, 2), leaf(3, 4)
    grad = np.array([10, 100], np.float32)
    z = x + y
    (z + z * x).backward(grad)
    assert grad.tolist() == [10, 100]
    assert x.grad.tolist() == [10 + 10 * 5, 100 + 100 * 8]


def test_several_backwards_add_into_grad_until_it_is_reset():
    x = leaf(1, 2)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 5]
    x.grad = None
    (x * 3).sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_threads_walk_their_graphs_at_once(backend):
    gradients = {}

    def work(number):
        x = leaf(number, 1)
        for _ in range(50):
            (x * x * number).sum().backward()
        gradients[number] = x.grad.tolist()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gradients == {n: [50 * 2 * n * n, 50 * 2 * n] for n in range(1, 5)}


# --- the owner of a gradient ----------------------------------------------------------------------


def both_get_dy(a, b):
    return a + b


def both_get_one_new_array(a, b):
    @tn.op
    def doubled_sum(ctx, a, b):
        def backward(dy):
            gradient = 2 * dy
            return gradient, gradient

        return 2 * (a + b), backward

    return doubled_sum(a, b)


def both_get_views(a, b):
    return a.reshape(1, 3).reshape(3) + b.transpose()


def share_memory(a, b):
    """Whether writing into one of the backend's arrays changes the other."""
    before = on_host(b).tolist()
    a += 1
    after = on_host(b).tolist()
    a -= 1
    return before != after


@pytest.mark.parametrize("function", [both_get_dy, both_get_one_new_array, both_get_views])
def test_two_leaves_never_share_a_gradient(function, backend):
    a, b, grad = leaf(1, 2, 3), leaf(4, 5, 6), tn.Tensor(np.ones(3, np.float32)).data
    function(a, b).backward(grad)
    assert not share_memory(a.grad, b.grad)
    assert not share_memory(a.grad, grad) and not share_memory(b.grad, grad)
    before = b.grad.tolist()
    (a * 7).sum().backward()
    assert b.grad.tolist() == before


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (2, 3)])
@pytest.mark.parametrize("function", [tn.sum, tn.mean, tn.max])
def test_the_gradient_of_a_reduction_can_be_added_to(function, shape, backend):
    x = tn.Tensor(np.ones(shape, np.float32), requires_grad=True)
    function(x).backward()
    first = x.grad.copy()
    function(x).backward()
    assert np.array_equal(on_host(x.grad), 2 * on_host(first))


def test_a_sum_of_gradients_does_not_change_the_parts(backend):
    gradients = []

    @tn.op
    def watched(ctx, x):
        def backward(dy):
            gradients.append((dy, dy.copy()))
            return dy

        return x + 0, backward

    x = leaf(1, 2)
    y = watched(x)
    (watched(y) + watched(y) + y * 3).sum().backward()
    for dy, before in gradients:
        assert np.array_equal(on_host(dy), on_host(before))
    assert x.grad.tolist() == [5, 5]


# --- memory ---------------------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def layers(x, weight):
    hidden = tn.max_pool2d(tn.relu(tn.conv2d(x, weight, padding=1)), 2)
    hidden = tn.dropout(tn.local_response_norm(hidden))
    return tn.softmax_cross_entropy(hidden.flatten(), np.array([0, 1]))


def test_a_graph_has_no_reference_cycle(no_collector, backend):
    weight = tn.Tensor(np.ones((3, 2, 3, 3), np.float32), requires_grad=True)
    x = tn.Tensor(np.ones((2, 2, 4, 4), np.float32))
    layers(x, weight).backward()  # the first call compiles, which leaves other cycles
    gc.collect()
    for walked in (True, False):
        loss = layers(x, weight)
        node = weakref.finalize(loss._node.backward, lambda: None)
        if walked:
            loss.backward()
        del loss
        assert not node.alive
    assert gc.collect() == 0


def test_the_graph_is_freed_as_it_is_walked(no_collector):
    alive_when_last = []

    @tn.op
    def watched(ctx, x, others):
        def backward(dy):
            alive_when_last.extend(other() is not None for other in others)
            return dy

        return x + 0, backward

    x, others = leaf(1, 2), []
    y = watched(x, others)
    for _ in range(3):
        y = y * y
        others.append(weakref.ref(y._node.backward))
    loss = y.sum()
    loss.backward()  # loss still exists, its graph does not
    assert alive_when_last == [False] * 3


def test_an_op_keeps_only_the_arrays_that_its_backward_reads(no_collector):
    x = tn.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    hidden = x + 1
    array = weakref.ref(hidden.data)
    y = hidden.sum()
    del hidden
    assert array() is None
    y.backward()
    assert x.grad.tolist() == [[1] * 3] * 2


@pytest.mark.parametrize("function", [lambda x, w: x + w, lambda x, w: x * w, tn.linear])
def test_a_tensor_that_is_unfrozen_after_the_forward_pass_gets_no_gradient_from_it(
    function, backend
):
    x = tn.Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    frozen = tn.Tensor(np.full((2, 2), 3, np.float32))
    loss = function(x, frozen).sum()
    frozen.requires_grad = True
    loss.backward()
    assert frozen.grad is None
    assert x.grad is not None
