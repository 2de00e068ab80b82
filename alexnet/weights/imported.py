"""From another program's file to a Checkpoint of this one.

    file --formats.read()--> FileNetwork --arranged()--> --find_fit()--> Checkpoint

A file that this program wrote tells all that a checkpoint holds. Of another file the user may have
to say how its images were prepared, because a wrong mean or range gives wrong answers and no error.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from alexnet.data.crops import stored_size as usual_stored_size
from alexnet.data.names import printable
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, UsageError
from alexnet.network.spec_row import Spec
from alexnet.network.specs import SPECS, find_spec
from alexnet.network.variants import changed
from alexnet.weights import record as records
from alexnet.weights.checkpoint import Checkpoint
from alexnet.weights.file_network import FileNetwork, arranged
from alexnet.weights.fits import find_fit, state_of

# ImageNet's mean colour, R, G, B on 0..255, as Caffe's models write it (docs/facts.md, section 4).
CAFFE_MEAN = (123.0, 117.0, 104.0)
STORED = 256  # the size of ImageNet's images when the published networks were evaluated
_RECORD_KINDS = {
    "build": records.OBJECT,
    "normalization": records.OBJECT,
    "words": records.WORDS,
}


def to_checkpoint(
    network: FileNetwork,
    path: str | Path,
    *,
    spec: str | None = None,
    changes: dict | None = None,
    image_size: int | None = None,
    channels: str | None = None,
    normalization: Normalization | None = None,
    classes: list[str] | None = None,
    words: dict[str, str] | None = None,
) -> Checkpoint:
    """The Checkpoint of a file's network.

    path       of the file, for messages and for the checkpoint's origin
    others     None: as the file tells, else as the published network of this row has it
    Raises DataError for a file that fits no row, and UsageError for what the user has to say.
    """
    record = checked_record(network.record)
    recorded = dict(record.get("build", {}))
    if record and channels == "bgr":
        raise UsageError("--channels bgr: this program wrote the file, and its images are RGB")
    network = replace(network, channels=channels or network.channels)
    arranged_network = arranged(network)
    if recorded and spec is None:
        spec, changes = recorded["spec"], records.changes_of(recorded) | (changes or {})
        image_size = image_size or recorded["image_size"]
    rows = _rows(network, spec, changes or {})
    fit = find_fit(arranged_network, rows, image_size)
    build = dict(changes or {})
    build |= {"spec": fit.spec.name, "num_classes": fit.num_classes, "image_size": fit.image_size}
    build |= {"dtype": recorded.get("dtype", "float32")}
    if classes is None:
        classes = record.get("classes") or [str(n) for n in range(fit.num_classes)]
        words = record.get("words")
        if len(classes) != fit.num_classes:
            raise DataError(
                f"its record has {len(classes):,} classes, its last layer {fit.num_classes:,}"
            )
    elif len(classes) != fit.num_classes:
        raise UsageError(
            f"--class-names: {len(classes):,} names for {fit.num_classes:,} classes of the network"
        )
    if normalization is None and record:
        normalization = recorded_normalization(record, fit.image_size)
    stored_size = _stored_size(fit.image_size)
    if recorded.get("image_size") == fit.image_size:
        stored_size = record["stored_size"]
    model = state_of(arranged_network, fit, build["dtype"])
    return Checkpoint(
        build=build,
        classes=list(classes),
        stored_size=stored_size,
        normalization=normalization or usual_normalization(fit.spec),
        model=model,
        velocities=None,
        options={},
        training={},
        words=words or {},
        origin=_origin(network, path, model),
    )


def _rows(network, spec, changes) -> list[Spec] | None:
    """The rows to compare with; None: those that find_fit takes by itself."""
    if spec is None and not changes:
        return None
    names = [spec] if spec else [network.spec] if network.spec else list(SPECS)
    rows = []
    for name in names:
        try:
            rows.append(changed(find_spec(name), **changes))
        except ValueError as error:
            if spec:
                raise UsageError(str(error)) from error
            fault = error
    if not rows:
        raise UsageError(f"no published network can be changed so: {fault}") from fault
    return rows


def checked_record(record: dict) -> dict:
    """The record of a file that this program wrote, each field of its kind; {} for a file of
    another program. Raises DataError."""
    if not record:
        return {}
    needed = ("build", "classes", "stored_size", "normalization")
    records.check_fields("its record", record, _RECORD_KINDS, needed)
    records.check_network(record)
    return record


def recorded_normalization(record: dict, image_size: int) -> Normalization:
    """The Normalization of a checked record for images of this size: a mean image of another size
    becomes its colour. Raises DataError if its numbers do not fit."""
    try:
        with np.errstate(over="ignore"):  # Normalization refuses what is not finite
            arrays = {n: np.asarray(a, np.float32) for n, a in record["normalization"].items()}
        own = Normalization.from_arrays(arrays)
        if own.mean.shape[1:] in ((1, 1), (image_size, image_size)):
            return own
        colour = own.mean.mean(axis=(1, 2), dtype=np.float64)
        return Normalization(colour.reshape(3, 1, 1), own.divisor)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"its record has no normalization that fits: {error}") from error


def usual_normalization(row: Spec) -> Normalization:
    """How the published network of this row takes its images. Raises UsageError for a row whose
    training set's mean is not published."""
    if not isinstance(row.input.mean, str):
        mean, divisor = row.input.mean, row.input.divisor
    elif row.name in ("caffe", "caffenet", "onnx-zoo"):
        mean, divisor = CAFFE_MEAN, (1.0, 1.0, 1.0)
    else:
        raise UsageError(
            f"it fits {row.name}, but does not tell how its images were prepared, and a wrong "
            "guess would give wrong answers: say --mean and --divisor, in units of 0 to 255. For "
            "pixels from 0 to 1 without a mean: --mean 0 0 0 --divisor 255 255 255"
        )
    return Normalization(*(np.reshape(three, (3, 1, 1)) for three in (mean, divisor)))


def _stored_size(image_size):
    """256 for 224 and 227, as the published networks were evaluated; else as in training here."""
    return STORED if image_size in (224, 227) else usual_stored_size(image_size)


def _origin(network, path, model):
    """Where the model's numbers come from, and what was changed in them."""
    turned = []
    if network.channels == "bgr":
        turned.append("conv1 turned from BGR to RGB")
    if network.flatten == "hwc":
        turned.append("the first fully connected layer from rows, columns, channels")
    float64 = any(a.dtype == np.float64 for x in network.weighted() for a in x.arrays.values())
    if float64 and next(iter(model.values())).dtype == np.float32:
        turned.append("numbers rounded from float64 to float32")
    return "; ".join([f"{printable(Path(path).name)}, {network.format}", *turned])
