"""The contract: every kernel that a backend exports, with its arguments, shapes and dtypes.

A backend is a package that exports each kernel below, with the same name and arguments, from the
file that FILES gives for it. It also has the five functions of ARRAYS (arrays, scratch memory, the
number of threads) and three values:

    name          the backend's name
    xp            its array module: numpy, or one like it
    asynchronous  whether kernels return when they are queued, before they are complete; reading a
                  number then waits for all work queued before

Or the package has a load(), which returns an object with all of these. The kernels in cupy's files
take the GPU as their first argument, and load() binds it.
tests/tinynet/backends/test_contract.py compares every backend with this file.

Rules for every kernel:
- Arrays are C-contiguous and of one dtype, float32 or float64, unless said otherwise.
- Outputs are the last arguments. The caller allocates them, and they share no memory with an input.
  They are complete when the kernel returns; on a GPU, when work that is queued later reads them.
  A kernel writes nothing else.
- Arguments are valid: the ops have checked them.
- NaN and infinity propagate as the formula says; none is replaced.
- Sums have a fixed order: the same bits on every run with the same number of threads.

Names: N images, C channels in, O channels out, G groups, H x W a map, (KH, KW) the convolution's
kernel, (OH, OW) the output map. dy is the derivative of the loss by y, and so on. stride,
padding, window: pairs (rows, columns) of ints.
"""

# fmt: off
FILES = {
    "conv2d": ["conv2d", "conv2d_backward_input", "conv2d_backward_weight", "conv2d_backward_bias"],
    "winograd": ["winograd", "winograd_backward_input", "winograd_backward_weight",
                 "winograd_pays"],
    "linear": ["linear", "linear_backward_input", "linear_backward_weight", "linear_backward_bias"],
    "max_pool2d": ["max_pool2d", "max_pool2d_backward"],
    "avg_pool2d": ["avg_pool2d", "avg_pool2d_backward"],
    "adaptive_avg_pool2d": ["adaptive_avg_pool2d", "adaptive_avg_pool2d_backward"],
    "local_response_norm": ["local_response_norm", "local_response_norm_backward"],
    "same_map_norm": ["same_map_norm", "same_map_norm_backward"],
    "batch_norm": ["batch_norm_statistics", "batch_norm", "batch_norm_backward",
                   "batch_norm_backward_frozen"],
    "relu": ["relu", "relu_backward"],
    "tanh": ["tanh", "tanh_backward"],
    "dropout": ["dropout"],
    "softmax_cross_entropy": ["softmax", "softmax_backward", "softmax_cross_entropy",
                              "softmax_cross_entropy_backward"],
    "sgd": ["sgd_paper", "sgd_pytorch"],
}
ARRAYS = ["empty", "from_numpy", "to_numpy", "workspace", "set_threads"]
VALUES = ["name", "xp", "asynchronous"]
# fmt: on


# --- arrays ---------------------------------------------------------------------------------------


def empty(shape, dtype):
    """A new array of this shape and dtype, its contents undefined. All outputs of layers are
    allocated here, so that a backend can reuse a buffer once no array refers to it."""


def from_numpy(array):
    """The backend's array with the contents of a NumPy array (the same object where possible)."""


def to_numpy(array):
    """The NumPy array with the contents of a backend's array (the same object where possible)."""


def workspace(key, shape, dtype):
    """Scratch memory, contents undefined. The same key gives a thread the same memory, so it is
    valid until the thread's next call with this key."""


def set_threads(count):
    """Use this many processor threads from now on; ignored where a backend has none to set. Raises
    ValueError for more threads than the backend can start."""


# --- conv2d.py ------------------------------------------------------------------------------------


def conv2d(x, weight, bias, stride, padding, groups, y):
    """y[n, o, i, j] = bias[o] + sum over c, u, v of
    weight[o, c, u, v] x[n, c + first channel of o's group, i stride + u - padding, j stride + v - padding]

    x       (N, C, H, W)
    weight  (O, C / G, KH, KW)
    bias    (O,) or None
    y       (N, O, OH, OW)
    Pixels outside x count as zero.
    """  # noqa: E501


def conv2d_backward_input(dy, weight, stride, padding, groups, dx):
    """dx[pixel] = the sum of weight times dy over all outputs that read the pixel.

    dy      (N, O, OH, OW)
    weight  (O, C / G, KH, KW)
    dx      (N, C, H, W)
    """


def conv2d_backward_weight(dy, x, stride, padding, groups, dweight):
    """dweight[o, c, u, v] = sum over n, i, j of dy[n, o, i, j] times the pixel under the weight.

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, KH, KW)
    """


def conv2d_backward_bias(dy, dbias):
    """dbias[o] = sum over n, i, j of dy[n, o, i, j]. dy (N, O, OH, OW), dbias (O,)."""


