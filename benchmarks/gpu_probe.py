"""Four questions that the cupy backend's design rests on, put to the GPU itself.

    python -m benchmarks.gpu_probe --json probe.json

split_k   The gradient by conv1's weights is a product of a small output, 96 x 364, and a long inner
          axis, the pixels of a chunk. Does cuBLAS divide that axis among the GPU's blocks? Its rate
          beside the large product's, and beside ours with the axis cut by hand into parts that
          are summed afterwards; at the end, by PyTorch's profiler, the names of its kernels.
tf32      Rows of 5103 numbers do not begin at multiples of 16 bytes, rows of 5104 do. What does
          that cost a product of conv2, in float32 and in tf32? And of 5103 numbers in rows that are
          5104 apart?
overlap   Does a stack of matrices that share memory give NumPy's product? Matrices side by side in
          the same rows, one matrix for the whole stack, and windows that overlap by a half.
chunks    How long do the convolutions take with buffers of 1/8, 1/4, 1/2 and 1 of the L2 cache
          (gpu.chunk_bytes is 1/4)?

Rates are FLOP/s. Times are the GPU's, of work that is queued behind a large product. The figures
are written after each question. One that fails has an error in the place of figures, and the others
go on.
"""

import math
import sys
import traceback

import numpy as np
from rich import box
from rich.table import Table

import tinynet as tn
from alexnet.cli import ending, flags
from alexnet.cli.console import wide_console
from alexnet.cli.machine import use_machine
from benchmarks import clocks, machine
from benchmarks.clocks import CupyClock
from benchmarks.flags import add_output_flags, benchmark_parser, chosen_network
from benchmarks.gpu_profile import kernels
from benchmarks.layers import Passes
from benchmarks.programs.layer import LayerProgram, Tinynet, draw
from benchmarks.programs.process import say

RUNS, TIMES = 7, 10  # a rate is the median of RUNS, each of so many products
PARTS = (4, 16, 64)  # of the inner axis, cut by hand
IMAGES = (2, 4, 8, 32)  # whose pixels are the inner axis
COLUMNS = ((5103, 5103), (5103, 5104), (5104, 5104))  # (numbers of a row, how far rows are apart)
SHARES = (1 / 8, 1 / 4, 1 / 2, 1)  # of the L2 cache
# The largest difference from NumPy's product in float64, over its largest number.
TOLERANCES = {"float32": 1e-5, "tf32": 5e-3}


# --- the questions --------------------------------------------------------------------------------


def split_k(gpu, clock, convolutions, batch_size) -> list[dict]:
    """The product of the gradient by the first convolution's weights, whole and cut by hand."""
    rows = []
    for images, dy, columns in _factors(gpu, convolutions[0], batch_size):
        flop = 2 * len(dy) * len(columns) * dy.shape[1]
        for precision in tn.gpu.PRECISIONS:
            clock.set_precision(precision)
            row = {"images": images, "inner": dy.shape[1], "precision": precision}
            row["large_product"] = clocks.product_rate(clock)
            row["product"] = _rate(clock, flop, _cut(gpu, dy, columns, 1))
            for parts in PARTS:
                row[f"by_hand_{parts}"] = _rate(clock, flop, _cut(gpu, dy, columns, parts))
            rows.append(row)
    return rows


def split_k_kernels(gpu, clock, convolutions, batch_size) -> list[dict]:
    """The kernels of the whole product. The last question: a profiler may slow what follows it."""
    rows = []
    for images, dy, columns in _factors(gpu, convolutions[0], batch_size):
        for precision in tn.gpu.PRECISIONS:
            clock.set_precision(precision)
            names = [row["name"] for row in kernels(clock, _cut(gpu, dy, columns, 1))]
            rows.append({"images": images, "precision": precision, "kernels": names})
    return rows


