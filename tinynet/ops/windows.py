"""How many windows fit: the sizes of a convolution's or a pool's output.

    floor    (size + 2 padding - window) // stride + 1
    ceil     the same rounded up, without the last window if it would start at or after
             size + padding, so that no window lies wholly in the padding or beyond

A convolution that rounds up (cuda-convnet) drops no window: its maps get as many cells of zeros at
their end as the last window hangs over.

Source: Caffe and PyTorch (ceil_mode); 55, 27, 13, 13, 13, 6 are AlexNet's maps at 227.
"""


def output_size(size, window, stride, padding, ceil_mode=False):
    """The number of windows along one axis; 0 or less where none fits."""
    room = size + 2 * padding - window
    if not ceil_mode:
        return room // stride + 1
    windows = -(-room // stride) + 1
    if (windows - 1) * stride >= size + padding:
        windows -= 1
    return windows


def overhang(size, window, stride, padding):
    """By how many cells the last window hangs over the padded map's end if the number of windows is
    1 + ceil((size + 2 padding - window) / stride); 0 where the stride fits."""
    return (window - size - 2 * padding) % stride


def output_sizes(name, x, window, stride, padding, ceil_mode=False):
    """(rows, columns) of the output for an activation x (N, C, H, W).

    Raises ValueError where no window fits.
    """
    sizes = tuple(
        output_size(x.shape[2 + axis], window[axis], stride[axis], padding[axis], ceil_mode)
        for axis in (0, 1)
    )
    if min(sizes) < 1:
        padded = (x.shape[2] + 2 * padding[0], x.shape[3] + 2 * padding[1])
        raise ValueError(
            f"{name}: a window of {window} does not fit the padded map of {padded}, x has shape "
            f"{x.shape}; use a larger map, more padding or a smaller window"
        )
    return sizes


def check_pool_padding(name, window, padding):
    """Padding must be at most half the window, so that every window overlaps the map."""
    if padding[0] > window[0] // 2 or padding[1] > window[1] // 2:
        raise ValueError(
            f"{name}: padding {padding} is more than half the window {window}; "
            "some windows would see no pixel"
        )
