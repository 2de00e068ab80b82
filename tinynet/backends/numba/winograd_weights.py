"""Between a convolution's kernels and Winograd's tiles of 6 x 6: winograd.py, numpy/winograd.py.

    U = G g G^T         dg = G^T dU G

One turn of a parallel loop: the kernels of one output; the inner loops run over its channels.

U   (G, 36, O/G, C/G)
dU  (shares, G, 36, O/G, C/G)
"""

import numpy as np
from numba import prange

from tinynet.backends.numba.compilation import loops, parallel_loops

G_3 = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
G_5 = np.array(
    [[6, 0, 0, 0, 0], [-4] * 5, [-4, 4, -4, 4, -4], [1, 2, 4, 8, 16], [1, -2, 4, -8, 16],
     [0, 0, 0, 0, 24]]
) / 24  # fmt: skip


def weight_tiles(kernels, U):
    """U = G g G^T for every kernel g. kernels (G, O/G, C/G, K, K)"""
    _weight_tiles(kernels, _G(kernels), U)


def backward_weight_tiles(dU, dkernels):
    """dg = G^T dU G for every kernel, dU the sum of the shares, which is left in the first."""
    _backward_weight_tiles(dU, _G(dkernels), dkernels)


def _G(kernels):
    return (G_3 if kernels.shape[-1] == 3 else G_5).astype(kernels.dtype)


@parallel_loops
def _weight_tiles(kernels, G, U):
    groups, outputs = kernels.shape[:2]
    for turn in prange(groups * outputs):
        g = turn // outputs
        o = turn - g * outputs
        _tiles_of_output(kernels[g, o], G, U[g], o)


@loops
def _tiles_of_output(kernels, G, U, o):
    """U[:, o] from kernels (C/G, K, K); G (6, K), U (36, O/G, C/G)"""
    channels, size, _ = kernels.shape
    half = np.empty((6, size, channels), kernels.dtype)
    for i in range(6):
        for v in range(size):
            for c in range(channels):
                half[i, v, c] = G[i, 0] * kernels[c, 0, v]
            for u in range(1, size):
                for c in range(channels):
                    half[i, v, c] += G[i, u] * kernels[c, u, v]
    for i in range(6):
        for j in range(6):
            row = U[6 * i + j, o]
            for c in range(channels):
                row[c] = half[i, 0, c] * G[j, 0]
            for v in range(1, size):
                for c in range(channels):
                    row[c] += half[i, v, c] * G[j, v]


@parallel_loops
def _backward_weight_tiles(dU, G, dkernels):
    groups, outputs = dkernels.shape[:2]
    for turn in prange(groups * outputs):
        g = turn // outputs
        o = turn - g * outputs
        for share in range(1, len(dU)):
            for p in range(36):
                _add(dU[share, g, p, o], dU[0, g, p, o])
        _kernels_of_output(dU[0, g], o, G, dkernels[g, o])


@loops
def _add(row, total):
    for c in range(len(total)):
        total[c] += row[c]


@loops
def _kernels_of_output(dU, o, G, dkernels):
    """dkernels (C/G, K, K) from dU[:, o]; G (6, K), dU (36, O/G, C/G)"""
    channels, size, _ = dkernels.shape
    half = np.zeros((size, 6, channels), dU.dtype)
    for u in range(size):
        for j in range(6):
            for i in range(6):
                for c in range(channels):
                    half[u, j, c] += G[i, u] * dU[6 * i + j, o, c]
    for u in range(size):
        for v in range(size):
            for c in range(channels):
                total = half[u, 0, c] * G[0, v]
                for j in range(1, 6):
                    total += half[u, j, c] * G[j, v]
                dkernels[c, u, v] = total
