"""The trace of a checkpoint's network on an image, for commands that show its numbers."""

import numpy as np

import tinynet as tn
from alexnet.data.names import printable
from alexnet.errors import DataError, NotFinite
from alexnet.inside import Trace, trace
from alexnet.weights.checkpoint import Checkpoint


def checked_trace(saved: Checkpoint, model, pixels: np.ndarray) -> Trace:
    """The Trace of images, uint8 (N, 3, S, S), in saved.make_model().

    Raises DataError, with the checkpoint's path, where an activation is not finite.
    """
    seen = trace(model, tn.Tensor(saved.normalization(pixels)))
    try:
        seen.check_finite()
    except NotFinite as error:
        raise DataError(f"checkpoint {printable(saved.path)}: {error}") from error
    return seen
