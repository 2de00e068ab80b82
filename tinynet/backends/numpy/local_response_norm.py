"""Local response normalisation: each activation is divided by the energy of its neighbours in the
channel axis, at the same pixel.

    scale_i = k + alpha * sum of x_j^2 over the channels j within size // 2 of i
    y_i     = x_i / scale_i^beta

Channel i reads its neighbours, and the neighbours' outputs read x_i, so:

    dx_i = dy_i scale_i^-beta - 2 alpha beta x_i * sum of dy_j x_j scale_j^(-beta - 1) over i's window

Source: the paper, section 3.3; groups: the authors' program of 2012, whose window stops at the
tower's edge.
"""  # noqa: E501


def local_response_norm(x, size, alpha, beta, k, groups, y):
    """y = x / scale^beta with scale as above.

    x, y    (N, C, H, W)
    size    odd; groups: the window stops at the edges of a group of C / G channels
    """
    scale = _scale(x, size, alpha, k, groups)
    y[...] = x * scale**-beta


def local_response_norm_backward(dy, x, size, alpha, beta, k, groups, dx):
    """dx as above. dy, x, dx: (N, C, H, W)"""
    scale = _scale(x, size, alpha, k, groups)
    power = scale**-beta
    ratio = dy * x * power / scale
    dx[...] = dy * power - 2 * alpha * beta * x * _window_sum(ratio, size, groups)


def _scale(x, size, alpha, k, groups):
    return k + alpha * _window_sum(x * x, size, groups)


def _window_sum(a, size, groups):
    """sum[i] = the sum of a[j] over the channels j of i's group with |i - j| <= size // 2."""
    grouped = a.reshape(a.shape[0], groups, a.shape[1] // groups, *a.shape[2:])
    total = grouped.copy()
    for distance in range(1, min(size // 2, grouped.shape[2] - 1) + 1):
        total[:, :, distance:] += grouped[:, :, :-distance]
        total[:, :, :-distance] += grouped[:, :, distance:]
    return total.reshape(a.shape)
