"""Make a pack: read the images of a folder once, and write the files that pack.py reads.

Files grow at their ends, one image after another in the order of the list. Every few seconds they
are forced to the disk, and then the progress that names their lengths. A killed process loses the
images since; a second one cuts the files to those lengths and goes on. All that a pack holds is in
the order of the list or a sum of integers, so its bytes are those of an unbroken run.
"""

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from alexnet.data import list_fingerprint
from alexnet.data.file_list import Entry, entries
from alexnet.data.manifest import Manifest, read_manifest
from alexnet.data.names import printable
from alexnet.data.pack_format import LABEL, SUM, WORDS, PackOptions
from alexnet.data.packed_images import Packed, packed_images
from alexnet.data.split_files import image_name
from alexnet.data.unfinished import GO_ON, Unfinished, need_same, state_of
from alexnet.errors import DataError, DiskError, writing

SECONDS_BETWEEN_SAVES = 10
_BLOCK = 1 << 22


class Packing:
    """A pack that is being made in the folder `out`: begun, or gone on with.

    source           the folder of images, an absolute path
    options          PackOptions
    skip_bad_images  up to this many broken files of all splits are left out
    workers          threads
    Raises UsageError if `out` holds other things, or a pack of another folder or with other
    options; DataError and DiskError.

    plan, progress   alexnet/data/unfinished.py; both None if the pack is finished
    remark           what changed in the source since the pack was begun, or ""
    """

    def __init__(
        self, source: str, out: Path, options: PackOptions, *, skip_bad_images: int = 0,
        workers: int = 1,
    ):  # fmt: skip
        self.source, self.out, self.options, self.workers = source, out, options, workers
        self.skip_bad_images = skip_bad_images
        self.plan = self.progress = None
        self.remark = ""
        self._work = Unfinished(out)
        state = state_of(out)
        if state == "finished":
            manifest = read_manifest(out)
            need_same(out, (manifest.source, manifest.options), (source, options))
            self._remove_work()
            return
        self.progress = self._work.read_progress(options.size)
        if state == "new":
            self.plan = self._work.begin(source, options)
        else:
            self.plan, self.remark = self._work.resume(source, options, self.progress)
        self._streams: dict[str, _Stream] = {}
        self._saved_at = time.monotonic()

    @property
    def listed(self) -> int:
        """The number of files to pack."""
        return sum(split["listed"] for split in self.plan.splits.values())

    @property
    def done(self) -> int:
        """The number of those that are done."""
        return sum(self.progress.files.values())

    @property
    def written(self) -> int:
        """The bytes of the images that are packed."""
        images = (f".{self.options.images}",)
        return sum(size for name, size in self.progress.bytes.items() if name.endswith(images))

    def expected(self, images: int = 64) -> tuple[int, float]:
        """(bytes of the pack's images, seconds that the rest will take), from some images, evenly
        spaced, that are read for it."""
        step = max(self.listed // images, 1)
        sample = [
            entry
            for split in self.plan.splits
            for entry in entries(self._work.list(split), 0, step)
        ]
        began, size, good = time.monotonic(), 0, 0
        for packed in packed_images(sample, self.source, self.options, self.workers, sums=True):
            size += sum(len(_bytes(image)) for image in packed.images)
            good += len(packed.images)
        each = (time.monotonic() - began) / len(sample)
        return round(size / max(good, 1) * self.listed), each * (self.listed - self.done)

    def pack(self) -> Iterator[int]:
        """Do the work; yields after each file the number of files done. Raises DataError for a
        broken image that is not tolerated and for a file that changed, and DiskError; what is done
        is kept for the next run."""
        for split in self.plan.splits:
            if split not in self.progress.records:
                yield from self._pack_split(split)
                self._finish_split(split)
        self._finish()

    def _pack_split(self, split):
        progress = self.progress
        with writing(self.out, GO_ON):
            for ending in (self.options.images, *self.options.tables):
                name = f"{split}.{ending}"
                self._streams[name] = _Stream(self.out / name, progress.bytes.get(name, 0))
        start = progress.files.get(split, 0)
        for part in (progress.files, progress.images):
            part.setdefault(split, 0)
        progress.skipped.setdefault(split, {})
        packed = packed_images(
            entries(self._work.list(split), start), self.source, self.options, self.workers,
            sums=split == "train",
        )  # fmt: skip
        done = self.done
        try:
            with contextlib.closing(packed):
                for some in packed:
                    self._take(split, some)
                    for _ in range(some.files):
                        done += 1
                        yield done
                    if time.monotonic() - self._saved_at >= SECONDS_BETWEEN_SAVES:
                        self.save()
        except (DataError, OSError, MemoryError, DiskError):
            with contextlib.suppress(DiskError):  # the error before it is the one to tell
                self.save()
            raise

    def _take(self, split, packed: Packed):
        """Write some images, and count them once they are written."""
        progress, options = self.progress, self.options
        broken = sum(map(len, progress.skipped.values())) + len(packed.broken)
        if packed.broken and broken > self.skip_bad_images:
            raise DataError(
                f"{next(iter(packed.broken.values()))}; mend or remove it, or leave out up to N "
                f"such files by --skip-bad-images N; {self.done:,} files are done, and the same "
                "command goes on from there"
            )
        stream = self._streams[f"{split}.{options.images}"]
        with writing(stream.path, GO_ON):
            ends = []
            for image in packed.images:
                stream.write(_bytes(image))
                ends.append(stream.length)
            tables = {"ends": ends, "shapes": packed.shapes}
            for ending, dtype in options.tables.items():
                rows = np.array(tables[ending], dtype)
                self._streams[f"{split}.{ending}"].write(rows.tobytes())
        if packed.sums:
            progress.sums.merge(packed.sums)
        progress.skipped[split] |= packed.broken
        progress.images[split] += len(packed.images)
        progress.files[split] += packed.files
        progress.bytes |= {name: stream.length for name, stream in self._streams.items()}

    def save(self) -> None:
        """Force the files to the disk, then write the progress. Raises DiskError."""
        with writing(self.out, GO_ON):
            for stream in self._streams.values():
                stream.sync()
            self._work.write_progress(self.progress)
        self._saved_at = time.monotonic()

    # --- the end ----------------------------------------------------------------------------------

    def _finish_split(self, split):
        """Write the split's labels, paths and sums, and its record."""
        progress, plan = self.progress, self.plan
        skipped = progress.skipped[split]
        if not progress.images[split]:
            raise DataError(f"{printable(self.source)} has no image for {split}: all are broken")
        with writing(self.out, GO_ON):
            for stream in self._streams.values():
                stream.sync()
                progress.made[stream.path.name] = stream.close()
            self._streams.clear()
            labels, paths = (_Stream(self.out / f"{split}.{name}") for name in ("labels", "paths"))
            for entry in self._kept(split):
                labels.write(np.array(entry.label, LABEL).tobytes())
                paths.write(_json_line(entry.path))
            if split == "train":
                sums = _Stream(self.out / "train.sums")
                both = np.stack([progress.sums.totals, progress.sums.squares])
                sums.write(both.astype(SUM).tobytes())
                progress.made["train.sums"] = sums.close()
            for stream in (labels, paths):
                progress.made[stream.path.name] = stream.close()
            names = (image_name(plan.classes[e.label], e.folder, e.path) for e in self._kept(split))
            of_all = np.fromfile(self.out / f"{split}.labels", LABEL)
            progress.records[split] = {
                "images": progress.images[split],
                "fingerprint": list_fingerprint(plan.classes, names, of_all),
                "remarks": plan.splits[split]["remarks"],
                "skipped": skipped,
            }
        self.save()

    def _kept(self, split) -> Iterator[Entry]:
        skipped = self.progress.skipped[split]
        return (e for e in entries(self._work.list(split)) if e.path not in skipped)

    def _finish(self):
        plan, progress = self.plan, self.progress
        with writing(self.out, GO_ON):
            if plan.words:
                words = _Stream(self.out / WORDS)
                for wnid, word in plan.words.items():
                    words.write(f"{wnid}\t{word}\n".encode())
                progress.made[WORDS] = words.close()
            manifest = Manifest(
                plan.options, plan.source, plan.classes, progress.records,
                progress.sums.products.tolist() if "train" in plan.splits else None, progress.made,
            )  # fmt: skip
            manifest.write(self.out)
        self._remove_work()

    def _remove_work(self):
        shutil.rmtree(self._work.path, ignore_errors=True)


class _Stream:
    """A file that grows, and its SHA-256.

    length  bytes written, those that wait in memory included
    """

    def __init__(self, path: Path, length: int = 0):
        """Cut the file to this length. Raises DataError if it is shorter, and OSError."""
        self.path, self.length, self._digest = path, length, hashlib.sha256()
        self._waiting = bytearray()
        self._file = open(path, "r+b" if length else "wb", buffering=0)  # noqa: SIM115
        if os.fstat(self._file.fileno()).st_size < length:
            raise DataError(
                f"{printable(path)} is shorter than when the work stopped; remove "
                f"{printable(path.parent)} and begin anew"
            )
        self._file.truncate(length)
        left = length
        while left:
            block = self._file.read(min(left, _BLOCK))
            self._digest.update(block)
            left -= len(block)

    def write(self, data: bytes | memoryview) -> None:
        self._waiting += data
        self.length += len(data)
        if len(self._waiting) >= _BLOCK:
            self._flush()

    def _flush(self):
        # What cannot be written keeps waiting: progress that counts it is not saved then.
        while self._waiting:
            written = self._file.write(self._waiting)
            self._digest.update(self._waiting[:written])
            del self._waiting[:written]

    def sync(self) -> None:
        """Force what was written to the disk."""
        self._flush()
        os.fsync(self._file.fileno())

    def close(self) -> dict:
        """Its line in the manifest."""
        self.sync()
        self._file.close()
        return {"bytes": self.length, "sha256": self._digest.hexdigest()}


def _bytes(image):
    """The bytes of a JPEG, or of pixels."""
    return image if isinstance(image, bytes) else memoryview(image).cast("B")


def _json_line(text):
    return json.dumps(text).encode("ascii") + b"\n"
