"""Every case of cases.py on every backend: its formula, PyTorch, its slopes, NaN and infinity.

Here in float64. test_layers_float32.py takes the same tests: two files, so that two processes of
pytest share the compiling of kernels, which takes longest.
"""

from functools import cache

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import CASES, LAYERS, on_host, relative_error, spaced
from tests.oracles.scalars import evaluate

ELEMENTS = 150  # larger cases are checked along directions; every op has smaller ones

cases = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
layers = pytest.mark.parametrize("case", LAYERS, ids=[case.name for case in LAYERS])
each_input = pytest.mark.parametrize(
    ("case", "index"),
    [pytest.param(c, i, id=f"{c.name}-{i}") for c in LAYERS for i in range(len(c.shapes))],
)

# NumPy warns where infinity minus infinity gives NaN; these tests want the NaN.
not_finite = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture
def dtype():
    return np.dtype(np.float64)


def run(case, arrays, dtype):
    """The op's output and gradients, as NumPy arrays."""
    tensors = [tn.Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y = case.op(*tensors)
    y.backward(spaced(y.shape, "dy").astype(dtype))
    return y.numpy(), [on_host(t.grad) for t in tensors]


@cache
def formula(case):
    return evaluate(case.formula, case.inputs(), lambda shape: spaced(shape, "dy"))


def run_peer(case, arrays, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensors = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y = case.peer(torch, *tensors)
    dy = torch.tensor(spaced(tuple(y.shape), "dy").astype(dtype))
    return y.detach().numpy(), [g.numpy() for g in torch.autograd.grad(y, tensors, dy)]


def assert_alike(case, ours, theirs, dtype):
    tolerance = case.tolerance if dtype == np.float32 else 1e-12
    for number, (a, b) in enumerate(zip([ours[0], *ours[1]], [theirs[0], *theirs[1]], strict=True)):
        name = "output" if number == 0 else f"gradient {number - 1}"
        assert a.dtype == dtype, f"{name} is {a.dtype}"
        assert a.shape == b.shape, f"{name} has shape {a.shape}, not {b.shape}"
        assert relative_error(a, b) <= tolerance, f"{name}:\n{a}\nis not\n{b}"


@cases
def test_output_and_gradients_are_the_formulas(case, backend, dtype):
    assert_alike(case, run(case, case.inputs(), dtype), formula(case), dtype)


@cases
def test_output_and_gradients_are_pytorchs(case, backend, dtype):
    theirs = run_peer(case, case.inputs(), dtype)
    assert_alike(case, run(case, case.inputs(), dtype), theirs, dtype)


@cases
def test_gradients_are_slopes(case, backend):
    directions = None if case.elements <= ELEMENTS else 3
    assert tn.check_gradients(case.op, case.inputs(), directions=directions) <= 1e-6


@each_input
def test_a_gradient_is_the_same_where_no_other_is_computed(case, index, backend):
    inputs = case.inputs()
    tensors = [tn.Tensor(a, requires_grad=i == index) for i, a in enumerate(inputs)]
    y = case.op(*tensors)
    y.backward(spaced(y.shape, "dy"))
    assert np.array_equal(on_host(tensors[index].grad), run(case, inputs, np.float64)[1][index])
    assert all(t.grad is None for i, t in enumerate(tensors) if i != index)


@layers
def test_the_same_call_gives_the_same_bits_and_leaves_its_inputs_alone(case, backend, dtype):
    inputs = [a.astype(dtype) for a in case.inputs()]
    first, second = run(case, inputs, dtype), run(case, inputs, dtype)
    for a, b in zip([first[0], *first[1]], [second[0], *second[1]], strict=True):
        assert a.tobytes() == b.tobytes()
    for array, before in zip(inputs, case.inputs(), strict=True):
        assert np.array_equal(array, before.astype(dtype))


@cases
@not_finite
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_goes_through_as_in_pytorch(case, backend, dtype, poison):
    arrays = case.inputs()
    arrays[0].flat[arrays[0].size // 2] = poison
    ours, theirs = run(case, arrays, dtype), run_peer(case, arrays, dtype)
    names = ["output", *(f"gradient {i}" for i in range(len(arrays)))]
    for name, a, b in zip(names, [ours[0], *ours[1]], [theirs[0], *theirs[1]], strict=True):
        assert np.allclose(a, b, 1e-3, 1e-4, equal_nan=True), f"{name}:\n{a}\nis not\n{b}"
