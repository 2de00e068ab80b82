"""Same-map normalisation: each activation is divided by the energy of its neighbours in the same
map. The kernels are in same_map_norm.cu.

    scale_p = k + alpha * sum of x_q^2 over the pixels q of p's window
    y_p     = x_p / scale_p^beta
    dx_p    = dy_p scale_p^-beta - 2 alpha beta x_p * sum of dy_q x_q scale_q^(-beta - 1) over p's window

The backward takes two launches: a thread cannot add up ratios that other threads have not computed
yet, and to compute them all anew would take size^4 products a pixel.

Source: cuda-convnet's layers of type rnorm; alpha here is theirs divided by size^2.
"""  # noqa: E501

from pathlib import Path

from .device.launch import int_struct, maps

CU = Path(__file__).with_suffix(".cu")


def same_map_norm(gpu, x, size, alpha, beta, k, y):
    """y = x / scale^beta with scale as above. x, y: (N, C, H, W); size: odd"""
    count, grid, window = _windows(x, size)
    gpu.launch(CU, "same_map_norm", grid, x, y, alpha, beta, k, count, window)


def same_map_norm_backward(gpu, dy, x, size, alpha, beta, k, dx):
    """dx as above. dy, x, dx: (N, C, H, W)"""
    count, grid, window = _windows(x, size)
    ratio = gpu.workspace("same-map ratio", x.shape, x.dtype)
    gpu.launch(
        CU, "same_map_norm_ratio", grid, dy, x, dx, ratio, alpha, beta, k, count, window
    )  # fmt: skip
    gpu.launch(CU, "same_map_norm_backward", grid, x, ratio, dx, alpha, beta, count, window)


def _windows(x, size):
    """(maps of all images, grid and block, the kernels' MapWindow)."""
    images, channels, height, width = x.shape
    reach = min(size // 2, max(height, width))  # the map ends there
    window = int_struct(height=height, width=width, reach=reach)
    return images * channels, maps(images * channels, height * width), window
