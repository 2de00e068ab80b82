"""What a new training says once about its images: how many a class, of which sizes, and what to do.

Sizes of photos are read from the heads of their files, without decoding them: of all photos, or of
SAMPLE of them, evenly spaced over the classes.

The bounds are our choice. FEW: ImageNet's smallest class has 732 images, and the paper needed its
augmentations even there (section 4).
"""

import numpy as np

from alexnet.data.images import photo_size
from alexnet.errors import DataError
from alexnet.network.plan import smallest_image_size
from alexnet.training.options import kind_of

SAMPLE = 500
UNEQUAL = 3  # the largest class has more than this many times the images of the smallest
FEW = 500  # images a class, by the median


def data_remarks(run) -> list[str]:
    """Lines of text about the training images of a run. None about synthetic images, which are
    drawn at the network's size."""
    if kind_of(run.options.data) == "synthetic":
        return []
    return [*_classes(run), *_sizes(run)]


def _classes(run):
    """Lines on the number of images a class."""
    o, counts = run.options, np.bincount(run.train_set.labels, minlength=len(run.classes))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[least] == counts[most]:
        yield f"{counts[most]:,} images in each class"
    else:
        yield (
            f"{counts[least]:,} ({run.classes[least]}) to {counts[most]:,} ({run.classes[most]}) "
            "images a class"
        )
    if counts[most] > UNEQUAL * counts[least] and not o.balance:
        yield "the classes differ much in size: --balance draws each equally often"
    median, more = np.median(counts), []
    if not o.pretrained:
        more.append("--pretrained FILE starts from trained weights")
    if o.augment != "alexnet" and not o.keep_features:
        more.append("--augment alexnet varies the images more")
    if median < FEW and more:
        yield f"few images a class (median {median:,.0f}): {', '.join(more)}"


def _sizes(run):
    """Lines on the sizes of the images."""
    native, paths = run.train_set.native_size, getattr(run.train_set, "paths", ())
    if native:
        sizes, heads = np.array([[native, native]]), ""
    else:
        chosen = np.unique(np.linspace(0, len(paths) - 1, SAMPLE).round().astype(int))
        sizes = np.array(list(filter(None, (_size(paths[place]) for place in chosen))))
        heads = f" (by the heads of {len(sizes):,} of {len(paths):,} files)"
    if not len(sizes):
        return
    areas = sizes.prod(axis=1)
    smallest, largest = (
        f"{width:,} x {height:,}" for width, height in sizes[[areas.argmin(), areas.argmax()]]
    )
    yield f"{smallest if smallest == largest else f'{smallest} to {largest}'} pixels{heads}"
    size = run.options.image_size
    small = (sizes.min(axis=1) < size).mean()
    if small:
        share = "all" if small == 1 else f"{max(small, 0.01):.0%} of them"
        faster = ": a smaller --image-size trains faster"
        yield (
            f"{share} are smaller than {size} x {size} and are enlarged, which adds no detail"
            + (faster if smallest_image_size(run.model.spec) < size else "")
        )


def _size(path):
    """(width, height) of a photo; None if its head cannot be read, which an error at its batch, or
    --skip-bad-images, deals with."""
    try:
        return photo_size(path)
    except (DataError, OSError):
        return None
