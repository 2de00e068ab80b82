"""no_grad: as a block, a decorator of functions and generators, and in threads."""

import threading

import numpy as np
import pytest

import tinynet as tn


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_no_grad_records_nothing_and_ends_with_its_block_even_after_an_error():
    x = leaf(1, 2)
    with pytest.raises(ZeroDivisionError), tn.no_grad():
        assert not (x * 2).requires_grad
        with tn.no_grad():
            pass
        assert not (x * 2).requires_grad
        raise ZeroDivisionError
    assert (x * 2).requires_grad


def test_no_grad_decorates_a_function():
    x = leaf(1, 2)

    @tn.no_grad()
    def doubled():
        return x * 2

    assert not doubled().requires_grad
    assert (x * 2).requires_grad


def test_no_grad_of_one_thread_does_not_stop_another():
    x, inside, done = leaf(1, 2), threading.Event(), threading.Event()

    def other():
        with tn.no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    try:
        assert (x * 2).requires_grad
        with tn.no_grad():
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("decorator", [tn.no_grad(), tn.no_grad], ids=["with ()", "without ()"])
def test_no_grad_decorates_a_generator_function(decorator):
    x = leaf(1, 2)

    @decorator
    def rows():
        try:
            received = yield x * 2
            yield x * received
        except ValueError:
            yield x * 5

    generator = rows()
    assert not next(generator).requires_grad
    assert (x * 2).requires_grad  # between two items the caller's ops are recorded
    third = generator.send(3)
    assert not third.requires_grad and third.numpy().tolist() == [3, 6]
    fifth = generator.throw(ValueError())
    assert not fifth.requires_grad and fifth.numpy().tolist() == [5, 10]
    with pytest.raises(StopIteration):
        next(generator)


def test_no_grad_refuses_what_it_cannot_decorate():
    async def later():
        return 1

    for wrong in (later, tn.nn.ReLU, 3):
        with pytest.raises(TypeError, match="no_grad: "):
            tn.no_grad()(wrong)
