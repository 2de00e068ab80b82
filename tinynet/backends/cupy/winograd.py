"""Convolution with fewer multiplications: Winograd's tiles, kernels 3 x 3 and 5 x 5 at stride 1.
The kernels are in winograd.cu.

numpy/winograd.py derives the algorithm and its matrices. A tile is 6 x 6 pixels and gives m x m
outputs, m = 7 - kernel; its neighbours are m pixels away:

    U = G g G^T     V = B^T d B     M = sum over channels of U * V     y = A^T M A     forward
    dM = A dy A^T                   dU = dM V^T                        dg = G^T dU G   for weights

The input's gradient is a convolution too, of dy with the kernels turned by 180 degrees and their
inputs and outputs exchanged, so it is a forward pass with U transposed.

At each of the 36 points of each group the sum over channels is a matrix product. One call computes
all of them as a stack:

    U, dU  (36 G, O / G, C / G)
    V      (36 G, C / G, tiles)      of all images of a chunk
    M, dM  (36 G, O / G, tiles)

A chunk is the number of images whose V and M fit gpu.chunk_bytes, a quarter of the L2 cache. Chunks
are summed in order: the same bits on every run.

N images, C channels in, O out, G groups, H x W the map, K = 3 or 5 the kernel, (OH, OW) the output.
Source: Lavin, Gray, Fast algorithms for convolutional neural networks (CVPR 2016).
"""

from pathlib import Path

from .conv2d import chunks
from .device.launch import int_struct, maps, threads

CU = Path(__file__).with_suffix(".cu")
POINTS = 36  # of a tile
# Channels, or outputs, of a group: with fewer, small matrices leave most of a block's threads idle.
THIN = 16
# How many float32 products an NVIDIA H100 computes while its memory moves one number, by its data
# sheet: 67 TFLOP/s, two operations a product, and 3.35 TB/s, four bytes a number.
PRODUCTS_A_NUMBER = 40


