"""Each kernel of the cupy backend once, at sizes of a few blocks, beside the numpy backend.

    python -m benchmarks.gpu_small_cases
    compute-sanitizer --tool memcheck python -m benchmarks.gpu_small_cases
    compute-sanitizer --tool racecheck python -m benchmarks.gpu_small_cases

Small enough for a tool that watches every access. Each array is a block of the device's memory of
its own, without CuPy's pool, so that an access beyond an array's end is one beyond a block's. The
exit code is 1 where a result is not the reference's.
"""

import sys
from dataclasses import dataclass

import numpy as np

import tinynet as tn
from alexnet.cli import ending as commands
from benchmarks.layer_programs import relative_error

TOLERANCES = {"float32": 1e-4, "float64": 1e-10}  # winograd's; of the largest number
CHUNK_BYTES = 6000  # of a convolution's columns: some images at a time, and a part that is left


@dataclass(frozen=True)
class Out:
    """An output: the kernel gets an array of this shape whose contents mean nothing."""

    shape: tuple
    dtype: object


@dataclass(frozen=True)
class Changed:
    """A list of arrays that the kernel changes in place."""

    arrays: list


@dataclass(frozen=True)
class Call:
    """A kernel of the contract and its arguments: NumPy arrays, lists of them, Out, Changed,
    numbers, None."""

    kernel: str
    arguments: tuple


def calls(dtype) -> list[Call]:
    """The cases: every kernel of tinynet/backends/contract.py but winograd_pays, which is none."""
    dtype = np.dtype(dtype)
    generator = np.random.default_rng(0)

    def normal(*shape):
        return generator.standard_normal(shape).astype(dtype)

    def out(*shape):
        return Out(shape, dtype)

    return [
        *_products(normal, out),
        *_pools(normal, out),
        *_norms(normal, out),
        *_elements(normal, out),
        *_losses(normal, out),
        *_updates(normal),
    ]


def _products(normal, out):
    x, weight, bias, dy = (
        normal(3, 6, 13, 11),
        normal(10, 3, 3, 2),
        normal(10),
        normal(3, 10, 7, 14),
    )
    how = ((2, 1), (1, 2), 2)  # stride, padding, groups
    yield Call("conv2d", (x, weight, bias, *how, out(*dy.shape)))
    yield Call("conv2d", (x, weight, None, *how, out(*dy.shape)))
    yield Call("conv2d_backward_input", (dy, weight, *how, out(*x.shape)))
    yield Call("conv2d_backward_weight", (dy, x, *how, out(*weight.shape)))
    yield Call("conv2d_backward_bias", (dy, out(10)))
    dy = normal(3, 10, 13, 11)
    for side, padding in ((3, (1, 1)), (5, (2, 2))):
        weight = normal(10, 3, side, side)
        yield Call("winograd", (x, weight, bias, padding, 2, out(*dy.shape)))
        yield Call("winograd_backward_input", (dy, weight, padding, 2, out(*x.shape)))
        yield Call("winograd_backward_weight", (dy, x, padding, 2, out(*weight.shape)))
    x, weight, bias, dy = normal(5, 137), normal(19, 137), normal(19), normal(5, 19)
    yield Call("linear", (x, weight, bias, out(5, 19)))
    yield Call("linear", (x, weight, None, out(5, 19)))
    yield Call("linear_backward_input", (dy, weight, out(5, 137)))
    yield Call("linear_backward_weight", (dy, x, out(19, 137)))
    yield Call("linear_backward_bias", (dy, out(19)))


def _pools(normal, out):
    x, dy = normal(3, 7, 13, 11), normal(3, 7, 7, 6)
    how = ((3, 3), (2, 2), (1, 1))  # window, stride, padding
    max_pool = Call("max_pool2d", (x, *how, out(*dy.shape), Out(dy.shape, np.int32)))
    yield max_pool
    _, switches = run(tn.get_backend("numpy"), max_pool)
    yield Call("max_pool2d_backward", (dy, switches, *how, out(*x.shape)))
    yield Call("avg_pool2d", (x, *how, out(*dy.shape)))
    yield Call("avg_pool2d_backward", (dy, *how, out(*x.shape)))
    yield Call("adaptive_avg_pool2d", (x, out(3, 7, 6, 5)))
    yield Call("adaptive_avg_pool2d_backward", (normal(3, 7, 6, 5), out(*x.shape)))


