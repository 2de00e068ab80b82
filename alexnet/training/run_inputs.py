"""How a run prepares its images: the mean and divisor, and the paper's change of colour.

Both are measured once, at the start, in one pass over the training images, and are saved with the
run. Nothing is measured that is known: a pretrained network has its own mean, torchvision's spec
its numbers.
"""

import numpy as np

from alexnet.data.normalization import Normalization, normalization_of
from alexnet.data.pixel_sums import sums_of
from alexnet.data.principal_colours import PrincipalColours
from alexnet.network.specs import IMAGENET, find_spec

MEANS = ("image", "channel", "imagenet")


def choose_inputs(run) -> tuple[Normalization, PrincipalColours | None]:
    """The mean and the divisor of a run's images, and its change of colour with --augment alexnet.

    The mean is that of the pretrained network, or --mean, or the spec's. Where it is measured, the
    divisor is the deviation with initial weights "he", else 1. Raises DataError for an image that
    cannot be read.
    """
    options = run.options
    row = find_spec(options.spec)
    known = _pretrained(run, row) or _published(options.mean, row)
    changes_colour = options.augment == "alexnet"
    if known and not changes_colour:
        return known, None
    print("measuring the pixels of the training images ...", flush=True)
    sums = sums_of(run.train_set, run.batches.stored_size, workers=options.workers)
    divide = options.init == "he" and not run.pretrained
    colours = PrincipalColours.of(sums.covariance, row.input.colour_divisor)
    mean = options.mean or row.input.mean
    normalization = known or normalization_of(sums, options.image_size, mean, divide)
    return normalization, colours if changes_colour else None


def _pretrained(run, row):
    return run.pretrained and run.pretrained.normalization(row, run.options.image_size)


def _published(mean, row):
    """The Normalization of published numbers; None where the mean is measured."""
    numbers = IMAGENET if mean == "imagenet" else row.input
    if mean in ("image", "channel") or isinstance(numbers.mean, str):
        return None
    return Normalization(
        *(np.reshape(three, (3, 1, 1)) for three in (numbers.mean, numbers.divisor))
    )