# --- winograd.py ----------------------------------------------------------------------------------
# The results of conv2d by another algorithm, with more rounding: errors in float32 stay within 1e-4
# of the largest element. Kernels 3 x 3 and 5 x 5, stride 1. NaN and infinity spread over a tile of
# pixels.


def winograd(x, weight, bias, padding, groups, y):
    """conv2d with stride (1, 1).

    x       (N, C, H, W)
    weight  (O, C / G, KH, KW)  KH = KW = 3 or 5
    bias    (O,) or None
    y       (N, O, OH, OW)
    """


def winograd_backward_input(dy, weight, padding, groups, dx):
    """conv2d_backward_input with stride (1, 1).

    dy      (N, O, OH, OW)
    weight  (O, C / G, KH, KW)  KH = KW = 3 or 5
    dx      (N, C, H, W)
    """


def winograd_backward_weight(dy, x, padding, groups, dweight):
    """conv2d_backward_weight with stride (1, 1).

    dy       (N, O, OH, OW)
    x        (N, C, H, W)
    dweight  (O, C / G, KH, KW)  KH = KW = 3 or 5
    """


def winograd_pays(x_shape, weight_shape, stride, padding, groups):
    """Whether "auto" computes this layer by winograd: True only where a training step is quicker
    by winograd than by conv2d on this backend; False where winograd is not defined."""


# --- linear.py ------------------------------------------------------------------------------------


def linear(x, weight, bias, y):
    """y = x weight^T + bias. x (N, IN), weight (OUT, IN), bias (OUT,) or None, y (N, OUT)."""


def linear_backward_input(dy, weight, dx):
    """dx = dy weight. dy (N, OUT), weight (OUT, IN), dx (N, IN)."""


def linear_backward_weight(dy, x, dweight):
    """dweight = dy^T x. dy (N, OUT), x (N, IN), dweight (OUT, IN)."""


def linear_backward_bias(dy, dbias):
    """dbias = the sum of dy's rows. dy (N, OUT), dbias (OUT,)."""


# --- max_pool2d.py --------------------------------------------------------------------------------


def max_pool2d(x, window, stride, padding, y, switches):
    """y[n, c, i, j] = the largest x in the window at (i, j); switches = where it was.

    x          (N, C, H, W)
    y          (N, C, OH, OW)
    switches   (N, C, OH, OW)  int32, index into the H x W map; ties go to the first
    Padding, and cells beyond the edge, count as -inf; NaN wins (the window's last NaN).
    """


def max_pool2d_backward(dy, switches, window, stride, padding, dx):
    """dx[n, c, p] = the sum of dy over the windows whose switch is p.

    dy        (N, C, OH, OW)
    switches  (N, C, OH, OW)  int32
    dx        (N, C, H, W)
    window, stride, padding: for kernels that find, for each pixel, the windows that cover it.
    Kernels that go from window to window, and from each to its switch, ignore them.
    """


# --- avg_pool2d.py --------------------------------------------------------------------------------


def avg_pool2d(x, window, stride, padding, count_include_pad, y):
    """y[n, c, i, j] = the sum of x in the window at (i, j) / (cells of the window that count).

    x  (N, C, H, W)
    y  (N, C, OH, OW)
    count_include_pad  whether cells of the padding, which are zeros, count; cells beyond the
                       padding (ceil_mode) never do
    """


def avg_pool2d_backward(dy, window, stride, padding, count_include_pad, dx):
    """dx[pixel] = the sum of dy / (cells of the window that count) over all windows that cover the
    pixel.

    dy  (N, C, OH, OW)
    dx  (N, C, H, W)
    """


# --- adaptive_avg_pool2d.py -----------------------------------------------------------------------


def adaptive_avg_pool2d(x, y):
    """y[n, c, i, j] = the mean of x over rows floor(i H / OH) to ceil((i + 1) H / OH) - 1 and
    columns alike. x (N, C, H, W), y (N, C, OH, OW)."""


def adaptive_avg_pool2d_backward(dy, dx):
    """dx[pixel] = the sum of dy / (cells of the window) over all windows that cover the pixel.
    dy (N, C, OH, OW), dx (N, C, H, W)."""


# --- local_response_norm.py -----------------------------------------------------------------------


def local_response_norm(x, size, alpha, beta, k, groups, y):
    """y = x / scale^beta, where scale[i] = k + alpha * sum of x[j]^2 over the channels j within
    size // 2 of i.

    x, y    (N, C, H, W)
    size    odd
    groups  the window stops at the edges of a group of C / G channels
    """


def local_response_norm_backward(dy, x, size, alpha, beta, k, groups, dx):
    """dx[i] = dy[i] scale[i]^-beta
               - 2 alpha beta x[i] * sum of dy[j] x[j] scale[j]^(-beta - 1) over i's window.

    dy, x, dx  (N, C, H, W)
    """


