"""What the methods of alexnet.transfer reached: a file for each, a table for all.

FOLDER/<method>/result.json    written when the method's training has ended
FOLDER/transfer.json           all methods that have ended
"""

import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich import box
from rich.table import Table

from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError, writing
from alexnet.training.options import data_folder
from alexnet.training.progress import clock
from alexnet.weights import record


@dataclass(frozen=True)
class Result:
    """What a method reached.

    method       its name
    words        DATA and flags of its alexnet.train
    parameters   the number of trained parameters
    frozen       names of layers that were not trained
    seconds      of the training's process, from its start to its end
    resumed      whether it was interrupted before, so that seconds leave out the time until then
    memory       the largest resident memory of the process, bytes
    validation   top-1 after each epoch, 0 to 1
    test         top-1 of the best epoch's network on the test images; None before it was tried
    test_images  their number; 0 if the data has none
    """

    method: str
    words: list[str]
    parameters: int
    frozen: list[str]
    seconds: float
    resumed: bool
    memory: int
    validation: list[float]
    test: float | None = None
    test_images: int = 0

    def save(self, folder: Path) -> None:
        """Write folder/<method>/result.json. Raises DiskError."""
        _write(folder / self.method / "result.json", asdict(self))


def _list_of(kind):
    words, fits = kind
    return f"a list: {words}", lambda value: isinstance(value, list) and all(map(fits, value))


_KINDS = {
    "method": record.TEXT,
    "words": _list_of(record.TEXT),
    "parameters": record.whole(1),
    "frozen": _list_of(record.TEXT),
    "seconds": record.real(0),
    "resumed": record.TRUTH,
    "memory": record.whole(0),
    "validation": (
        "a share for each epoch",
        lambda value: value != [] and _list_of(record.SHARE)[1](value),
    ),
    "test": record.optional(record.SHARE),
    "test_images": record.whole(0),
}


def new_folder(data: str) -> Path:
    """runs/transfer-<name of DATA>-<date>."""
    name = os.path.basename(os.path.normpath(data)) if data_folder(data) else "synthetic"
    return Path("runs") / f"transfer-{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def load(folder: Path, method: str, words: list[str] | None = None) -> Result | None:
    """The method's result in this folder; None if it has not ended there. Raises UsageError for a
    file that is no result, or that other words than these led to."""
    path = folder / method / "result.json"
    if not path.exists():
        return None
    try:
        values = record.parse(path.read_bytes())
        record.check_fields(
            "its record", values, {**_KINDS, "method": record.one_of([method])}, _KINDS
        )
        result = Result(**{field.name: values[field.name] for field in fields(Result)})
    except (OSError, DataError) as error:
        raise UsageError(
            f"{printable(path)} is no result of this command ({error}); remove it, or choose "
            "another --out"
        ) from error
    if words is not None and result.words != words:
        raise UsageError(
            f"{printable(path)} is the result of other flags or data; choose another --out"
        )
    return result


def save_all(folder: Path, results: list[Result]) -> None:
    """Write transfer.json. Raises DiskError."""
    _write(folder / "transfer.json", [asdict(result) for result in results])


def _write(path, content):
    new = path.with_name(f".{path.name}.new")
    with writing(path):
        new.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(new, path)


def table(results: list[Result]) -> Table:
    """A row for each result."""
    rows = Table("method", box=box.SIMPLE, padding=(0, 1))
    for heading in ("trained", "epochs", "time", "memory", "validation", "test"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        rows.add_row(
            result.method,
            f"{result.parameters:,}",
            str(len(result.validation)),
            ("over " if result.resumed else "") + clock(result.seconds),
            f"{result.memory / 1e9:.2f} GB",
            f"{max(result.validation):.1%}",
            "" if result.test is None else f"{result.test:.1%}",
        )
    return rows