def _factors(gpu, layer, batch_size):
    """(images, dy (O, K), columns (R, K)) for several numbers of images."""
    pixels = math.prod(layer.outputs[1:])
    for images in [count for count in IMAGES if count <= batch_size]:
        # A length that every number of parts divides, and whose parts begin at 16 bytes.
        inner = max(1, images * pixels // 256) * 256
        yield (
            images,
            _normal(gpu, layer.outputs[0], inner),
            _normal(gpu, _rows_of_columns(layer), inner),
        )


def _cut(gpu, dy, columns, parts):
    """A function that computes dy columns^T, whole or as the sum of so many products."""
    (outputs, inner), inputs = dy.shape, len(columns)
    a = dy.reshape(outputs, parts, inner // parts).transpose(1, 0, 2)
    b = columns.reshape(inputs, parts, inner // parts).transpose(1, 2, 0)
    out = gpu.xp.empty((parts, outputs, inputs), np.float32)

    def run():
        gpu.product(a, b, out)
        return out.sum(0) if parts > 1 else out[0]

    return run


def tf32(gpu, clock, convolutions, batch_size) -> list[dict]:
    """The product of the second convolution's forward pass, with rows at 16 bytes and not."""
    layer, rows = convolutions[1], []
    groups, inner = layer.arguments["groups"], _rows_of_columns(layer)
    outputs = layer.outputs[0] // groups
    weights = _normal(gpu, groups, outputs, inner)
    for count, apart in COLUMNS:
        columns = _normal(gpu, groups, inner, apart)[:, :, :count]
        out = gpu.xp.empty((groups, outputs, apart), np.float32)[:, :, :count]
        row = {"columns": count, "apart": apart}
        for precision in tn.gpu.PRECISIONS:
            clock.set_precision(precision)
            flop = 2 * groups * outputs * inner * count
            row[precision] = _rate(clock, flop, lambda c=columns, o=out: gpu.product(weights, c, o))
        rows.append(row)
    return rows


def overlap(gpu, clock, convolutions, batch_size) -> list[dict]:
    """The products of stacks whose matrices share memory, beside NumPy's."""
    stacks, rows, inner, columns = 6, 40, 48, 56
    b = _normal(gpu, stacks, inner, columns)
    matrix, line = _normal(gpu, rows, stacks * inner), _normal(gpu, rows * inner * stacks)
    cases = {
        "side by side": matrix.reshape(rows, stacks, inner).transpose(1, 0, 2),
        "one matrix": gpu.xp.broadcast_to(matrix[:, :inner], (stacks, rows, inner)),
        "windows": gpu.xp.lib.stride_tricks.as_strided(
            line, (stacks, rows, inner), (4 * rows * inner // 2, 4 * inner, 4)
        ),
    }
    answers = []
    for case, a in cases.items():
        for precision in tn.gpu.PRECISIONS:
            clock.set_precision(precision)
            out = gpu.xp.empty((stacks, rows, columns), np.float32)
            gpu.product(a, b, out)
            ours, first, second = (gpu.xp.asnumpy(array) for array in (out, a, b))
            theirs = first.astype(np.float64) @ second
            apart = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
            equal = apart <= TOLERANCES[precision]
            answers.append({"case": case, "precision": precision, "apart": apart, "equal": equal})
    return answers


def chunks(gpu, clock, convolutions, batch_size) -> list[dict]:
    """Each convolution with several sizes of its buffers."""
    rows, before = [], gpu.chunk_bytes
    try:
        for layer in convolutions:
            arrays = draw(layer, batch_size)
            program = LayerProgram(Tinynet(), layer, arrays, 1, layer != convolutions[0])
            for precision in tn.gpu.PRECISIONS:
                clock.set_precision(precision)
                for share in SHARES:
                    gpu.chunk_bytes = int(share * clock.cache_bytes)
                    passes = Passes(layer, program, clock)  # its first runs take the memory
                    turns = [passes.once() for _ in range(RUNS)]
                    seconds = {
                        what: float(np.median([turn[what] for turn in turns]))
                        for what in passes.directions
                    }
                    about = {"layer": layer.name, "precision": precision, "share": share}
                    rows.append(about | {"chunk_bytes": gpu.chunk_bytes} | seconds)
    finally:
        gpu.chunk_bytes = before
    return rows


QUESTIONS = (split_k, tf32, overlap, chunks, split_k_kernels)


def _rows_of_columns(layer):
    """Rows of a group's column matrix: weights of an output, and zeros up to a multiple of 4."""
    arguments = layer.arguments
    count = layer.inputs[0] // arguments["groups"] * arguments["kernel"] ** 2
    return -(-count // 4) * 4


def _normal(gpu, *shape):
    """Normal numbers on the GPU, float32."""
    return gpu.xp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


def _rate(clock, flop, run):
    """FLOP/s of run(), which has this many FLOP, behind large products."""

    def several():
        for _ in range(TIMES):
            run()

    clocks.seconds(clock, several)  # the first takes memory
    timed = clocks.seconds(clock, *[several] * RUNS, behind=2)
    return TIMES * flop / float(np.median(timed.seconds))


# --- the command ----------------------------------------------------------------------------------


def _parser():
    parser = benchmark_parser("gpu_probe", __doc__)
    flags.add_network_flags(parser)
    parser.add_argument("--batch-size", type=flags.count, default=128, metavar="N", help="(128)")
    add_output_flags(parser)
    return parser


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py), 1 where a question failed or a
    product is not NumPy's."""
    parser = _parser()
    args = parser.parse_args(argv)
    network = chosen_network(args, parser)
    convolutions = [layer for layer in network.layers if layer.kind == "Conv2d"]
    return ending.run(lambda: _command(args, network, convolutions), "benchmarks.gpu_probe")


def _command(args, network, convolutions):
    use_machine("cupy", None)
    clock, gpu, console = CupyClock(), tn.gpu.device(), wide_console()
    report = {
        "benchmark": "gpu_probe", "machine": machine.gpu_description(), "network": network.title,
        "batch_size": args.batch_size, "cache_bytes": clock.cache_bytes,
    }  # fmt: skip
    failed = False
    for question in QUESTIONS:
        name = question.__name__
        say(f"{name} ...")
        try:
            report[name] = question(gpu, clock, convolutions, args.batch_size)
            console.print(_table(name, report[name]))
            failed = failed or not all(row.get("equal", True) for row in report[name])
        except Exception as error:  # of whatever kind: the other questions go on
            traceback.print_exception(error)
            report[name], failed = {"error": f"{type(error).__name__}: {error}"}, True
        clock.set_precision(tn.gpu.PRECISIONS[0])
        clock.release()
        if args.json:  # now, so that the next question does not lose it
            machine.write_json(args.json, report)
    return int(failed)


def _table(name, rows):
    """One line a row; its keys are the columns."""
    table = Table(title=name, box=box.SIMPLE)
    for column in rows[0]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*(f"{x:.3g}" if isinstance(x, float) else str(x) for x in row.values()))
    return table


if __name__ == "__main__":
    sys.exit(main())
