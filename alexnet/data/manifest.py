"""The manifest of a pack: what it holds, and the size and SHA-256 of each of its files.

It is written last, so a folder with a manifest holds a finished pack. It has a checksum of its own.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from alexnet.data.names import printable
from alexnet.data.pack_format import MANIFEST, UNFINISHED, PackOptions
from alexnet.errors import DataError
from tinynet.serialization import replacing

VERSION = 1
_MOST_BYTES = 1 << 28
_BLOCK = 1 << 22
_REMEDY = "copy the pack again, or make it anew by python -m alexnet.prepare"


@dataclass
class Manifest:
    """options   PackOptions
    source    the folder that was packed, its absolute path then
    classes   in label order
    splits    {split: {"images", "fingerprint", "remarks", "skipped": {path: reason}}}
    products  of the training images (PixelSums), a list of three lists; None without them
    files     {name: {"bytes", "sha256"}}
    """

    options: PackOptions
    source: str
    classes: list[str]
    splits: dict[str, dict]
    products: list[list[int]] | None
    files: dict[str, dict]

    def write(self, folder: Path) -> None:
        """Write it whole, or not at all. Raises OSError."""
        content = {"format": "alexnet pack", "version": VERSION} | asdict(self)
        content["sha256"] = _checksum(content)
        with replacing(folder / MANIFEST) as file:
            file.write((json.dumps(content, indent=1) + "\n").encode("ascii"))


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of the pack in this folder, whose files all exist and have their sizes. Raises
    DataError for a folder without one, a damaged one, and one of another version."""
    path = Path(folder, MANIFEST)
    content = _read_json(path)
    if content.get("version") != VERSION:
        raise DataError(
            f"{printable(path)} has version {content.get('version')!r}, this program reads "
            f"{VERSION}; make the pack anew by python -m alexnet.prepare"
        )
    if content.pop("sha256", None) != _checksum(content):
        raise DataError(f"{printable(path)} is damaged: its checksum does not hold; {_REMEDY}")
    del content["format"], content["version"]
    manifest = Manifest(**content | {"options": PackOptions(**content["options"])})
    for name, expected in manifest.files.items():
        _check_size(Path(folder, name), expected["bytes"])
    return manifest


def _read_json(path):
    if not path.is_file():
        if is_unfinished(path.parent):
            raise DataError(
                f"{printable(path.parent)} is a pack that is not finished; the same command of "
                "python -m alexnet.prepare again goes on with it"
            )
        raise DataError(f"{printable(path.parent)} is no pack: it has no {MANIFEST}")
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(_MOST_BYTES))
    except OSError as error:
        raise DataError(f"{printable(path)} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{printable(path)} is damaged: it is no whole JSON; {_REMEDY}") from error
    if not isinstance(content, dict) or content.get("format") != "alexnet pack":
        raise DataError(f"{printable(path)} is no manifest of a pack")
    return content


def _checksum(content):
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _check_size(path, expected):
    try:
        size = path.stat().st_size
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise DataError(f"{printable(path)} {reason}; {_REMEDY}") from error
    if size != expected:
        raise DataError(
            f"{printable(path)} has {size:,} bytes, the manifest says {expected:,}; {_REMEDY}"
        )


def is_pack(folder: str | Path) -> bool:
    """Whether this folder holds a pack, finished or not."""
    return os.path.isfile(os.path.join(folder, MANIFEST)) or is_unfinished(folder)


def is_unfinished(folder: str | Path) -> bool:
    """Whether this folder holds the work on a pack."""
    return os.path.isfile(os.path.join(folder, UNFINISHED, "plan.json"))


def need_content(folder: str | Path, name: str, content: bytes, manifest: Manifest) -> None:
    """Raise DataError if this is not the content of this file of the pack."""
    _need_digest(Path(folder, name), hashlib.sha256(content).hexdigest(), manifest)


def blocks(manifest: Manifest) -> int:
    """The number of blocks of 4 MiB that check_files reads."""
    return sum(-(-file["bytes"] // _BLOCK) for file in manifest.files.values())


def check_files(folder: str | Path, manifest: Manifest) -> Iterator[None]:
    """Read every file and compare its SHA-256; yields after each block. Raises DataError for the
    first file that differs."""
    for name in manifest.files:
        path = Path(folder, name)
        digest = hashlib.sha256()
        try:
            with open(path, "rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    yield
        except OSError as error:
            raise DataError(f"{printable(path)} cannot be read: {error.strerror}") from error
        _need_digest(path, digest.hexdigest(), manifest)


def _need_digest(path, digest, manifest):
    if digest != manifest.files[path.name]["sha256"]:
        raise DataError(
            f"{printable(path)} is damaged: its SHA-256 is not that in the manifest; {_REMEDY}"
        )
