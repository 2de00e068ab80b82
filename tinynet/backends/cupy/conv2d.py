"""Convolution as a matrix product: im2col of several images at a time. The kernels are in
conv2d.cu.

The columns of n images lie side by side, so that one product for each group serves all n images:

    columns  (G, R, n OH OW)               one column for each output pixel
    product  = weight (G, O / G, R)  @  columns                 then maps go back to their images
    dproduct (G, O / G, n OH OW)                                dy with its maps side by side
    dweight += dproduct @ columns^T
    dcolumns = weight^T @ dproduct,                             added back to the pixels: col2im

R is C / G KH KW, rounded up to a multiple of 4 by rows of zeros (363 rows of the paper's conv1
become 364), and n is a multiple of 4 where 4 images fit: tensor cores want the rows of a matrix 16
bytes apart. n is the number of images whose columns fit gpu.chunk_bytes, a quarter of the L2 cache,
so that columns, maps and weights are there at once. Chunks are summed in order: the same bits on
every run.

The numba backend copies only for the kernel's columns and computes one product for each kernel row,
at an offset. Here that would be KH products that add to the same output; whether it is quicker was
not measured.

N images, C channels in, O out, G groups, H x W the map, (KH, KW) the kernel, (OH, OW) the output.
Source: Chellapilla, Puri, Simard, High performance convolutional neural networks for document
processing (2006); groups as in the paper's two towers, section 3.5.
"""

from pathlib import Path

from .device.launch import int_struct, maps
from .device.sums import sum_over_maps

CU = Path(__file__).with_suffix(".cu")


