"""What may differ between a run so far and the command that resumes it: the images, the rate.

The images must be the same ones in the same classes, since a position in an epoch is a place in
their list. The one exception: images that are gone or broken since may be left out.
"""

import numpy as np

from alexnet.data import fingerprint
from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.training.options import Options
from alexnet.training.schedules import Constant, schedule_of
from alexnet.weights.checkpoint import Checkpoint


def image_list(dataset) -> dict:
    """The list of images as a checkpoint keeps it: {"fingerprint", "images": of each class}."""
    counts = np.bincount(dataset.labels, minlength=len(dataset.classes))
    return {"fingerprint": fingerprint(dataset), "images": counts.tolist()}


def list_remarks(
    checkpoint: Checkpoint,
    options: Options,
    classes: list[str],
    images: int,
    stored_size: int,
    lists: dict,
) -> list[str]:
    """Lines that tell which images are left out since the checkpoint was written. Raises DataError
    if the images are others, or if more are gone than --skip-bad-images allows.

    images       in the training set
    stored_size  at which they are read
    lists        {"train": image_list, "val": image_list} of this command
    """
    training, remarks = checkpoint.training, []
    if checkpoint.classes != classes:
        new, old = set(classes) - set(checkpoint.classes), set(checkpoint.classes) - set(classes)
        raise DataError(
            f"{options.data} has {len(classes)} classes and {images:,} training images, the run "
            f"began with {len(checkpoint.classes)} and {training['images']:,}; new classes: "
            f"{_some(sorted(new))}; missing classes: {_some(sorted(old))}; give the data it began "
            "with"
        )
    if checkpoint.stored_size != stored_size:
        raise DataError(
            f"images of {options.data} are read at {stored_size} x {stored_size}, the run began "
            f"with {checkpoint.stored_size} x {checkpoint.stored_size}; give the data it began "
            "with, or a pack of that --size"
        )
    if "lists" not in training and training["images"] != images:  # an older checkpoint
        raise DataError(
            f"{options.data} has {images:,} training images, the run began with "
            f"{training['images']:,}; give the data it began with"
        )
    for split, before in training.get("lists", {}).items():
        now = lists[split]
        if now == before:
            continue
        difference = _difference(split, classes, before["images"], now["images"])
        lost = np.subtract(before["images"], now["images"])
        only_lost = (lost >= 0).all() and lost.any()
        if only_lost and lost.sum() <= options.skip_bad_images:
            remarks.append(
                f"the data {difference}; the run goes on without the missing images, so it will "
                "no longer have the bits of an unbroken run"
            )
            continue
        way = f", or go on without them by --skip-bad-images {lost.sum()}" if only_lost else ""
        raise DataError(f"{options.data} {difference}; put the images back{way}")
    return remarks


def _difference(split, classes, before, now):
    """What differs between two lists of the same classes, in words.

    before, now  the images of each class
    """
    images = {"train": "training images", "val": "validation images"}[split]
    if before == now:
        return f"has {images} with other names, or in other classes, than the run began with"
    changed = [
        f"{name} {new:,} (before: {old:,})"
        for name, old, new in zip(classes, before, now, strict=True)
        if old != new
    ]
    if sum(before) == sum(now):
        return f"has {images} in other classes than the run began with: {_some(changed)}"
    return (
        f"has {len(classes)} classes and {sum(now):,} {images}, the run began with {len(classes)} "
        f"and {sum(before):,}: {_some(changed)}"
    )


def _some(names):
    """Some of these names, in words."""
    return ", ".join(map(printable, names[:5])) + (", ..." if len(names) > 5 else "") or "none"


def rate_remarks(
    checkpoint: Checkpoint, now: Options, schedule: Constant, steps_per_epoch: int
) -> list[str]:
    """Lines that tell the learning rate before and now, if this command's options change it.

    now       the options of this command
    schedule  of this command, with its state restored
    """
    options, step = Options.from_saved(checkpoint.options), checkpoint.training["step"]
    before = schedule_of(options, steps_per_epoch)
    before.set_state(checkpoint.training["schedule"][1])
    last, remarks = max(step - 1, 0), []
    if before.rate(last) != schedule.rate(last):
        remarks.append(
            f"learning rate: {before.rate(last):.3g} in the last step so far, "
            f"{schedule.rate(step):.3g} in the next"
        )
    if options.lr_scale != now.lr_scale:
        remarks.append(
            f"rates of layers: {options.lr_scale or 'all alike'} so far, {now.lr_scale} from now on"
        )
    return remarks
