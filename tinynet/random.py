"""Random numbers that are the same on every backend: Philox4x32-10.

Philox is a function, not a state: it turns a 128-bit counter and a 64-bit key into four random
32-bit words. So a random number depends only on its key and counter, never on earlier draws or on
the number of threads:

    key      the 64-bit seed
    counter  (element // 4 low 32 bits, high 32 bits, draw, stream); word element % 4 is taken

The stream is the purpose of the numbers, the draw one use for it (a parameter, a mask, an epoch),
and the element the index of a number in that draw.

Source: Salmon, Moraes, Dror, Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011).
"""

import math
import threading

import numpy as np

# Streams: one for each purpose, so that no two purposes share a number.
WEIGHTS = 0  # initial weights;           draw = the parameter's index
DROPOUT = 1  # dropout masks;             draw = a count that starts at seed()
SHUFFLES = 2  # the order of the samples; draw = the epoch
AUGMENTATION = 3  # crops and mirrors;    draw = the epoch, element from the sample's index
IMAGES = 4  # synthetic images;           draw = the split's first, plus the image's index
LAYERS = 5  # weights of single layers;   draw = a count that starts at seed()
COLOURS = 6  # changes of colour;         draw = the epoch, element from the sample's index
CLASSES = 7  # order inside a class;      draw = the class, element from the count of its samples

_MULTIPLIER_0, _MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85  # (sqrt(5) - 1) / 2 and sqrt(3) - 1, times 2^32
_LOW = 0xFFFFFFFF
_CHUNK = 1 << 16  # numbers computed at a time, so that intermediate arrays stay in the cache


def philox(counter, key):
    """The four output words of Philox4x32-10.

    counter  four uint32 words, each a number or an array; arrays broadcast together
    key      two uint32 words, numbers
    Returns four uint32 arrays of the broadcast shape.
    """
    c0, c1, c2, c3 = (np.asarray(word, np.uint64) for word in np.broadcast_arrays(*counter))
    k0, k1 = int(key[0]), int(key[1])
    for _ in range(10):
        product_0 = c0 * np.uint64(_MULTIPLIER_0)
        product_1 = c2 * np.uint64(_MULTIPLIER_1)
        c0 = (product_1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0)
        c1 = product_1 & np.uint64(_LOW)
        c2 = (product_0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1)
        c3 = product_0 & np.uint64(_LOW)
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return tuple(word.astype(np.uint32) for word in (c0, c1, c2, c3))


def bits(count, *, seed, stream, draw=0, first=0):
    """uint32 (count,): the random words of elements first ... first + count - 1.

    seed     0 to 2^64 - 1
    stream   one of the streams above
    draw     0 to 2^32 - 1
    first    the first element, to compute a part of a sequence without the rest
    """
    first, count, seed = int(first), int(count), int(seed)
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"random: seed must be from 0 to 2^64 - 1, got {seed}")
    if not 0 <= int(draw) < 1 << 32:
        raise ValueError(f"random: draw must be from 0 to 2^32 - 1, got {draw}")
    if first < 0 or count < 0:
        raise ValueError(f"random: first and count must not be negative, got {first} and {count}")
    first_block, skip = divmod(first, 4)
    blocks = np.arange(first_block, first_block + (skip + count + 3) // 4, dtype=np.uint64)
    counter = (blocks & np.uint64(_LOW), blocks >> np.uint64(32), int(draw), int(stream))
    words = philox(counter, (seed & _LOW, seed >> 32))
    return np.stack(words, axis=1).reshape(-1)[skip : skip + count]


def uniform(shape, *, seed, stream, draw=0, first=0, dtype=np.float32):
    """Uniform numbers in [0, 1), an array of this shape: the word's upper 24 bits (float32) or all
    its 32 bits (float64), divided by their range."""
    words = bits(math.prod(_shape(shape)), seed=seed, stream=stream, draw=draw, first=first)
    if np.dtype(dtype) == np.float32:
        numbers = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
    else:
        numbers = words * np.float64(2.0**-32)
    return numbers.reshape(_shape(shape))


def normal(shape, *, seed, stream, draw=0, first=0, dtype=np.float32):
    """Normal numbers of mean 0 and deviation 1, an array of this shape, by Box and Muller:
    sqrt(-2 ln u) cos(2 pi v), sqrt(-2 ln u) sin(2 pi v) for each pair of words (u, v).

    Computed in float64 and rounded once, so that float32 and float64 weights are the same numbers.
    first must be even: a pair makes two numbers.
    """
    if first % 2:
        raise ValueError(f"random: normal's first must be even, got {first}")
    count = math.prod(_shape(shape))
    numbers = np.empty(count + count % 2, dtype)
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        words = bits(len(chunk), seed=seed, stream=stream, draw=draw, first=first + start)
        u = (words[0::2] + 1.0) * 2.0**-32  # (0, 1]: its logarithm is finite
        angle = words[1::2] * (2.0 * np.pi * 2.0**-32)
        radius = np.sqrt(-2.0 * np.log(u))
        chunk[0::2] = radius * np.cos(angle)
        chunk[1::2] = radius * np.sin(angle)
    return numbers[:count].reshape(_shape(shape))


def permutation(count, *, seed, draw=0):
    """int64 (count,): 0 ... count - 1 in random order, by a stable sort of 64-bit random keys.
    draw is the epoch."""
    words = bits(2 * count, seed=seed, stream=SHUFFLES, draw=draw).astype(np.uint64)
    keys = words[0::2] << np.uint64(32) | words[1::2]
    return np.argsort(keys, kind="stable")


def _shape(shape):
    return (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)


# The only state: the seed, and how many dropout masks and parameters of single layers were drawn
# since it was set.
_state = {"seed": 0, "dropout_draws": 0, "layer_draws": 0}
_state_lock = threading.Lock()


def seed(n):
    """Start over: initial weights and dropout masks follow from n, 0 to 2^64 - 1."""
    if not isinstance(n, (int, np.integer)) or not 0 <= n < 1 << 64:
        raise ValueError(f"seed: n must be an integer from 0 to 2^64 - 1, got {n!r}")
    set_state({"seed": int(n), "dropout_draws": 0})


def get_state():
    """{"seed": ..., "dropout_draws": ...}, for a checkpoint; "layer_draws" too where it is not 0,
    so that the networks of SPECS, which do not count, keep the record that they always had."""
    with _state_lock:
        return {k: n for k, n in _state.items() if k != "layer_draws" or n}


def set_state(state):
    """Go on from a state that get_state returned."""
    with _state_lock:
        _state.update(
            seed=int(state["seed"]),
            dropout_draws=int(state["dropout_draws"]),
            layer_draws=int(state.get("layer_draws", 0)),
        )


def current_seed():
    """The current seed; 0 until seed() is called."""
    return _state["seed"]


def skip_dropout_draws(count):
    """Go on as if this many dropout masks had been drawn."""
    with _state_lock:
        _state["dropout_draws"] += count


def next_dropout_draw():
    """Count one more dropout mask and return its draw, modulo 2^32."""
    return _next("dropout_draws")


def next_layer_draw():
    """Count one more parameter of a single layer and return its draw, modulo 2^32."""
    return _next("layer_draws")


def _next(count):
    with _state_lock:
        draw = _state[count]
        _state[count] = draw + 1
    return draw & _LOW
