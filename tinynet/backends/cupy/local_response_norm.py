"""Local response normalisation: each activation is divided by the energy of its neighbours in the
channel axis, at the same pixel. The kernels are in local_response_norm.cu.

    scale_i = k + alpha * sum of x_j^2 over the channels j within size // 2 of i
    y_i     = x_i / scale_i^beta
    dx_i    = dy_i scale_i^-beta - 2 alpha beta x_i * sum of dy_j x_j scale_j^(-beta - 1) over i's window

A block has a tile: LANES pixels of some channels. What channels share with their neighbours, it keeps
in shared memory.

Source: the paper, section 3.3; groups: the authors' program of 2012, whose window stops at the
tower's edge.
"""  # noqa: E501

from pathlib import Path

from tinynet.backends.cupy.launch import LANES, MAPS, SHARED, height, record

CU = Path(__file__).with_suffix(".cu")
TILE = 64  # channels at most; the neighbours beside them are read a second time


def local_response_norm(gpu, x, size, alpha, beta, k, groups, y):
    """y = x / scale^beta with scale as above.

    x, y    (N, C, H, W)
    size    odd; groups: the window stops at the edges of a group of C / G channels
    """
    _launch(
        gpu, "local_response_norm", (x, y), (alpha, beta, k), size, groups,
        rows=lambda tile, reach: tile + 2 * reach,
    )  # fmt: skip


def local_response_norm_backward(gpu, dy, x, size, alpha, beta, k, groups, dx):
    """dx as above. dy, x, dx: (N, C, H, W)"""
    _launch(
        gpu, "local_response_norm_backward", (dy, x, dx), (alpha, beta, k), size, groups,
        rows=lambda tile, reach: 3 * tile + 6 * reach,
    )  # fmt: skip


def _launch(gpu, kernel, arrays, numbers, size, groups, rows):
    """rows(tile, reach): how many rows of LANES numbers a block of so many channels keeps, where
    the window reaches so far."""
    images, channels, rows_of_map, columns_of_map = arrays[0].shape
    channels //= groups
    row_bytes = LANES * arrays[0].itemsize
    reach = min(size // 2, channels - 1)  # the group ends there
    fitting = [tile for tile in range(1, TILE + 1) if rows(tile, reach) * row_bytes <= SHARED]
    if not fitting:
        raise ValueError(
            f"local_response_norm: size {size} needs {rows(1, reach) * row_bytes:,} bytes of "
            f"shared memory a block, the GPU has {SHARED:,}; a smaller size, float32 or another "
            "backend fits"
        )
    tile = min(channels, fitting[-1])
    tiles = -(-channels // tile)
    pixels = rows_of_map * columns_of_map
    grid = (images * groups * tiles, height(pixels)), (LANES, MAPS)
    geometry = record(channels=channels, tile=tile, tiles=tiles, reach=reach, pixels=pixels)
    gpu.launch(CU, kernel, grid, *arrays, *numbers, geometry, shared=rows(tile, reach) * row_bytes)
