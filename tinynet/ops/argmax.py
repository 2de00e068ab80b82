"""Where the largest element is."""

from tinynet.op import op
from tinynet.ops.checks import check_axis, integer
from tinynet.tensor import Tensor


@op
def argmax(ctx, a, axis=None, keepdims=False):
    """The index of the largest element along axis; axis None: in the flattened tensor.

    a  any shape and dtype
    Returns int64, without gradient. The first of equal elements is taken, and the first NaN before
    all others. Raises ValueError where there is no element.
    """
    if axis is not None:
        check_axis("argmax", integer("argmax", "axis", axis), a.ndim)
    if 0 in (a.shape if axis is None else (a.shape[axis],)):
        raise ValueError(f"argmax: a has shape {a.shape}, and no element along axis {axis}")
    return a.argmax(axis=axis, keepdims=keepdims), None


Tensor.argmax = argmax
