"""Philox: known answers, and numbers that depend only on seed, stream, draw and element."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles import formulas
from tinynet import random

# Counter, key, output of Philox4x32-10: the authors' own test vectors.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter, key, words):
    assert " ".join(f"{int(word):08x}" for word in random.philox(counter, key)) == words
    assert " ".join(f"{word:08x}" for word in formulas.philox(counter, key)) == words


def test_seed_draw_stream_and_element_have_their_places_in_key_and_counter():
    seed, draw, stream = 0x0123456789ABCDEF, 0xCAFE, 3
    for element in (0, 5, 4 * 2**32 + 2, 2**40 + 1):
        block = element // 4
        counter = (block & 0xFFFFFFFF, block >> 32, draw, stream)
        expected = formulas.philox(counter, (0x89ABCDEF, 0x01234567))[element % 4]
        assert random.bits(1, seed=seed, stream=stream, draw=draw, first=element)[0] == expected


@pytest.mark.parametrize("first", [0, 1, 2, 3, 6, 17])
def test_a_part_of_a_sequence_is_the_same_without_the_rest(first):
    arguments = {"seed": 5, "stream": random.IMAGES, "draw": 2}
    whole = random.bits(50, **arguments)
    assert np.array_equal(random.bits(20, first=first, **arguments), whole[first : first + 20])
    uniform = random.uniform(50, **arguments)
    assert np.array_equal(random.uniform(20, first=first, **arguments), uniform[first : first + 20])
    if first % 2 == 0:
        normal = random.normal(50, **arguments)
        assert np.array_equal(
            random.normal(20, first=first, **arguments), normal[first : first + 20]
        )


def test_other_seeds_streams_and_draws_give_other_numbers():
    arguments = {"seed": 1, "stream": 0, "draw": 0}
    sequences = {random.bits(8, **arguments).tobytes()}
    for change in ({"seed": 2}, {"seed": 1 + 2**32}, {"stream": 1}, {"draw": 1}):
        sequences.add(random.bits(8, **{**arguments, **change}).tobytes())
    assert len(sequences) == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_numbers_lie_in_0_to_1_evenly(dtype):
    numbers = random.uniform(100_000, seed=1, stream=4, dtype=dtype)
    assert numbers.dtype == dtype
    assert 0 <= numbers.min() and numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    assert abs(counts - 5000).max() < 5 * np.sqrt(5000)


def test_normal_numbers_have_the_moments_and_the_tails_of_a_normal():
    numbers = random.normal((100, 1001), seed=1, stream=0, dtype=np.float64)
    assert numbers.shape == (100, 1001) and np.isfinite(numbers).all()
    for moment, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert abs((numbers**moment).mean() - expected) < 0.06
    assert abs((abs(numbers) > 2).mean() - 0.0455) < 0.004
    assert abs(np.corrcoef(numbers.flat[::2][:50000], numbers.flat[1::2][:50000])[0, 1]) < 0.02


def test_float32_and_float64_normals_are_the_same_numbers():
    arguments = {"seed": 3, "stream": random.WEIGHTS, "draw": 1}
    double = random.normal((7, 5), dtype=np.float64, **arguments)
    assert np.array_equal(random.normal((7, 5), **arguments), double.astype(np.float32))


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_a_permutation_has_every_number_once_and_another_order_each_epoch(count):
    orders = [random.permutation(count, seed=1, draw=draw) for draw in range(2)]
    for order in orders:
        assert order.dtype == np.int64 and sorted(order) == list(range(count))
    if count > 2:
        assert not np.array_equal(*orders)
        assert abs(np.corrcoef(orders[0], np.arange(count))[0, 1]) < 0.15


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"seed": -1}, "seed must be from 0"),
        ({"seed": 2**64}, "18446744073709551616"),
        ({"draw": 2**32}, "draw must be from 0"),
        ({"first": -1}, "first and count"),
    ],
)
def test_arguments_that_philox_has_no_bits_for_are_refused(arguments, part):
    with pytest.raises(ValueError, match=part):
        random.bits(4, **{"seed": 0, "stream": 0, **arguments})


def test_the_state_is_the_seed_and_the_count_of_masks():
    tn.seed(5)
    assert random.current_seed() == 5
    assert [random.next_dropout_draw() for _ in range(3)] == [0, 1, 2]
    state = random.get_state()
    assert state == {"seed": 5, "dropout_draws": 3}
    tn.seed(6)
    random.set_state(state)
    assert random.current_seed() == 5 and random.next_dropout_draw() == 3
