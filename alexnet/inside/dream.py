"""Activation maximisation: an image that a class's logit, or a map of a layer, answers strongly.

    x <- r(x + lr g / |g|),    g = d score / dx,    |g| the root of the mean square

From noise on grey, each step on the image moved by a few pixels, so that no single pixel matters.
Gradients favour fine, saturated grain, which photos do not have; r works against it: it
takes x a little towards grey, and blurs it every few steps. The image stays in the range of pixels.

Source: Simonyan, Vedaldi and Zisserman, Deep inside convolutional networks (2013), section 2; for r
Yosinski and others, Understanding neural networks through deep visualization (2015), section 3: L2
decay and Gaussian blur. The numbers are ours, chosen by eye at 32 and 224 pixels.
"""

from collections.abc import Iterator

import numpy as np
from scipy.ndimage import gaussian_filter

import tinynet as tn
from alexnet.errors import NotFinite
from alexnet.inside.recording import gradient_of
from tinynet import nn

NOISE = 0.5  # at the start, of a normalised image's deviation; with less, most maps are below 0
LR = 0.15  # of the same deviation; from 0.3 on most pixels are black or full
DECAY = 0.01  # what a unit does not ask for is gone in some hundred steps
BLUR, EVERY = 1.0, 4  # pixels, steps: 0.5 pixels leave grain, each step takes the edges too
BELOW = 0.1  # of 1, so that a map without a positive number has a gradient
SHIFT = 4  # pixels at most, the stride of AlexNet's first convolution


def dream(
    model, layer: str, unit: int, shape: tuple[int, ...], low, high, *, steps: int = 200, seed=0
) -> Iterator[tuple[np.ndarray, float]]:
    """After each step (the image, the score before it): float32 (1, 3, S, S), normalised.

    layer, unit  whose output is made large: a unit of a fully connected layer, a map of another
                 (its mean; of a convolution numbers below 0 count a tenth, since the plain mean
                 of the first one is linear in x, and would be largest for a plain colour)
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
    if isinstance(part[-1], nn.Conv2d):
        part.append(lambda y: tn.maximum(y, BELOW * y))
    generator = np.random.default_rng(seed)
    x = (NOISE * generator.standard_normal(shape)).astype(np.float32)
    for step in range(1, steps + 1):
        shift = tuple(generator.integers(-SHIFT, SHIFT + 1, 2))
        slope, score = gradient_of(model, part, np.roll(x, shift, (2, 3)), unit)
        if not np.isfinite(score):
            raise NotFinite(f"its answer at {layer} is {score}")
        slope = np.roll(slope, (-shift[0], -shift[1]), (2, 3))
        size = np.sqrt((slope * slope).mean())
        x = (1 - DECAY) * (x + LR * slope / max(size, 1e-12))
        if step % EVERY == 0:
            x = gaussian_filter(x, BLUR, axes=(2, 3), mode="nearest")
        x = np.clip(x, low, high).astype(np.float32)
        yield x, score
