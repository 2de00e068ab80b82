"""Activation maximisation: an image that a class's logit, or a map of a layer, answers strongly.

    x <- x + lr g / |g|,    g = d (score - decay |x|^2) / dx

From small noise on grey, each step on the image moved by a few pixels, so that no single pixel
matters. The image stays in the range of pixels.

Source: Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks (2013), section 2.
"""

from collections.abc import Iterator

import numpy as np

from alexnet.errors import NotFinite
from alexnet.inside.recording import gradient_of

LR, DECAY, SHIFT = 1.0, 1e-4, 4


def dream(
    model, layer: str, unit: int, shape: tuple[int, ...], low, high, *, steps: int = 200, seed=0
) -> Iterator[tuple[np.ndarray, float]]:
    """After each step (the image, the score): float32 (1, 3, S, S), normalised.

    layer, unit  whose output is made large: a unit of a fully connected layer, a map of another
                 (its mean)
    shape        (1, 3, S, S)
    low, high    what black and white pixels are after normalisation, broadcast to shape
    Raises ValueError for a name that is no layer's, for a unit that it does not have, and
    NotFinite for an answer that is not finite.
    """
    layers = list(model)
    names = [name for name, _ in layers]
    if layer not in names:
        raise ValueError(f"dream: there is no layer {layer!r}; there are {', '.join(names)}")
    part = [module for _, module in layers[: names.index(layer) + 1]]
    generator = np.random.default_rng(seed)
    x = (0.01 * generator.standard_normal(shape)).astype(np.float32)
    for _ in range(steps):
        shift = tuple(generator.integers(-SHIFT, SHIFT + 1, 2))
        slope, score = gradient_of(model, part, np.roll(x, shift, (2, 3)), unit)
        if not np.isfinite(score):
            raise NotFinite(f"its answer at {layer} is {score}")
        slope = np.roll(slope, (-shift[0], -shift[1]), (2, 3)) - 2 * DECAY * x
        size = np.sqrt((slope * slope).mean())
        x = np.clip(x + LR * slope / max(size, 1e-12), low, high).astype(np.float32)
        yield x, score