# --- same_map_norm.py -----------------------------------------------------------------------------


def same_map_norm(x, size, alpha, beta, k, y):
    """y = x / scale^beta, where scale[p] = k + alpha * sum of x[q]^2 over the pixels q of p's map
    that are at most size // 2 rows and size // 2 columns away.

    x, y  (N, C, H, W)
    size  odd
    """


def same_map_norm_backward(dy, x, size, alpha, beta, k, dx):
    """dx[p] = dy[p] scale[p]^-beta
               - 2 alpha beta x[p] * sum of dy[q] x[q] scale[q]^(-beta - 1) over p's window.

    dy, x, dx  (N, C, H, W)
    """


# --- batch_norm.py --------------------------------------------------------------------------------


def batch_norm_statistics(x, mean, variance):
    """Each channel's mean and variance (divided by the count) over N, H, W.
    x (N, C, H, W), mean and variance (C,)."""


def batch_norm(x, weight, bias, mean, variance, eps, y):
    """y = weight (x - mean) / sqrt(variance + eps) + bias, channel by channel.
    x, y (N, C, H, W); weight, bias, mean, variance (C,)."""


def batch_norm_backward(dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """The gradients where mean and variance were computed from x, so that they depend on x.

    xhat = (x - mean) / sqrt(variance + eps)
    dbias = sum of dy; dweight = sum of dy xhat; M = N H W
    dx = weight / sqrt(variance + eps) * (dy - dbias / M - xhat dweight / M)

    dy, x, dx                              (N, C, H, W)
    weight, mean, variance, dweight, dbias (C,)
    """


def batch_norm_backward_frozen(dy, x, weight, mean, variance, eps, dx, dweight, dbias):
    """As batch_norm_backward, but mean and variance are constants:
    dx = weight / sqrt(variance + eps) * dy."""


# --- relu.py, tanh.py -----------------------------------------------------------------------------


def relu(x, y):
    """y = max(x, 0); NaN stays NaN. x, y: any shape, the same."""


def relu_backward(dy, y, dx):
    """dx = dy where y > 0, else 0, but dy where y is NaN. dy, y, dx: any shape, the same."""


def tanh(x, y):
    """y = tanh(x). x, y: any shape, the same."""


def tanh_backward(dy, y, dx):
    """dx = dy (1 - y^2). dy, y, dx: any shape, the same."""


# --- dropout.py -----------------------------------------------------------------------------------


def dropout(x, drop, kept_scale, seed, draw, first, row, stride, y):
    """y = x times kept_scale where the element is kept, x times 0 where it is dropped.

    x, y        any shape, the same
    drop        the probability to drop; kept where the element's 32 bits >= floor(drop 2^32)
    kept_scale  1 / (1 - drop) for inverted dropout, 1 for the paper's
    seed, draw  Philox's key and draw in stream DROPOUT (tinynet/random.py)
    first, row, stride  the numbers of the elements: in C order x is rows of `row` elements, and
                element j of row n has the number first + n stride + j. All are below 2^62; row is
                at least 1
    Applied to dy, the function gives dx.
    """


# --- softmax_cross_entropy.py ---------------------------------------------------------------------


def softmax(logits, y):
    """y[n, c] = exp(logits[n, c]) / sum over j of exp(logits[n, j]). logits, y (N, classes)."""


def softmax_backward(dy, y, dx):
    """dx[n, c] = y[n, c] (dy[n, c] - sum over j of dy[n, j] y[n, j]). All (N, classes)."""


def softmax_cross_entropy(logits, labels, probabilities, losses):
    """losses[n] = log(sum over j of exp(logits[n, j])) - logits[n, labels[n]];
    probabilities = softmax(logits).

    logits, probabilities  (N, classes)
    labels                 (N,)  int64, each from 0 to classes - 1
    losses                 (N,)
    """


def softmax_cross_entropy_backward(probabilities, labels, dloss, dlogits):
    """dlogits[n, c] = dloss / N * (probabilities[n, c] - (c == labels[n])).

    probabilities, dlogits  (N, classes)
    labels                  (N,)  int64
    dloss                   ()    the derivative by the mean of the losses
    """


# --- sgd.py ---------------------------------------------------------------------------------------


def sgd_paper(weights, gradients, velocities, lr, momentum, weight_decay):
    """v = momentum v - weight_decay lr w - lr g; w = w + v, in place: v contains the learning rate.

    weights, gradients, velocities  lists of arrays; the i-th arrays of all have one shape
    lr, momentum, weight_decay      numbers, the same for all arrays; on cupy lr may be an array ()
    """


def sgd_pytorch(weights, gradients, velocities, lr, momentum, weight_decay):
    """v = momentum v + (g + weight_decay w); w = w - lr v, in place. Arguments as in sgd_paper."""
