"""The logarithm of softmax."""

from tinynet.op import op
from tinynet.ops.checks import check_axis, check_floating, integer
from tinynet.ops.sums import sum_along


@op
def log_softmax(ctx, logits, axis=-1):
    """logits - log(sum over axis of exp(logits)): the logarithms of softmax's probabilities.

    logits  any shape, float32 or float64
    axis    the axis of the classes
    Returns a tensor like logits. The largest logit is subtracted first, so that no exp overflows;
    a probability too small for a float still has its logarithm.
    """
    check_floating("log_softmax", "logits", logits)
    check_axis("log_softmax", integer("log_softmax", "axis", axis), logits.ndim)
    if logits.shape[axis] == 0:
        raise ValueError(f"log_softmax: logits have shape {logits.shape}, and no class on the axis")
    y = log_probabilities(ctx.xp, logits, axis)

    def backward(dy):
        return dy - ctx.xp.exp(y) * sum_along(dy, axis, keepdims=True)

    return y, backward


def log_probabilities(xp, logits, axis):
    """The logarithms of softmax along an axis, of arrays."""
    shifted = logits - logits.max(axis=axis, keepdims=True)
    return shifted - xp.log(sum_along(xp.exp(shifted), axis, keepdims=True))