def _norms(normal, out):
    x, dy = normal(3, 14, 13, 11), normal(3, 14, 13, 11)
    for groups in (1, 2):
        how = (5, 1.0, 0.75, 2.0, groups)  # size, alpha, beta, k
        yield Call("local_response_norm", (x, *how, out(*x.shape)))
        yield Call("local_response_norm_backward", (dy, x, *how, out(*x.shape)))
    weight, bias, mean, variance = normal(14), normal(14), x.mean((0, 2, 3)), x.var((0, 2, 3))
    yield Call("batch_norm_statistics", (x, out(14), out(14)))
    yield Call("batch_norm", (x, weight, bias, mean, variance, 1e-5, out(*x.shape)))
    for kernel in ("batch_norm_backward", "batch_norm_backward_frozen"):
        gradients = (out(*x.shape), out(14), out(14))
        yield Call(kernel, (dy, x, weight, mean, variance, 1e-5, *gradients))


def _elements(normal, out):
    x, dy = normal(3, 7, 13, 11), normal(3, 7, 13, 11)  # 3003: two blocks of 1024, and a part
    yield Call("relu", (x, out(*x.shape)))
    yield Call("relu_backward", (dy, np.maximum(x, 0), out(*x.shape)))
    yield Call("tanh", (x, out(*x.shape)))
    yield Call("tanh_backward", (dy, np.tanh(x), out(*x.shape)))
    yield Call("dropout", (x, 0.3, 1 / 0.7, 2012, 5, out(*x.shape)))


def _losses(normal, out):
    logits = 3 * normal(5, 1003)
    labels = np.array([0, 1002, 256, 31, 32])
    softmax = Call("softmax", (logits, out(*logits.shape)))
    yield softmax
    (probabilities,) = run(tn.get_backend("numpy"), softmax)
    yield Call("softmax_backward", (normal(5, 1003), probabilities, out(*logits.shape)))
    yield Call("softmax_cross_entropy", (logits, labels, out(*logits.shape), out(5)))
    one = np.ones((), logits.dtype)
    yield Call("softmax_cross_entropy_backward", (probabilities, labels, one, out(*logits.shape)))


def _updates(normal):
    shapes = (7,), (3, 1100), (2, 5, 3)
    for rule in ("sgd_paper", "sgd_pytorch"):
        weights, gradients, velocities = ([normal(*shape) for shape in shapes] for _ in range(3))
        yield Call(rule, (Changed(weights), gradients, Changed(velocities), 0.01, 0.9, 5e-4))


# --- running them ---------------------------------------------------------------------------------


def run(backend, call) -> list[np.ndarray]:
    """What a kernel of this backend wrote, array by array."""
    written = []

    def given(argument):
        match argument:
            case np.ndarray():
                return backend.from_numpy(argument.copy())
            case list():
                return [given(array) for array in argument]
            case Out(shape, dtype):
                written.append(backend.empty(shape, dtype))
                return written[-1]
            case Changed(arrays):
                arrays = given(arrays)
                written.extend(arrays)
                return arrays
        return argument

    getattr(backend, call.kernel)(*map(given, call.arguments))
    return [np.array(backend.to_numpy(array)) for array in written]


def check(backend) -> list[str]:
    """A line for each result of this backend that is not the numpy backend's."""
    wrong = []
    for dtype, allowed in TOLERANCES.items():
        for call in calls(dtype):
            pairs = zip(run(backend, call), run(tn.get_backend("numpy"), call), strict=True)
            error = max(_error(ours, reference) for ours, reference in pairs)
            line = f"{call.kernel} {dtype}: {error:.1e} of the largest number apart"
            print(line, flush=True)
            if not error <= allowed:
                wrong.append(f"{line}, {allowed:.0e} is allowed")
    return wrong


def _error(a, b):
    """As relative_error; integers must be equal."""
    if b.dtype.kind == "i":
        return 0.0 if np.array_equal(a, b) else np.inf
    return relative_error(a, b)


def main() -> int:
    """The command; returns its exit code (alexnet/commands.py), or 1 for another result."""

    def command():
        backend = tn.get_backend("cupy")
        backend.gpu.xp.cuda.set_allocator(None)
        backend.gpu.chunk_bytes = CHUNK_BYTES
        wrong = check(backend)
        print("\n".join(wrong) or "all as in the numpy backend")
        return 1 if wrong else 0

    return commands.run(command, "benchmarks.gpu_small_cases")


if __name__ == "__main__":
    sys.exit(main())
