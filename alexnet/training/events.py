"""The lines of log.jsonl as a file of events, which TensorBoard draws (--tensorboard).

    tensorboard --logdir runs

    a step    train/loss, train/top1, train/lr, train/images_per_second
    an epoch  epoch/train_loss, epoch/train_top1, validation/loss, validation/top1, validation/top5
    --watch   watch_weight/conv1, watch_ratio/conv1, ... of each figure and layer

Each process writes a file of its own. A run that was killed has written events after its last
checkpoint: the file of the process that resumes it begins with the step that it goes on from, and
TensorBoard drops what earlier files have from that step on. The lines of log.jsonl from that step
are written again. Where no earlier file is, those are all lines.

tensorboardX's SummaryWriter hands events to a thread, which a full disk ends without a word, and
then waits for it for ever. So events are written here, one by one and at once, by the class below
it: what log.jsonl has, TensorBoard has too.

Source: TensorFlow's event.proto (SessionLog) and TensorBoard's event_accumulator, which says what
is dropped.
"""

import contextlib
import time
from collections.abc import Iterator

from alexnet.errors import RUN_ELSEWHERE, UsageError, writing


def need_package() -> None:
    """Raise UsageError if tensorboardX is not installed."""
    try:
        import tensorboardX.event_file_writer  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--tensorboard writes events by tensorboardX ({error}); install it: pip install "
            "'tinynet-alexnet[tensorboard]', or pip install tensorboardX"
        ) from error


@contextlib.contextmanager
def written(folder, step: int) -> Iterator[None]:
    """Inside the block, lines that the RunFolder adds to log.jsonl are written as events too.

    step  the steps that the run has when the block begins
    """
    folder.events = Events(folder, step)
    try:
        yield
    finally:
        folder.events.close()
        folder.events = None


class Events:
    """The events of a run from one process. Arguments: as of written()."""

    def __init__(self, folder, step: int):
        # Imported here: most runs do without, and it takes a second.
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary

        self._folder, self._step, self._file = folder, step, None
        self._Writer, self._Event, self._Log = EventsWriter, Event, SessionLog
        self._Summary = Summary

    def add(self, figures: dict) -> None:
        """Write a line that log.jsonl has got. Raises DiskError."""
        with writing(self._folder.path / "events.out.tfevents.*", RUN_ELSEWHERE):
            if self._file is None:
                self._begin()  # writes the line too, which is in the log
            else:
                self._write(figures)
            self._file.flush()

    def close(self) -> None:
        """Close the file, if there is one. All lines have been flushed: an error of the disk, which
        add() has raised, is not raised again."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()

    def _begin(self):
        """Make the file: its mark, and the lines of the log from its first step on."""
        earlier = len(list(self._folder.path.glob("events.out.tfevents.*")))
        first = self._step if earlier else 0
        # Files are read in the order of their names, which begin with the second.
        self._file = self._Writer(str(self._folder.path / "events"), f".{earlier:04}")
        start = self._Log(status=self._Log.START)
        self._file.write_event(self._Event(step=first, wall_time=time.time(), session_log=start))
        for line in self._folder.lines():
            if line["step"] >= first:
                self._write(line)

    def _write(self, figures):
        values = [
            self._Summary.Value(tag=tag, simple_value=value) for tag, value in _tagged(figures)
        ]
        summary = self._Summary(value=values)
        event = self._Event(step=figures["step"], wall_time=time.time(), summary=summary)
        self._file.write_event(event)


def _tagged(figures):
    """Pairs of a tag and a number, of a line of log.jsonl."""
    is_epoch = "val_loss" in figures
    for name, value in figures.items():
        if name.startswith("val_"):
            yield f"validation/{name.removeprefix('val_')}", value
        elif name == "watch":
            for layer, numbers in value.items():
                for figure, number in numbers.items():
                    yield f"watch_{figure}/{layer}", number
        elif name not in ("epoch", "step"):
            yield f"epoch/{name}" if is_epoch else f"train/{name.removeprefix('train_')}", value