def winograd(gpu, x, weight, bias, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel under it.

    x       (N, C, H, W)
    weight  (O, C / G, K, K)
    bias    (O,) or None
    y       (N, O, OH, OW)
    """
    U = _kernel_tiles(gpu, weight, groups, turned=0)
    _convolve(gpu, x, U, bias, weight.shape[2], padding, y)


def winograd_backward_input(gpu, dy, weight, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / G, K, K)
    dx      (N, C, H, W)
    """
    U = _kernel_tiles(gpu, weight, groups, turned=1).transpose(0, 2, 1)
    reach = weight.shape[2] - 1
    _convolve(gpu, dy, U, None, reach + 1, (reach - padding[0], reach - padding[1]), dx)


def winograd_backward_weight(gpu, dy, x, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, K, K)
    """
    kernel = dweight.shape[2]
    dU = _point_matrices(gpu, dweight, groups)
    for images in _chunks(gpu, x, kernel, dy):
        V = _input_tiles(gpu, x[images], groups, kernel, padding, dy)
        dM = _output_tiles(gpu, dU, V)
        _, outputs, tiles = dM.shape
        gpu.launch(
            CU, f"dy_to_dM_{kernel}", maps(groups * outputs, tiles),
            dy[images], dM, tiles, _maps(dy, kernel, dy),
        )  # fmt: skip
        gpu.product(dM, V.transpose(0, 2, 1), dU, add=images.start > 0)
    count = dU.size // POINTS
    gpu.launch(CU, f"dU_to_dweight_{kernel}", threads(count), dU, dweight, count)


def winograd_pays(gpu, x_shape, weight_shape, stride, padding, groups):
    """Whether a training step of this layer should be quicker by winograd. This is an estimate from
    counts, not a measurement:

        im2col    O C/G K K OH OW         products an image, columns and maps written and read
        winograd  36 O C/G tiles          products an image, V and M written and read,
                                          and once a batch U

    A number written or read counts as PRODUCTS_A_NUMBER products, even in the cache. The forward
    and the two backward products have the same counts, so one is counted for all three. False for
    tf32: products by tensor cores cost less than the transforms.
    """
    images, channels, height, width = x_shape
    outputs, inputs, *kernel = weight_shape
    if kernel not in ([3, 3], [5, 5]) or tuple(stride) != (1, 1) or gpu.precision != "float32":
        return False
    if min(inputs, outputs // groups) < THIN:
        return False
    K, m = kernel[0], 7 - kernel[0]
    rows, columns = height + 2 * padding[0] - K + 1, width + 2 * padding[1] - K + 1
    pixels, tiles = rows * columns, -(-rows // m) * -(-columns // m)

    def cost(products, numbers):
        return products + PRODUCTS_A_NUMBER * 2 * numbers

    by_im2col = cost(outputs * inputs * K * K * pixels, (channels * K * K + outputs) * pixels)
    by_tiles = cost(POINTS * outputs * inputs * tiles, POINTS * (channels + outputs) * tiles)
    once = cost(0, POINTS * outputs * inputs)
    return images * by_im2col > images * by_tiles + once


def _convolve(gpu, x, U, bias, kernel, padding, y):
    """y = the convolution of x with the kernels whose tiles are U (36 G, O / G, C / G)."""
    groups = len(U) // POINTS
    for images in _chunks(gpu, x, kernel, y):
        V = _input_tiles(gpu, x[images], groups, kernel, padding, y)
        M = _output_tiles(gpu, U, V)
        gpu.product(U, V, M)
        _, outputs, tiles = M.shape
        gpu.launch(
            CU, f"M_to_y_{kernel}", maps(groups * outputs, tiles),
            M, bias, y[images], tiles, _maps(y, kernel, y),
        )  # fmt: skip


def _chunks(gpu, x, kernel, y):
    """Slices of images whose V and M fit gpu.chunk_bytes."""
    down, across = _grid(kernel, y)
    return chunks(gpu, x, POINTS * (x.shape[1] + y.shape[1]) * down * across * x.itemsize)


def _kernel_tiles(gpu, weight, groups, turned):
    """U of every kernel, turned by 180 degrees where turned is 1."""
    U = _point_matrices(gpu, weight, groups)
    count = U.size // POINTS
    gpu.launch(CU, f"weight_to_U_{weight.shape[2]}", threads(count), weight, U, count, turned)
    return U


def _input_tiles(gpu, x, groups, kernel, padding, y):
    """V of all tiles of the images x."""
    images, channels, _, _ = x.shape
    down, across = _grid(kernel, y)
    tiles = images * down * across
    V = gpu.workspace("winograd V", (POINTS * groups, channels // groups, tiles), x.dtype)
    gpu.launch(
        CU, f"x_to_V_{kernel}", maps(channels, tiles), x, V, tiles, _maps(x, kernel, y, padding)
    )
    return V


def _point_matrices(gpu, weight, groups):
    """A buffer for U or dU."""
    outputs, inputs = weight.shape[:2]
    return gpu.workspace("winograd U", (POINTS * groups, outputs // groups, inputs), weight.dtype)


def _output_tiles(gpu, U, V):
    """A buffer for M or dM."""
    return gpu.workspace("winograd M", (len(U), U.shape[1], V.shape[2]), V.dtype)


def _grid(kernel, y):
    """(rows of tiles, columns of tiles) that cover an output map of y (N, O, OH, OW)."""
    m = 7 - kernel
    return -(-y.shape[2] // m), -(-y.shape[3] // m)


def _maps(x, kernel, y, padding=(0, 0)):
    """struct Maps of winograd.cu: maps of x, cut into as many tiles as cover the maps of y."""
    _, channels, height, width = x.shape
    down, across = _grid(kernel, y)
    return int_struct(
        channels=channels, height=height, width=width,
        down=down, across=across,
        row_padding=padding[0], column_padding=padding[1],
    )  # fmt: skip
