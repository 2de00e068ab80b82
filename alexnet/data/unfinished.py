"""The work on a pack that is not finished: its plan, and how far it is.

    OUT/.unfinished/plan.json       what is packed, and how: fixed at the first start
    OUT/.unfinished/train.list      the files of a split (file_list.py)
    OUT/.unfinished/progress.npz    how far the work is, and the sums so far

The progress names lengths of files that are on the disk, so that a killed process goes on from
there: what was written after it is cut off and written again.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data import SPLITS
from alexnet.data.directory import describe_left_out
from alexnet.data.file_list import first_difference, write_list
from alexnet.data.layout import Layout, NoSplit, find_layout
from alexnet.data.manifest import is_unfinished
from alexnet.data.names import printable
from alexnet.data.pack_format import MANIFEST, UNFINISHED, PackOptions
from alexnet.data.pixel_sums import PixelSums
from alexnet.data.words import words_beside
from alexnet.errors import DataError, UsageError, writing
from tinynet.serialization import replacing

GO_ON = "make room and give the same command again: it goes on where it was"


@dataclass
class Plan:
    """options  PackOptions
    source   the absolute path of the folder that is packed
    classes  in label order
    words    {class: name} of classes that are wnids
    splits   {split: {"listed": number of files, "remarks": [...]}}
    """

    options: PackOptions
    source: str
    classes: list[str]
    words: dict[str, str]
    splits: dict[str, dict]


@dataclass
class Progress:
    """files    {split: the files of its list that are done}
    images   {split: those that are images}
    bytes    {name: the length of a file of the pack}
    skipped  {split: {path: reason}}
    records  {split: its record in the manifest}, of the finished ones
    made     {name: {"bytes", "sha256"}} of finished files
    sums     of the training images
    """

    sums: PixelSums
    files: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, dict[str, str]] = field(default_factory=dict)
    records: dict[str, dict] = field(default_factory=dict)
    made: dict[str, dict] = field(default_factory=dict)


class Unfinished:
    """The folder of the work in the pack's folder `out`. Writing raises DiskError."""

    def __init__(self, out: Path):
        self.path = out / UNFINISHED
        self._plan, self._progress = self.path / "plan.json", self.path / "progress.npz"

    def list(self, split: str) -> Path:
        """The path of the list of a split's files."""
        return self.path / f"{split}.list"

    def begin(self, source: str, options: PackOptions) -> Plan:
        """List the files and write the plan. Raises DataError for a folder that cannot be read as
        images in classes."""
        layouts = _layouts(source)
        classes = list(next(iter(layouts.values())).classes)
        with writing(self.path, GO_ON):
            self.path.mkdir(exist_ok=True)
            splits = {
                split: _listed(self.list(split), layout, source, split)
                for split, layout in layouts.items()
            }
            plan = Plan(options, source, classes, words_beside(source, classes), splits)
            self._write_plan(plan)
        return plan

    def resume(self, source: str, options: PackOptions, progress: Progress) -> tuple[Plan, str]:
        """(the plan, a remark or ""): list the files again. Raises UsageError for another folder or
        other options, and DataError if a file that is done has changed."""
        plan = self.read_plan()
        need_same(self.path.parent, (plan.source, plan.options), (source, options))
        layouts = _layouts(source)
        classes = list(next(iter(layouts.values())).classes)
        if list(layouts) != list(plan.splits) or classes != plan.classes:
            raise self._changed(plan, "it has other splits or classes")
        remark = ""
        with writing(self.path, GO_ON):
            for split, layout in layouts.items():
                new = self.path / f"{split}.list.new"
                plan.splits[split] = _listed(new, layout, source, split)
                difference = first_difference(self.list(split), new)
                if difference is None:
                    continue
                number, entry = difference
                if split in progress.records or number < progress.files.get(split, 0):
                    raise self._changed(plan, f"{printable(entry.path)} came, went or changed")
                remark = (
                    f"{printable(source)} has changed since the pack was begun, for example "
                    f"{printable(entry.path)}; none of the files that are packed has"
                )
            for split in layouts:
                os.replace(self.path / f"{split}.list.new", self.list(split))
            self._write_plan(plan)
        return plan, remark

    def _changed(self, plan, what):
        return DataError(
            f"{printable(plan.source)} has changed since {printable(self.path.parent)} was begun: "
            f"{what}, where images are packed already; put it back, or pack into a new folder"
        )

    def read_plan(self) -> Plan:
        """The plan of the work so far."""
        try:
            content = json.loads(self._plan.read_bytes())
            return Plan(**content | {"options": PackOptions(**content["options"])})
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged(self._plan) from error

    def _write_plan(self, plan):
        with replacing(self._plan) as file:
            file.write(json.dumps(asdict(plan), indent=1).encode("ascii"))

    def read_progress(self, size: int) -> Progress:
        """How far the work is.  size: of the images."""
        progress = Progress(PixelSums(size))
        if not self._progress.exists():
            return progress
        try:
            arrays = tn.load(self._progress)
            record = json.loads(arrays["record"].tobytes())
            sums = progress.sums
            sums.count, sums.totals, sums.squares, sums.products = (
                record.pop("count"), arrays["totals"], arrays["squares"], arrays["products"]
            )  # fmt: skip
            return Progress(sums=sums, **record)
        except (ValueError, TypeError, KeyError) as error:
            raise self._damaged(self._progress) from error

    def write_progress(self, progress: Progress) -> None:
        """Write how far the work is, whole or not at all. Raises OSError."""
        sums = progress.sums
        record = {name: value for name, value in vars(progress).items() if name != "sums"}
        text = json.dumps(record | {"count": sums.count}).encode("ascii")
        tn.save(
            self._progress,
            {"record": np.frombuffer(text, np.uint8), "totals": sums.totals,
             "squares": sums.squares, "products": sums.products},
        )  # fmt: skip

    def _damaged(self, path):
        return DataError(f"{printable(path)} is damaged; remove {printable(path.parent.parent)}")


