"""The layer cases: calls of ops that every backend must compute alike, forward and backward.

A case holds one call in three forms: tinynet's op, a formula in loops over numbers (formulas.py)
and PyTorch's function. The sizes make mistakes visible: maps are not square, strides differ, there
are 7 channels and 3 images, and alpha is 1. A new layer adds rows here; a new backend must pass all
rows.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import tinynet as tn
from tests.oracles import formulas
from tests.oracles.scalars import exp

SEED = 2012  # for the dropout cases


@dataclass(frozen=True)
class Case:
    """name       the op and the feature of this case
    op         tinynet's function: Tensors -> Tensor
    formula    the oracle: arrays of Numbers -> array of Numbers
    peer       PyTorch's function: (torch, tensors) -> tensor
    shapes     the shapes of the inputs, which all get gradients
    positive   whether all input numbers are positive
    tolerance  the largest relative_error allowed in float32
    """

    name: str
    op: Callable
    formula: Callable
    peer: Callable
    shapes: tuple
    positive: bool = False
    tolerance: float = 1e-5

    def inputs(self):
        """float64 arrays of numbers that float32 represents exactly."""
        return [
            spaced(shape, f"{self.name} {i}", self.positive) for i, shape in enumerate(self.shapes)
        ]

    @property
    def elements(self):
        return sum(int(np.prod(shape)) for shape in self.shapes)


def spaced(shape, name="", positive=False):
    """Numbers from -2 to 2 (if positive, from 0.5 to 2.5) in an order that the name determines.

    No number is 0 and no two are equal. They lie far apart compared with the step of a gradient
    check, so that no step crosses relu's kink or makes a tie for max.
    """
    count = int(np.prod(shape))
    order = np.random.default_rng(zlib.crc32(name.encode())).permutation(count)
    numbers = (order + 0.3) / max(count, 1) * (2 if positive else 4) + (0.5 if positive else -2)
    return numbers.astype(np.float32).astype(np.float64).reshape(shape)


def on_host(array):
    """A backend's array as a NumPy array."""
    return array if isinstance(array, np.ndarray) else tn.get_backend("cupy").to_numpy(array)


