"""What Python, NumPy and matplotlib ask of a tensor."""

import copy
import pickle

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host


def leaf(*numbers):
    return tn.Tensor(np.array(numbers, np.float32), requires_grad=True)


def test_a_tensor_of_one_number_answers_as_a_number(backend):
    loss = leaf(1.25, 2).sum()
    assert (float(loss), int(loss), bool(loss), round(loss, 1), round(loss)) == (
        3.25,
        3,
        True,
        3.2,
        3,
    )
    assert (f"{loss:.3f}", f"{loss}", f"{loss:8.1e}") == ("3.250", "3.25", " 3.2e+00")
    assert complex(loss) == 3.25
    assert not bool(tn.Tensor([0.0]))
    assert f"{tn.Tensor([[2.0]]):.1f}" == "2.0"
    assert list(range(tn.Tensor(np.array(3)))) == [0, 1, 2]
    assert [10, 20, 30][tn.Tensor([2])[0]] == 30


@pytest.mark.parametrize("ask", [float, int, round, complex, "{:.3f}".format, range])
def test_a_tensor_of_several_numbers_is_no_number(ask):
    with pytest.raises(TypeError, match=r"\(2,\).*one"):
        ask(leaf(1, 2))


def test_a_float_is_no_index():
    with pytest.raises(TypeError, match="an index: the tensor is float32; an integer fits"):
        range(leaf(1))


def test_the_truth_of_several_numbers_is_ambiguous(backend):
    for wrong in (lambda: bool(leaf(1, 2)), lambda: leaf(1, 2) == leaf(1, 2) and True):
        with pytest.raises(ValueError, match=r"bool: a tensor of shape \(2,\)"):
            wrong()


def test_rows_length_sum_and_membership_are_as_in_numpy(backend):
    x = tn.Tensor(np.array([[1, 2], [3, 4]], np.float32), requires_grad=True)
    assert [row.numpy().tolist() for row in x] == [[1, 2], [3, 4]]
    total = sum(x)
    assert total.numpy().tolist() == [4, 6]
    total.sum().backward()
    assert x.grad.tolist() == [[1, 1], [1, 1]]
    assert len(x) == 2 and 3 in x and 5 not in x
    assert float(max(x[0])) == 2
    with pytest.raises(TypeError, match="iteration: .*item"):
        iter(leaf(1).sum())


# --- NumPy and matplotlib -------------------------------------------------------------------------


def test_np_asarray_is_the_tensors_array(backend):
    x = tn.Tensor(np.array([1, 2], np.float32))
    array = np.asarray(x)
    assert array.dtype == np.float32 and array.tolist() == [1, 2]
    assert np.asarray(x, np.float64).dtype == np.float64
    changed = np.array(x)
    changed += 1
    assert x.numpy().tolist() == [1, 2]
    assert np.asarray(leaf(3)).tolist() == [3]


def test_numpys_functions_take_tensors_unless_a_gradient_would_be_lost(backend):
    x, p = tn.Tensor([1.0, 3.0]), leaf(1, 3)
    assert np.mean(x) == 2 and np.concatenate([x, [5.0]]).tolist() == [1, 3, 5]
    assert np.allclose(x, np.array([1, 3])) and np.argmax(x) == 1
    for function in (
        np.mean,
        np.sum,
        lambda t: np.concatenate([x, t]),
        np.argmax,
        lambda t: np.dot(x, t),
    ):
        with pytest.raises(TypeError, match="requires a gradient, which NumPy would lose.*detach"):
            function(p)
        function(p.detach())
    with pytest.raises(TypeError):
        np.exp(p)


def test_matplotlib_draws_tensors(backend):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from matplotlib.figure import Figure

    numbers = np.arange(6, dtype=np.float32).reshape(2, 3)
    axes = Figure().subplots()
    for x in (tn.Tensor(numbers), tn.Tensor(numbers, requires_grad=True) * 1):
        assert np.array_equal(np.asarray(axes.imshow(x).get_array()), numbers)
        assert axes.plot(x[0])[0].get_ydata().tolist() == [0, 1, 2]


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
@pytest.mark.parametrize("kind", [tn.Tensor, tn.nn.Parameter])
def test_a_deep_copy_and_a_pickle_are_leaves_of_their_own(make, kind, backend):
    p = kind(np.array([1, 2], np.float32))
    if p.requires_grad:
        (p * 3).sum().backward()
    other = make(p)
    assert type(other) is kind and other.requires_grad == p.requires_grad
    assert other.backend == backend
    if p.requires_grad:
        assert other.grad.tolist() == [3, 3]
    with tn.no_grad():
        other += 1
    assert other.numpy().tolist() == [2, 3] and p.numpy().tolist() == [1, 2]


def test_one_deep_copy_is_made_of_a_tensor_that_is_met_twice():
    p = leaf(1)
    first, second = copy.deepcopy([p, p])
    assert first is second is not p


def test_an_activation_cannot_be_copied_without_its_graph():
    hidden = leaf(1) * 2
    for make in (copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match="would lose the graph; copy t.detach"):
            make(hidden)
    assert copy.copy(hidden).requires_grad


def test_a_shallow_copy_lies_in_the_same_memory(backend):
    p, x = leaf(1, 2), leaf(5, 5)
    other = copy.copy(p)
    loss = (x * other).sum()
    with tn.no_grad():
        p += 1
    assert other.numpy().tolist() == [2, 3]
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()


def test_a_model_can_be_copied_and_pickled(backend):
    model = tn.nn.Sequential([("a", tn.nn.Linear(3, 2)), ("norm", tn.nn.Dropout())])
    x = tn.Tensor(np.ones((1, 3), np.float32))
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with tn.no_grad():
            other.a.bias += 1
        assert np.allclose(other.a(x).numpy(), model.a(x).numpy() + 1)
        assert on_host(model.a.bias.data).tolist() == model.a.bias.numpy().tolist()
