"""Convolution with fewer multiplications: Winograd's tiles, kernels 3 x 3 and 5 x 5 at stride 1.

One dimension. A kernel g of r numbers slides along a tile d of 6 and gives m = 7 - r outputs,

    y[i] = sum over k of g[k] d[i + k]        i = 0 .. m - 1

which takes m r products: 12 for r = 3, 10 for r = 5. Six are enough (Toom, Cook, Winograd). For a
fixed g, y is a matrix times d. The transpose of that matrix takes m numbers h to 6 numbers s,

    s[i + k] = sum of g[k] h[i],              the coefficients of s(x) = g(x) h(x)

and polynomials are multiplied cheaply through their values: six values determine a product
of degree 5.

    evaluate     g and h at 0, 1, -1, 2, -2 and "infinity", the leading coefficient    G g, A h
    multiply     value by value, six products                                          (G g) * (A h)
    interpolate  s(x) = sum over points p of s(p) L_p(x) + s(infinity) M(x)            s = B (...)
                 M(x) = product of (x - p) over the points p
                 L_p(x) = product of (x - q) / (p - q) over the points q other than p

So h -> s is the matrix B diag(G g) A, and its transpose is the convolution:

    y = A^T [(G g) * (B^T d)]

L_p's denominator can scale the kernel's value at p instead: G holds it, and A and B are small whole
numbers. For r = 3 this gives Lavin and Gray's F(4, 3); r = 5 shares B^T and exchanges the
lengths of G and A, which is F(2, 5):

          4  0 -5  0  1  0           1  1  1  1  1  0           1/4     0     0
          0 -4 -4  1  1  0           0  1 -1  2 -2  0          -1/6  -1/6  -1/6
    B^T = 0  4 -4 -1  1  0     A^T = 0  1  1  4  4  0     G =  -1/6   1/6  -1/6
          0 -2 -1  2  1  0           0  1 -1  8 -8  1          1/24  1/12   1/6
          0  2 -1 -2  1  0                                     1/24 -1/12   1/6
          0  4  0 -5  0  1                                        0     0     1

Two dimensions. The same along rows and along columns; M is summed over the channels before the
inverse transform:

    U = G g G^T     V = B^T d B     M = sum over channels of U * V     y = A^T M A

At each of the 6 x 6 points the sum is a matrix product, (O, C) @ (C, tiles). An output costs
36 / 16 products where im2col takes 9; with 5 x 5, 36 / 4 where it takes 25. Every step is linear,
so the gradients are the transposed steps in reverse order:

    dM = A dy A^T     dV = U^T dM     dd = B dV B^T     dU = dM V^T     dg = G^T dU G

A tile is a patch of 6 x 6 pixels, m pixels from the next: im2col at stride m cuts the tiles out and
col2im adds them up where they overlap. Tiles that reach beyond the padded map read zeros.

Rounding. In float32 the output and both gradients stay within 1e-4 of float64's, relative to the
largest element: on AlexNet's conv2 and conv3 with normal numbers, 8 images, the largest error seen
was 1.3e-5, and 6.4e-7 by im2col. Infinity and NaN reach every output of a tile that contains
them; infinity becomes NaN there (inf - inf, 0 inf).

N images, C channels in, O out, H x W the map, K = 3 or 5, (OH, OW) the output.
Source: Winograd, Arithmetic complexity of computations (1980); Lavin, Gray, Fast algorithms for
convolutional neural networks (CVPR 2016).
"""

import numpy as np

from .conv2d import col2im, im2col

POINTS = (0, 1, -1, 2, -2)  # and infinity
TILE = len(POINTS) + 1  # rows, and columns, of a tile


