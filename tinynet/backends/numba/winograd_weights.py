"""Transforms between kernels and Winograd's 6 x 6 tiles: winograd.py, numpy/winograd.py.

    U = G g G^T         dg = G^T dU G

Each thread takes its share of the outputs; the inner loops run over the channels.

kernels, dkernels  (G, O/G, C/G, K, K)
U                  (G, 36, O/G, C/G)
dU                 (shares, G, 36, O/G, C/G)
"""

import numpy as np

from .compilation import loops
from .threads import run_on_threads, shares

G_3 = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
G_5 = np.array(
    [[6, 0, 0, 0, 0], [-4] * 5, [-4, 4, -4, 4, -4], [1, 2, 4, 8, 16], [1, -2, 4, -8, 16],
     [0, 0, 0, 0, 24]]
) / 24  # fmt: skip


def weight_tiles(kernels, U):
    """U = G g G^T for every kernel g."""
    run_on_threads(
        _tiles, [(kernels, _G(kernels), U, *share) for share in shares(kernels.shape[1])]
    )


def backward_weight_tiles(dU, dkernels):
    """dg = G^T dU G for every kernel, where dU is first added up over its shares."""
    run_on_threads(
        _kernels, [(dU, _G(dkernels), dkernels, *share) for share in shares(dkernels.shape[1])]
    )


def _G(kernels):
    return (G_3 if kernels.shape[-1] == 3 else G_5).astype(kernels.dtype)


@loops
def _tiles(kernels, G, U, first, last):
    groups, _, channels, size, _ = kernels.shape
    points = len(G)
    half = np.empty((points, size, channels), kernels.dtype)
    for g in range(groups):
        for o in range(first, last):
            for i in range(points):
                for v in range(size):
                    for c in range(channels):
                        half[i, v, c] = G[i, 0] * kernels[g, o, c, 0, v]
                    for u in range(1, size):
                        for c in range(channels):
                            half[i, v, c] += G[i, u] * kernels[g, o, c, u, v]
            for i in range(points):
                for j in range(points):
                    row = U[g, points * i + j, o]
                    for c in range(channels):
                        row[c] = half[i, 0, c] * G[j, 0]
                    for v in range(1, size):
                        for c in range(channels):
                            row[c] += half[i, v, c] * G[j, v]


@loops
def _kernels(dU, G, dkernels, first, last):
    groups, _, channels, size, _ = dkernels.shape
    points = len(G)
    total = np.empty(channels, dU.dtype)
    half = np.empty((size, points, channels), dU.dtype)
    for g in range(groups):
        for o in range(first, last):
            half[...] = 0
            for i in range(points):
                for j in range(points):
                    total[:] = 0
                    for share in range(len(dU)):
                        row = dU[share, g, points * i + j, o]
                        for c in range(channels):
                            total[c] += row[c]
                    for u in range(size):
                        for c in range(channels):
                            half[u, j, c] += G[i, u] * total[c]
            for u in range(size):
                for v in range(size):
                    total[:] = 0
                    for j in range(points):
                        for c in range(channels):
                            total[c] += half[u, j, c] * G[j, v]
                    for c in range(channels):
                        dkernels[g, o, c, u, v] = total[c]
