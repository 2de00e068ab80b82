"""What the methods of alexnet.transfer reached: a file for each, a table and a picture for all.

FOLDER/<method>/result.json    written when the method has ended
FOLDER/transfer.json, .png     of all methods that have
"""

import json
import os
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rich import box
from rich.table import Table

from alexnet.data.names import printable
from alexnet.errors import UsageError, writing
from alexnet.training.progress import clock


@dataclass(frozen=True)
class Result:
    """What a method reached.

    method         its name
    trained        the layers that it trained, in words
    parameters     the number of their parameters
    epochs         finished ones
    seconds        from the start of its process to the end of its training
    memory         the largest resident memory of its process, bytes
    first_seconds  of these, before the first epoch: features are computed then
    validation     top-1 after each epoch, 0 to 1
    test           top-1 of the best epoch's network on the test images; None without such images
    test_images    their number
    resumed        whether it was interrupted before, so that seconds leave out the time until then
    settings       everything that the result depends on: two results of a folder must agree
    """

    method: str
    trained: str
    parameters: int
    epochs: int
    seconds: float
    memory: int
    first_seconds: float
    validation: list[float]
    test: float | None
    test_images: int
    resumed: bool
    settings: dict

    def save(self, folder: Path) -> None:
        """Write folder/<method>/result.json. Raises DiskError."""
        path = folder / self.method / "result.json"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def new_folder(name: str) -> Path:
    """runs/transfer-<name>-<date>."""
    return Path("runs") / f"transfer-{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def load(folder: Path, method: str) -> Result | None:
    """The method's result in this folder, or None if it has not ended there. Raises UsageError for
    a file that is no result."""
    path = folder / method / "result.json"
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_bytes())
        result = Result(**{field.name: values[field.name] for field in fields(Result)})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{printable(path)} is no result of this command ({error}); remove it, or choose "
            "another --out"
        ) from error
    return result


def table(results: list[Result]) -> Table:
    """A row for each result."""
    rows = Table("method", "trained", box=box.SIMPLE, padding=(0, 1))
    for heading in ("parameters", "epochs", "time", "memory", "validation", "test"):
        rows.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        rows.add_row(
            result.method,
            result.trained,
            f"{result.parameters:,}",
            str(result.epochs),
            ("over " if result.resumed else "") + clock(result.seconds),
            f"{result.memory / 1e9:.2f} GB",
            f"{max(result.validation):.1%}",
            "no images" if result.test is None else f"{result.test:.1%}",
        )
    return rows


def save_all(folder: Path, results: list[Result]) -> None:
    """Write transfer.json. Raises DiskError."""
    path = folder / "transfer.json"
    new = path.with_name(f".{path.name}.new")
    with writing(path):
        new.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
        os.replace(new, path)
