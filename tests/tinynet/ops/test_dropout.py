"""Dropout: the mask from Philox is the same everywhere, and both conventions keep the mean."""

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.oracles.cases import on_host
from tests.oracles.formulas import dropout_word
from tinynet import random

COUNT = 100_000


def mask(drop, **arguments):
    return tn.dropout(tn.Tensor(np.ones(COUNT, np.float32)), drop, **arguments).numpy()


@pytest.mark.parametrize(("seed", "draw"), [(7, 11), (2**64 - 3, 2**32 - 1)])
def test_the_mask_is_the_same_on_every_backend_and_in_every_dtype(seed, draw, backend, dtype):
    tn.seed(seed)
    ours = tn.dropout(tn.Tensor(np.ones((3, 5, 7), dtype)), 0.4, draw=draw).numpy() > 0
    words = np.array([dropout_word(e, seed, draw) for e in range(105)]).reshape(3, 5, 7)
    assert np.array_equal(ours, words >= int(0.4 * 2**32))


@pytest.mark.parametrize("drop", [0.1, 0.5, 0.9])
def test_the_share_of_dropped_elements_is_drop(drop, backend):
    share = (mask(drop, draw=0) == 0).mean()
    assert abs(share - drop) < 5 * np.sqrt(drop * (1 - drop) / COUNT)


def test_a_mask_is_independent_of_its_neighbours_and_of_the_draw_before(backend):
    first, second = (mask(0.5, draw=draw) > 0 for draw in (0, 1))
    for a, b in ((first[1:], first[:-1]), (first[4:], first[:-4]), (first, second)):
        assert abs((a == b).mean() - 0.5) < 0.01


def test_scaled_in_training_divides_kept_elements_and_changes_nothing_in_test(backend, dtype):
    x = tn.Tensor(np.ones(COUNT, dtype))
    values = np.unique(tn.dropout(x, 0.2, draw=0).numpy())
    assert np.allclose(values, [0, 1.25], rtol=1e-6)
    assert np.array_equal(tn.dropout(x, 0.2, training=False).numpy(), x.numpy())


def test_scaled_in_test_keeps_ones_in_training_and_multiplies_in_test(backend, dtype):
    x = tn.Tensor(np.ones(COUNT, dtype), requires_grad=True)
    assert np.unique(tn.dropout(x, 0.2, scale="test", draw=0).numpy()).tolist() == [0, 1]
    y = tn.dropout(x, np.float64(0.2), training=False, scale="test")
    assert y.dtype == dtype and np.allclose(y.numpy(), 0.8)
    y.sum().backward()
    assert np.allclose(on_host(x.grad), 0.8)


def test_drop_0_keeps_and_drop_1_drops_everything(backend):
    assert np.array_equal(mask(0.0), np.ones(COUNT))
    for scale in ("train", "test"):
        assert not mask(1.0, scale=scale).any()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_dropped_elements_are_multiplied_by_0_so_nan_and_infinity_remain(backend, dtype):
    x = tn.Tensor(np.full(100, np.nan, dtype), requires_grad=True)
    y = tn.dropout(x, 0.5, draw=0)
    y.backward(np.full(100, np.nan, dtype))
    assert np.isnan(y.numpy()).all() and np.isnan(on_host(x.grad)).all()
    y = tn.dropout(tn.Tensor(np.full(100, np.inf, dtype)), 0.5, draw=0).numpy()
    assert set(map(str, y)) == {"inf", "nan"}


def test_the_gradient_has_the_mask_of_the_forward_pass(backend):
    x = tn.Tensor(np.ones(1000, np.float32), requires_grad=True)
    y = tn.dropout(x, 0.3)
    tn.dropout(x, 0.3)  # a later mask does not change the gradient
    y.sum().backward()
    assert np.array_equal(on_host(x.grad), y.numpy())


def test_masks_start_from_the_seed_and_continue_from_a_state(backend):
    def two_masks():
        return [mask(0.5).tobytes() for _ in range(2)]

    tn.seed(3)
    first = two_masks()
    state = random.get_state()
    next_two = two_masks()
    assert first[0] != first[1] and first != next_two
    tn.seed(3)
    assert two_masks() == first
    random.set_state(state)
    assert two_masks() == next_two
    tn.seed(4)
    assert two_masks() != first


def test_an_explicit_draw_and_test_mode_do_not_advance_the_count(backend):
    tn.seed(3)
    mask(0.5, draw=9)
    mask(0.5, training=False)
    mask(0.0)
    assert random.get_state() == {"seed": 3, "dropout_draws": 0}


def run(x, dy, **arguments):
    """The output and the gradient of x."""
    x = tn.Tensor(x, requires_grad=True)
    y = tn.dropout(x, 0.4, draw=5, **arguments)
    y.backward(dy)
    return y.numpy(), on_host(x.grad)


@st.composite
def splits(draw):
    """A shape, and where its first two axes are cut; a block may be empty."""
    shape = draw(st.tuples(st.integers(1, 7), st.integers(1, 40)))
    cuts = [sorted(draw(st.lists(st.integers(0, count), max_size=3))) for count in shape]
    edges = [[0, *inner, count] for inner, count in zip(cuts, shape, strict=True)]
    return shape + draw(st.sampled_from([(), (1,), (2, 3)])), *edges


@given(split=splits())
@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_blocks_of_an_activation_drop_as_the_whole(backend, split):
    shape, rows, columns = split
    x, dy = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    y, dx = run(x, dy)
    pixels = int(np.prod(shape[2:]))
    for (top, bottom), (left, right) in itertools.product(
        itertools.pairwise(rows), itertools.pairwise(columns)
    ):
        block = np.s_[top:bottom, left:right]
        part = top, left * pixels, shape[1] * pixels
        of_block = run(*(np.ascontiguousarray(a[block]) for a in (x, dy)), part=part)
        assert np.array_equal(of_block[0], y[block])
        assert np.array_equal(of_block[1], dx[block])


@pytest.mark.parametrize("part", [(2**59, 0, 4), (2**33 + 1, 5, 11), (3, 2**40, 2**41)])
def test_elements_beyond_32_bits_have_their_own_words(part, backend):
    tn.seed(7)
    kept = tn.dropout(tn.Tensor(np.ones((2, 4))), 0.4, draw=11, part=part).numpy() > 0
    first_row, first_column, columns = part
    numbers = [[(first_row + n) * columns + first_column + j for j in range(4)] for n in range(2)]
    words = np.array([[dropout_word(e, 7, 11) for e in row] for row in numbers])
    assert np.array_equal(kept, words >= int(0.4 * 2**32))


def test_a_layer_drops_its_part(backend):
    layer = tn.nn.Dropout(0.4)
    x = np.random.default_rng(0).standard_normal((3, 10)).astype(np.float32)
    tn.seed(3)
    whole = layer(tn.Tensor(x)).numpy()
    tn.seed(3)
    layer.part = 1, 4, 10
    block = layer(tn.Tensor(np.ascontiguousarray(x[1:, 4:9]))).numpy()
    assert np.array_equal(block, whole[1:, 4:9])