def winograd(x, weight, bias, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel under it.

    x       (N, C, H, W)
    weight  (O, C / groups, K, K)
    bias    (O,) or None
    y       (N, O, OH, OW)
    """
    A, B, G = matrices(weight.shape[2], x.dtype)
    grid = _grid(A, y)
    U = _transform(G, _kernels(weight, groups))
    for image, y_image in zip(x, y, strict=True):
        V = _transform(B.T, _cut(image, TILE, padding, grid, groups))
        _paste(_transform(A.T, U @ V), (0, 0), grid, y_image)
    if bias is not None:
        y += bias[:, None, None]


def winograd_backward_input(dy, weight, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / groups, K, K)
    dx      (N, C, H, W)
    """
    A, B, G = matrices(weight.shape[2], dy.dtype)
    grid = _grid(A, dy)
    U = _transform(G, _kernels(weight, groups))
    for dy_image, dx_image in zip(dy, dx, strict=True):
        dM = _transform(A, _cut(dy_image, A.shape[1], (0, 0), grid, groups))
        dV = U.swapaxes(3, 4) @ dM
        _paste(_transform(B, dV), padding, grid, dx_image)


def winograd_backward_weight(dy, x, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / groups, K, K)
    """
    A, B, G = matrices(dweight.shape[2], x.dtype)
    grid = _grid(A, dy)
    dU = 0
    for dy_image, image in zip(dy, x, strict=True):
        dM = _transform(A, _cut(dy_image, A.shape[1], (0, 0), grid, groups))
        V = _transform(B.T, _cut(image, TILE, padding, grid, groups))
        dU += dM @ V.swapaxes(3, 4)
    _kernels(dweight, groups)[...] = _transform(G.T, dU)


def winograd_pays(x_shape, weight_shape, stride, padding, groups):
    """False: on this backend "auto" is im2col, the algorithm to read first."""
    return False


def matrices(kernel, dtype):
    """A (6, m), B (6, 6) and G (6, kernel) above, for kernels of 3 or 5 rows; m = 7 - kernel."""
    others = [[p - q for q in POINTS if q != p] for p in POINTS]
    denominators = np.array([*map(np.prod, others), 1])
    A = _evaluate(TILE + 1 - kernel)
    G = _evaluate(kernel) / denominators[:, None]
    B = np.zeros((TILE, TILE))
    for column, p in enumerate(POINTS):
        B[:-1, column] = _coefficients([q for q in POINTS if q != p])
    B[:, -1] = _coefficients(POINTS)
    return A.astype(dtype), B.astype(dtype), G.astype(dtype)


def _evaluate(count):
    """(6, count): from a polynomial's coefficients to its values; row p holds 1, p, p^2, ..."""
    at_infinity = np.eye(count)[-1:]
    return np.concatenate([np.vander(POINTS, count, increasing=True), at_infinity])


def _coefficients(roots):
    """The coefficients of the product of (x - root), the constant first."""
    return np.poly(roots)[::-1]


def _transform(matrix, tiles):
    """matrix @ tile @ matrix^T for every tile. tiles (rows, columns, ...)"""
    return np.einsum("ui,vj,ij...->uv...", matrix, matrix, tiles, optimize=True)


def _kernels(weight, groups):
    """(O, C / groups, K, K) seen as (K, K, groups, O / groups, C / groups)."""
    per_group = weight.reshape(groups, -1, *weight.shape[1:])
    return per_group.transpose(3, 4, 0, 1, 2)


def _grid(A, y):
    """(m, rows of tiles, columns of tiles) that cover the output map y (N, O, OH, OW)."""
    step = A.shape[1]
    return step, -(-y.shape[2] // step), -(-y.shape[3] // step)


def _cut(image, size, padding, grid, groups):
    """The tiles of size x size of an image (C, H, W): (size, size, groups, C / groups, tiles)."""
    step, rows, columns = grid
    channels, height, width = image.shape
    frame = _frame(channels, size, grid, image.dtype)
    frame[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width] = image
    tiles = np.empty((size, size, channels, rows, columns), image.dtype)
    im2col(frame, (step, step), (0, 0), tiles.transpose(2, 0, 1, 3, 4))
    return tiles.reshape(size, size, groups, channels // groups, rows * columns)


def _paste(tiles, padding, grid, image):
    """The transpose of _cut: image = the sum of the tiles' cells that were cut from each pixel."""
    step, rows, columns = grid
    channels, height, width = image.shape
    size = len(tiles)
    frame = _frame(channels, size, grid, image.dtype)
    tiles = tiles.reshape(size, size, channels, rows, columns)
    col2im(tiles.transpose(2, 0, 1, 3, 4), (step, step), (0, 0), frame)
    image[...] = frame[:, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


def _frame(channels, size, grid, dtype):
    """Zeros that the tiles of a grid cover exactly."""
    step, rows, columns = grid
    return np.zeros((channels, (rows - 1) * step + size, (columns - 1) * step + size), dtype)