def relative_error(a, b):
    """The largest |a - b| divided by the largest |b|. It is infinite if the shapes differ, or if an
    element is finite in only one of the two arrays."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return np.inf
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300)) if a.size else 0.0


# --- convolution, linear --------------------------------------------------------------------------


def _conv(name, x, weight, bias=True, stride=(1, 1), padding=(0, 0), groups=1):
    def with_bias(function):
        return function if bias else lambda x, weight: function(x, weight, None)

    def peer(torch, *inputs):
        return torch.conv2d(*inputs, stride=stride, padding=padding, groups=groups)

    return Case(
        f"conv2d {name}",
        with_bias(lambda x, w, b: tn.conv2d(x, w, b, stride, padding, groups)),
        with_bias(lambda x, w, b: formulas.conv2d(x, w, b, stride, padding, groups)),
        peer,
        (x, weight, weight[:1]) if bias else (x, weight),
    )


def _linear(name, *shapes):
    return Case(
        f"linear {name}",
        tn.linear,
        formulas.linear,
        lambda torch, *inputs: torch.nn.functional.linear(*inputs),
        shapes,
    )


PRODUCTS = [
    _conv("strides that differ", (3, 7, 5, 4), (2, 7, 3, 2), stride=(2, 1), padding=(1, 2)),
    _conv("two towers", (3, 6, 4, 5), (4, 3, 3, 3), stride=(1, 2), padding=(0, 1), groups=2),
    _conv("three groups without bias", (2, 6, 4, 3), (3, 2, 2, 2), bias=False, groups=3),
    _conv("as large as the map", (1, 2, 4, 3), (3, 2, 4, 3)),
    _conv("that skips pixels", (2, 3, 5, 7), (2, 3, 1, 2), stride=(3, 4)),
    _conv("padded beyond the kernel", (1, 2, 3, 4), (2, 2, 2, 2), padding=(3, 2)),
    # 374 output pixels: the Numba backend's column buffer holds only one image
    _conv("large map", (3, 1, 22, 17), (2, 1, 3, 3), padding=(1, 1)),
    # 117 output pixels: the buffer holds two of a thread's three images, so one is left over
    _conv("images left over", (6, 2, 11, 15), (2, 1, 3, 3), groups=2),
    # With one image the Numba backend's threads share the outputs, by towers or in halves.
    _conv("one image of two towers", (1, 4, 4, 3), (6, 2, 3, 2), padding=(1, 0), groups=2),
    _conv("one image, even outputs", (1, 3, 4, 3), (4, 3, 2, 2), stride=(2, 1)),
    _linear("with bias", (3, 7), (5, 7), (5,)),
    _linear("without bias", (3, 7), (2, 7)),
    _linear("one number", (1, 1), (1, 1), (1,)),
    _linear("one input", (3, 1), (5, 1), (5,)),
    _linear("one output", (3, 7), (1, 7), (1,)),
    _linear("one image", (1, 7), (5, 7), (5,)),
    _linear("eleven images", (11, 6), (4, 6), (4,)),  # above eight the Numba backend uses BLAS
]

# --- pools ----------------------------------------------------------------------------------------


def _pools(name, shape, window, stride=None, padding=(0, 0), ceil_mode=False):
    """One case for max-pooling and one for average pooling; where there is padding, two."""
    arguments = (window, stride or window, padding, ceil_mode)

    def max_peer(torch, x):
        return torch.nn.functional.max_pool2d(x, *arguments[:3], ceil_mode=ceil_mode)

    counts = (True, False) if max(padding) else (True,)

    def average(count_include_pad):
        more = (*arguments, count_include_pad)
        return Case(
            f"avg_pool2d {name}" + ("" if count_include_pad else ", padding not counted"),
            lambda x: tn.avg_pool2d(x, window, stride, *more[2:]),
            lambda x: formulas.avg_pool2d(x, *more),
            lambda torch, x: torch.nn.functional.avg_pool2d(x, *more),
            (shape,),
        )

    return [
        Case(
            f"max_pool2d {name}",
            lambda x: tn.max_pool2d(x, window, stride, padding, ceil_mode),
            lambda x: formulas.max_pool2d(x, *arguments),
            max_peer,
            (shape,),
        ),
        *map(average, counts),
    ]


def _adaptive(name, shape, size):
    return Case(
        f"adaptive_avg_pool2d {name}",
        lambda x: tn.adaptive_avg_pool2d(x, size),
        lambda x: formulas.adaptive_avg_pool2d(x, size),
        lambda torch, x: torch.nn.functional.adaptive_avg_pool2d(x, size),
        (shape,),
    )


POOLS = [
    *_pools("that overlaps", (3, 7, 5, 4), (3, 2), (2, 1), (1, 1)),
    *_pools("rounded up", (3, 2, 8, 6), (3, 3), (2, 2), ceil_mode=True),
    *_pools("rounded up and padded", (2, 2, 5, 8), (3, 2), (2, 3), (1, 1), ceil_mode=True),
    *_pools("whose last window would start outside", (1, 2, 7, 4), (2, 1), (3, 2), ceil_mode=True),
    *_pools("side by side, pixels left over", (2, 3, 7, 5), (2, 3)),
    _adaptive("that overlaps", (3, 7, 5, 3), (3, 2)),
    _adaptive("to more than there is", (2, 2, 3, 2), (5, 4)),
]

# --- normalisation --------------------------------------------------------------------------------


def _lrn(name, shape, size=5, alpha=1.0, beta=0.75, k=2.0, divide_by_size=False, groups=1):
    def peer(torch, x):
        peer_alpha = alpha if divide_by_size else alpha * size
        parts = x.chunk(groups, dim=1)
        function = torch.nn.functional.local_response_norm
        return torch.cat([function(part, size, peer_alpha, beta, k) for part in parts], dim=1)

    arguments = (size, alpha, beta, k, divide_by_size, groups)
    return Case(
        f"local_response_norm {name}",
        lambda x: tn.local_response_norm(x, *arguments),
        lambda x: formulas.local_response_norm(x, *arguments),
        peer,
        (shape,),
    )


def _same_map(name, shape, size=5, alpha=10.0, beta=0.75, k=1.0):
    def peer(torch, x):
        """The zeros around a map count, so the mean is the sum over size^2."""
        mean = torch.nn.functional.avg_pool2d(x * x, size, 1, size // 2, count_include_pad=True)
        return x / (k + alpha * mean) ** beta

    return Case(
        f"same_map_norm {name}",
        lambda x: tn.same_map_norm(x, size, alpha, beta, k),
        lambda x: formulas.same_map_norm(x, size, alpha, beta, k),
        peer,
        (shape,),
    )


def _batch_norm(name, shape, training, eps=1e-3):
    channels = shape[1]
    mean, variance = 0.25 * np.arange(channels), 0.5 + np.arange(channels)

    def op(x, weight, bias):
        running = [tn.Tensor(a.astype(x.dtype)) for a in (mean, variance)]
        return tn.batch_norm(x, weight, bias, *running, training, 0.1, eps)

    def formula(x, weight, bias):
        statistics = (None, None) if training else (mean.tolist(), variance.tolist())
        return formulas.batch_norm(x, weight, bias, eps, *statistics)

    def peer(torch, x, weight, bias):
        running = [torch.tensor(a, dtype=x.dtype) for a in (mean, variance)]
        return torch.nn.functional.batch_norm(x, *running, weight, bias, training, 0.1, eps)

    shapes = (shape, (channels,), (channels,))
    return Case(f"batch_norm {name}", op, formula, peer, shapes, tolerance=5e-5)


def _dropout(name, shape, drop, scale="train", draw=3, part=None):
    def op(x):
        tn.seed(SEED)
        return tn.dropout(x, drop, True, scale, draw, part)

    def peer(torch, x):
        ones = np.ones(shape, object)
        mask = formulas.dropout(ones, drop, scale, SEED, draw, part).astype(float)
        return x * torch.tensor(mask, dtype=x.dtype)

    def formula(x):
        return formulas.dropout(x, drop, scale, SEED, draw, part)

    return Case(f"dropout {name}", op, formula, peer, (shape,))


BLOCKS = (3, 7, 11, 11)  # 2,541 elements: two blocks of a GPU's elementwise kernels, and a part

NORMALISATIONS = [
    _lrn("of the paper", (3, 7, 2, 3)),
    _lrn("divided by its size", (2, 7, 3, 2), size=3, beta=0.5, k=1.0, divide_by_size=True),
    _lrn("that stops at the tower's edge", (2, 6, 3, 2), groups=2),
    _lrn("wider than the channels", (1, 3, 2, 3), size=9, alpha=0.5, beta=1.25),
    _lrn("of each channel alone", (2, 2, 2, 3), size=1),
    # 255 pixels: several vectors in the Numba backend's kernel, and a remainder
    _lrn("large map", (1, 3, 17, 15), size=3),
    _same_map("of 2012", (2, 3, 7, 5)),
    _same_map("of three", (1, 2, 4, 6), size=3, k=2.0),
    _same_map("of another power", (1, 2, 5, 4), size=3, beta=0.5),
    _same_map("wider than the maps", (1, 2, 3, 4), size=9, alpha=30.0, beta=1.25),
    _same_map("wider than narrow maps", (1, 2, 6, 2), size=7, alpha=30.0),
    _same_map("of each pixel alone", (2, 2, 2, 3), size=1),
    _batch_norm("in training", (3, 7, 2, 3), True),
    _batch_norm("in test", (3, 7, 2, 3), False),
    _dropout("scaled in training", (3, 7, 5), 0.3),
    _dropout("scaled in test", (3, 7), 0.5, scale="test"),
    _dropout("of three blocks of a GPU", BLOCKS, 0.3),
    _dropout("of a block of maps", (3, 2, 5, 3), 0.5, part=(4, 45, 7 * 15)),
    # Two pieces of the Numba backend's; on a GPU one thread more than two blocks have
    _dropout("of a part of a row", (1, 2048), 0.3, part=(1, 2, 2051)),
]

# --- activations, the loss ------------------------------------------------------------------------

LABELS = np.array([4, 0, 6])


def _softmax_loss(torch, logits):
    return torch.nn.functional.cross_entropy(logits, torch.tensor(LABELS))


CLASS_WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25, 1.5, 0.75, 3.0])


def _loss(name, weight=None, **options):
    """A case of the loss with options."""

    def op(logits):
        ours = None if weight is None else weight.astype(logits.dtype)
        return tn.softmax_cross_entropy(logits, LABELS, weight=ours, **options)

    def peer(torch, logits):
        theirs = None if weight is None else torch.tensor(weight, dtype=logits.dtype)
        function = torch.nn.functional.cross_entropy
        return function(logits, torch.tensor(LABELS), weight=theirs, **options)

    def formula(logits):
        return formulas.cross_entropy(logits, np.eye(7)[LABELS], weight, LABELS, **options)

    return Case(f"softmax_cross_entropy {name}", op, formula, peer, ((3, 7),))


def _soft_loss(name, weight=None, **options):
    """A case of the loss with soft labels, which get a gradient too."""

    def op(logits, labels):
        ours = None if weight is None else weight.astype(logits.dtype)
        return tn.softmax_cross_entropy(logits, labels, weight=ours, **options)

    def peer(torch, logits, labels):
        theirs = None if weight is None else torch.tensor(weight, dtype=logits.dtype)
        return torch.nn.functional.cross_entropy(logits, labels, weight=theirs, **options)

    def formula(logits, labels):
        return formulas.cross_entropy(logits, labels, weight, **options)

    return Case(f"softmax_cross_entropy {name}", op, formula, peer, ((3, 7), (3, 7)))


ACTIVATIONS = [
    Case("relu", tn.relu, formulas.relu, lambda torch, x: torch.relu(x), ((3, 7, 2, 3),)),
    Case("tanh", tn.tanh, formulas.tanh, lambda torch, x: torch.tanh(x), ((3, 7, 2, 3),)),
    Case("relu of three blocks", tn.relu, formulas.relu, lambda torch, x: torch.relu(x), (BLOCKS,)),
    Case("tanh of three blocks", tn.tanh, formulas.tanh, lambda torch, x: torch.tanh(x), (BLOCKS,)),
    Case(
        "softmax",
        tn.softmax,
        formulas.softmax,
        lambda torch, x: torch.softmax(x, dim=1),
        ((3, 7),),
    ),
    Case(
        "softmax_cross_entropy",
        lambda logits: tn.softmax_cross_entropy(logits, LABELS),
        lambda logits: formulas.softmax_cross_entropy(logits, LABELS),
        _softmax_loss,
        ((3, 7),),
    ),
    _loss("smoothed", label_smoothing=0.1),
    _loss("weighted", weight=CLASS_WEIGHTS, label_smoothing=0.25),
    _loss("without the ignored", weight=CLASS_WEIGHTS, ignore_index=4),
    _loss("added up", reduction="sum", ignore_index=-100),
    _loss("row by row", reduction="none", weight=CLASS_WEIGHTS, label_smoothing=1.0),
    _soft_loss("with soft labels"),
    _soft_loss("with soft labels and options", weight=CLASS_WEIGHTS, label_smoothing=0.1),
    _soft_loss("with soft labels row by row", reduction="none"),
]

# --- arithmetic, reductions, shapes: written once for all backends --------------------------------


def _plain(name, function, formula, *shapes, positive=False, peer=None):
    """A case whose call is written the same way in tinynet and in PyTorch."""
    peer = peer or function
    return Case(name, function, formula, lambda torch, *a: peer(*a), shapes, positive)


def _exact(function):
    """The formula that applies a function of Numbers element by element, with broadcasting."""
    return formulas.elementwise(function)


CONDITION = np.arange(8).reshape(2, 4) % 3 == 0

PLAIN = [
    _plain("add", lambda a, b: a + b, _exact(lambda a, b: a + b), (3, 1, 4), (2, 1)),
    _plain("subtract", lambda a, b: a - b, _exact(lambda a, b: a - b), (2, 1), (3, 1, 4)),
    _plain("subtract from a number", lambda a: 2 - a, _exact(lambda a: 2 - a), (2, 3)),
    _plain("multiply", lambda a, b: a * b, _exact(lambda a, b: a * b), (3, 1, 4), (2, 1)),
    _plain("divide", lambda a, b: a / b, _exact(lambda a, b: a / b), (4,), (3, 1), positive=True),
    _plain("divide a number", lambda a: 3 / a, _exact(lambda a: 3 / a), (2, 3), positive=True),
    _plain("power cubed", lambda a: a**3, _exact(lambda a: a**3), (2, 3)),
    _plain("power 1.5", lambda a: a**1.5, _exact(lambda a: a**1.5), (2, 3), positive=True),
    _plain("negative", lambda a: -a, _exact(lambda a: -a), (2, 3)),
    _plain("exp", lambda a: a.exp(), formulas.exp_of, (2, 3)),
    _plain("log", lambda a: a.log(), formulas.log_of, (2, 3), positive=True),
    _plain("sqrt", lambda a: a.sqrt(), _exact(lambda a: a**0.5), (2, 3), positive=True),
    _plain("abs", lambda a: a.abs(), _exact(lambda a: a * (1.0 if a > 0 else -1.0)), (2, 3)),
    Case("sigmoid", tn.sigmoid, _exact(lambda a: 1.0 / (exp(-a) + 1.0)),
         lambda torch, a: torch.sigmoid(a), ((2, 3),)),
    Case("log_softmax", tn.log_softmax, formulas.log_softmax,
         lambda torch, a: torch.log_softmax(a, -1), ((3, 7),)),
    Case("log_softmax along an axis", lambda a: tn.log_softmax(a, 1),
         lambda a: formulas.log_softmax(a.transpose(0, 2, 1)).transpose(0, 2, 1),
         lambda torch, a: torch.log_softmax(a, 1), ((2, 3, 4),)),
    Case("maximum", tn.maximum, _exact(lambda a, b: a if a > b else b),
         lambda torch, a, b: torch.maximum(a, b), ((3, 1, 4), (2, 1))),
    Case("minimum", tn.minimum, _exact(lambda a, b: b if a > b else a),
         lambda torch, a, b: torch.minimum(a, b), ((4,), (3, 1))),
    _plain("clip", lambda a: a.clip(-0.5, 1.0), _exact(lambda a: formulas.between(a, -0.5, 1.0)),
           (3, 4)),
    _plain("clip from below", lambda a: a.clip(min=0.5),
           _exact(lambda a: formulas.between(a, 0.5, math.inf)), (3, 4)),
    Case("where", lambda a, b: tn.where(CONDITION, a, b),
         lambda a, b: np.where(CONDITION, *np.broadcast_arrays(a, b)),
         lambda torch, a, b: torch.where(torch.tensor(CONDITION), a, b), ((3, 1, 4), (2, 1))),
    Case("pad", lambda x: tn.pad(x, 0, 1, 2, 0, value=-1.5),
         lambda x: formulas.pad(x, 0, 1, 2, 0, -1.5),
         lambda torch, x: torch.nn.functional.pad(x, (2, 0, 0, 1), value=-1.5), ((2, 3, 2, 4),)),
    Case("concatenate", lambda a, b, c: tn.concatenate([a, b, c], 1),
         lambda a, b, c: np.concatenate([a, b, c], 1),
         lambda torch, a, b, c: torch.cat([a, b, c], 1), ((2, 3, 2), (2, 1, 2), (2, 4, 2))),
    _plain("matmul", lambda a, b: a @ b, formulas.matmul, (3, 4), (4, 2)),
    _plain("matmul of stacks", lambda a, b: a @ b, formulas.matmul, (2, 1, 3, 4), (3, 4, 2)),
    _plain("sum", lambda a: a.sum(), formulas.sum_of, (2, 3)),
    _plain("sum along axes", lambda a: a.sum((0, 2)), lambda a: formulas.sum_of(a, (0, 2)),
           (2, 3, 4)),
    _plain("mean", lambda a: a.mean(), formulas.mean_of, (2, 3)),
    _plain("mean along an axis", lambda a: a.mean(1), lambda a: formulas.mean_of(a, 1), (2, 3, 4)),
    _plain("max", lambda a: a.max(), formulas.max_of, (2, 3), peer=lambda a: a.amax()),
    _plain("max along axes", lambda a: a.max((0, 2)), lambda a: formulas.max_of(a, (0, 2)),
           (2, 3, 4), peer=lambda a: a.amax((0, 2))),
    _plain("reshape", lambda a: a.reshape(3, -1), lambda a: a.reshape(3, -1), (2, 3, 4)),
    _plain("transpose", lambda a: a.transpose(2, 0, 1), lambda a: a.transpose(2, 0, 1), (2, 3, 4),
           peer=lambda a: a.permute(2, 0, 1)),
    _plain("flatten", lambda a: a.flatten(), lambda a: a.reshape(2, 12), (2, 3, 4),
           peer=lambda a: a.flatten(1)),
    _plain("index", lambda a: a[1:, ::2], lambda a: a[1:, ::2], (3, 4)),
    _plain("index that names an element twice", lambda a: a[[0, 2, 0]], lambda a: a[[0, 2, 0]],
           (3, 4)),
]  # fmt: skip

CASES = [*PRODUCTS, *POOLS, *NORMALISATIONS, *ACTIVATIONS, *PLAIN]
LAYERS = [*PRODUCTS, *POOLS, *NORMALISATIONS, *ACTIVATIONS]