def conv2d(gpu, x, weight, bias, stride, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of weight[o, c, u, v] times the pixel under it.

    x       (N, C, H, W)
    weight  (O, C / G, KH, KW)
    bias    (O,) or None
    y       (N, O, OH, OW)
    """
    weights = _padded_weights(gpu, weight, groups)
    for images in _chunks(gpu, x, weight, y):
        columns = _im2col(gpu, x[images], weight, stride, padding, groups, y)
        product = _side_by_side(gpu, weight.shape[0], columns)
        gpu.product(weights, columns, product)
        _spread(gpu, product, bias, y[images])


def conv2d_backward_input(gpu, dy, weight, stride, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / G, KH, KW)
    dx      (N, C, H, W)
    """
    weights = _padded_weights(gpu, weight, groups)
    for images in _chunks(gpu, dx, weight, dy):
        columns = _columns(gpu, dx[images], weight, groups, dy)
        dproduct = _side_by_side(gpu, weight.shape[0], columns)
        _gather(gpu, dy[images], dproduct)
        gpu.product(weights.transpose(0, 2, 1), dproduct, columns)
        part = dx[images]
        gpu.launch(
            CU, "col2im", maps(part.shape[0] * part.shape[1], part.shape[2] * part.shape[3]),
            columns, part, *_geometry(part, weight, stride, padding, groups, dy),
        )  # fmt: skip


def conv2d_backward_weight(gpu, dy, x, stride, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, KH, KW)
    """
    exact = dweight.reshape(groups, dweight.shape[0] // groups, -1)
    padded = _is_padded(dweight)
    dweights = _weights_buffer(gpu, dweight, groups) if padded else exact
    for images in _chunks(gpu, x, dweight, dy):
        columns = _im2col(gpu, x[images], dweight, stride, padding, groups, dy)
        dproduct = _side_by_side(gpu, dweight.shape[0], columns)
        _gather(gpu, dy[images], dproduct)
        gpu.product(dproduct, columns.transpose(0, 2, 1), dweights, add=images.start > 0)
    if padded:
        exact[...] = dweights[:, :, : exact.shape[2]]


def conv2d_backward_bias(gpu, dy, dbias):
    """dbias[o] = sum over n, i, j of dy[n, o, i, j]. dy (N, O, OH, OW), dbias (O,)"""
    sum_over_maps(gpu, dy, dbias)


def _gather(gpu, maps_of_images, side_by_side):
    """side_by_side[o, n, p] = maps_of_images[n, o, p].

    maps_of_images  (N, O, OH, OW)
    side_by_side    (G, O / G, N OH OW)
    """
    images, channels, *size = maps_of_images.shape
    pixels = size[0] * size[1]
    gpu.launch(
        CU, "gather", maps(images * channels, pixels),
        maps_of_images, side_by_side, images, channels, pixels,
    )  # fmt: skip


def _spread(gpu, side_by_side, bias, y):
    """y[n, o, p] = side_by_side[o, n, p] + bias[o].

    side_by_side  (G, O / G, N OH OW)
    bias          (O,) or None
    y             (N, O, OH, OW)
    """
    images, channels, *size = y.shape
    pixels = size[0] * size[1]
    gpu.launch(
        CU, "spread", maps(images * channels, pixels),
        side_by_side, bias, y, images, channels, pixels,
    )  # fmt: skip


def chunks(gpu, x, image_bytes):
    """Slices of the images x: as many images each as fit gpu.chunk_bytes, a multiple of 4 or fewer
    than 4, but at least one."""
    count = max(1, gpu.chunk_bytes // image_bytes)
    count -= count % 4 if count > 4 else 0
    return [slice(first, min(first + count, len(x))) for first in range(0, len(x), count)]


def _chunks(gpu, x, weight, y):
    """Slices of the images x whose columns fit gpu.chunk_bytes."""
    columns_of_image = x.shape[1] * weight.shape[2] * weight.shape[3] * y.shape[2] * y.shape[3]
    return chunks(gpu, x, columns_of_image * x.itemsize)


def _rows(weight, padded=True):
    """Rows of a group's columns, with the rows of zeros or without."""
    rows = weight.shape[1] * weight.shape[2] * weight.shape[3]
    return -(-rows // 4) * 4 if padded else rows


def _is_padded(weight):
    return _rows(weight) != _rows(weight, padded=False)


def _weights_buffer(gpu, weight, groups):
    shape = (groups, weight.shape[0] // groups, _rows(weight))
    return gpu.workspace("padded weights", shape, weight.dtype)


def _padded_weights(gpu, weight, groups):
    """The weights (G, O / G, R), with zeros for the rows of zeros."""
    exact = weight.reshape(groups, weight.shape[0] // groups, -1)
    if not _is_padded(weight):
        return exact
    padded = _weights_buffer(gpu, weight, groups)
    padded[:, :, : exact.shape[2]] = exact
    padded[:, :, exact.shape[2] :] = 0
    return padded


def _columns(gpu, x, weight, groups, y):
    """The column buffer of the images x."""
    shape = (groups, _rows(weight), x.shape[0] * y.shape[2] * y.shape[3])
    return gpu.workspace("columns", shape, x.dtype)


def _im2col(gpu, x, weight, stride, padding, groups, y):
    """The columns of the images x."""
    columns = _columns(gpu, x, weight, groups, y)
    if _is_padded(weight):
        columns[:, _rows(weight, padded=False) :] = 0
    gpu.launch(
        CU, "im2col", maps(x.shape[0] * x.shape[1], y.shape[2] * y.shape[3]),
        x, columns, *_geometry(x, weight, stride, padding, groups, y),
    )  # fmt: skip
    return columns


def _side_by_side(gpu, outputs, columns):
    """A buffer for the maps of all outputs, as wide as the columns."""
    groups, _, width = columns.shape
    return gpu.workspace("side by side", (groups, outputs // groups, width), columns.dtype)


def _geometry(x, weight, stride, padding, groups, y):
    """images and struct Geometry of conv2d.cu."""
    images, channels, height, width = x.shape
    geometry = int_struct(
        channels=channels, channels_of_group=channels // groups, height=height, width=width,
        rows_of_group=_rows(weight), kernel_rows=weight.shape[2], kernel_columns=weight.shape[3],
        out_rows=y.shape[2], out_columns=y.shape[3],
        row_stride=stride[0], column_stride=stride[1],
        row_padding=padding[0], column_padding=padding[1],
    )  # fmt: skip
    return images, geometry
