"""The file of alexnet.pretrain: a network whose convolutions were trained as auto-encoders.

FILE.npz is a checkpoint without a training, as of a converted network. While the command works, the
convolutions that are finished lie in FILE.npz.part, with the options that their weights follow
from, so that a command that was stopped goes on and ends with the same bits.
"""

from dataclasses import replace
from pathlib import Path

from alexnet.data.names import printable
from alexnet.errors import UsageError
from alexnet.training import resuming
from alexnet.weights import checkpoint
from alexnet.weights.checkpoint import Checkpoint


def go_on(run, path: Path) -> int:
    """The number of convolutions that are finished beside this file; the run's model gets their
    weights. 0 if nothing is there. Raises UsageError if it began with other flags or data."""
    unfinished = _unfinished(path)
    if not unfinished.exists():
        return 0
    saved = checkpoint.load(unfinished)
    if saved.options != _options(run) or saved.training["lists"] != _lists(run):
        raise UsageError(
            f"{printable(unfinished)} began with other flags or data; remove it to begin anew, or "
            "choose another --out"
        )
    saved.fill(run.model)
    count = saved.training["layers"]
    print(f"resumed   {printable(unfinished)}: layers that are finished: {count}", flush=True)
    return count


def keep(run, path: Path, count: int) -> None:
    """Keep the first `count` convolutions beside the file. Raises DiskError."""
    training = {"layers": count, "lists": _lists(run)}
    _network(run, _options(run), training).save(_unfinished(path))


def write(run, path: Path) -> None:
    """Write the file, and remove what was kept beside it. Raises DiskError."""
    _network(run, {}, {}).save(path)
    _unfinished(path).unlink(missing_ok=True)


def _unfinished(path):
    return path.with_name(path.name + ".part")


def _options(run):
    """What the weights follow from: all options but the machine's."""
    machine = {"backend": "numpy", "threads": None, "workers": 0, "skip_bad_images": 0}
    return replace(run.options, cuda_graph=False, precision="float32", **machine).saved()


def _lists(run):
    return resuming.image_list(run.train_set)


def _network(run, options, training):
    return Checkpoint(
        build=run.model.build_arguments,
        classes=run.classes,
        stored_size=run.batches.stored_size,
        normalization=run.normalization,
        model=run.model.state_dict(),
        velocities=None,
        options=options,
        training=training,
        origin=f"convolutions trained as auto-encoders on {run.options.data}",
    )
