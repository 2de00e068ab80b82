"""Local response normalisation: each activation is divided by the energy of its neighbours in the
channel axis, at the same pixel. The kernels are in local_response_norm.cu.

    scale_i = k + alpha * sum of x_j^2 over the channels j within size // 2 of i
    y_i     = x_i / scale_i^beta
    dx_i    = dy_i scale_i^-beta - 2 alpha beta x_i * sum of dy_j x_j scale_j^(-beta - 1) over i's window

A thread has one pixel of TILE channels and goes along them, with the window in its registers.

Source: the paper, section 3.3; groups: the authors' program of 2012, whose window stops at the
tower's edge.
"""  # noqa: E501

from pathlib import Path

from .device.launch import int_struct, maps

CU = Path(__file__).with_suffix(".cu")
TILE = 32  # channels of a thread; two threads read the channels at a tile's edge
REACHES = (2, 8, 64)  # the largest size // 2 of each kernel in the .cu file


def local_response_norm(gpu, x, size, alpha, beta, k, groups, y):
    """y = x / scale^beta with scale as above.

    x, y    (N, C, H, W)
    size    odd; groups: the window stops at the edges of a group of C / G channels
    """
    _launch(gpu, "local_response_norm", (x, y), (alpha, beta, k), size, groups)


def local_response_norm_backward(gpu, dy, x, size, alpha, beta, k, groups, dx):
    """dx as above. dy, x, dx: (N, C, H, W)"""
    _launch(gpu, "local_response_norm_backward", (dy, x, dx), (alpha, beta, k), size, groups)


def _launch(gpu, kernel, arrays, numbers, size, groups):
    images, channels, height, width = arrays[0].shape
    channels //= groups
    pixels = height * width
    reach = min(size // 2, channels - 1)  # the group ends there
    if reach > REACHES[-1]:
        raise ValueError(
            f"local_response_norm: size {size} on {channels} channels a group is more than the "
            f"cupy backend has kernels for; {2 * REACHES[-1] + 1} fits, or another backend"
        )
    tiles = -(-channels // TILE)
    geometry = int_struct(channels=channels, tile=TILE, tiles=tiles, reach=reach, pixels=pixels)
    tiles_in_all = images * groups * tiles
    registers = next(most for most in REACHES if reach <= most)
    gpu.launch(
        CU, f"{kernel}_{registers}", maps(tiles_in_all, pixels),
        *arrays, *numbers, tiles_in_all, geometry,
    )  # fmt: skip