def state_of(out: Path) -> str:
    """ "new", "unfinished" or "finished": what the folder of a pack holds. Raises UsageError for
    a folder that holds other things."""
    if (out / MANIFEST).is_file():
        return "finished"
    if is_unfinished(out):
        return "unfinished"
    if out.is_file() or (out.is_dir() and set(os.listdir(out)) - {UNFINISHED, ".lock"}):
        raise UsageError(
            f"{printable(out)} is there and is no pack, so nothing is written into it; name a new "
            "folder"
        )
    return "new"


def need_same(out: Path, before: tuple[str, PackOptions], now: tuple[str, PackOptions]) -> None:
    """Raise UsageError if a pack was made of another folder, or with other options."""
    if before != now:
        words = [f"{options} of {printable(source)}" for source, options in (before, now)]
        raise UsageError(
            f"{printable(out)} holds a pack of {words[0]}, this command asks for {words[1]}; give "
            "the same options, or name another folder"
        )


def _layouts(source) -> dict[str, Layout]:
    """{split: its Layout} of the splits that the folder has images with classes for."""
    layouts, nothing = {}, None
    for split in SPLITS:
        try:
            layouts[split] = find_layout(source, split)
        except NoSplit as error:
            nothing = error
    if not layouts:
        raise nothing
    first = next(iter(layouts.values()))
    for split, layout in layouts.items():
        if list(layout.classes) != list(first.classes):
            raise DataError(
                f"{printable(source)} has other classes for {split} than for {next(iter(layouts))}"
            )
    return layouts


def _listed(path, layout, source, split):
    """Write a split's list; its record in the plan."""
    written = write_list(path, layout, source)
    if not written["listed"]:
        raise DataError(
            f"{printable(source)} has no images for {split}: each class needs two images or more"
        )
    left_out = describe_left_out(written["left_out"])
    remarks = [*layout.remarks, *([left_out] if left_out else [])]
    return {"listed": written["listed"], "remarks": remarks}
