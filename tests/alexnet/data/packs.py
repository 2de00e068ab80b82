"""Small folders of photos, and packs of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import packing
from alexnet.data.pack_format import PackOptions
from alexnet.data.packing import Packing

KINDS = [{}, {"jpeg": 80}, {"keep_aspect": True}, {"jpeg": 80, "keep_aspect": True}]


def make_photos(folder, counts=(("train", 7), ("val", 3)), classes=("cat", "dog")) -> str:
    """folder/<split>/<class>/<number>.png of random pixels and sizes; the path as text."""
    draw = np.random.default_rng(7)
    for split, count in counts:
        for name in classes:
            place = Path(folder, split, name)
            place.mkdir(parents=True)
            for number in range(count):
                shape = (*draw.integers(9, 30, 2), 3)
                pixels = draw.integers(0, 256, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return str(folder)


def begin(source, out, **options) -> Packing:
    """A Packing, its folder made."""
    skip = options.pop("skip_bad_images", 0)
    Path(out).mkdir(parents=True, exist_ok=True)
    return Packing(
        str(source), Path(out), PackOptions(**{"size": 12} | options), skip_bad_images=skip,
        workers=2,
    )  # fmt: skip


def make_pack(source, out, **options):
    """A whole pack; its path."""
    for _ in begin(source, out, **options).pack():
        pass
    return Path(out)


def contents(folder) -> dict[str, bytes]:
    """{name: bytes} of all files in a folder, at any depth."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def killed_after(steps, source, out, saved_every, **options):
    """Begin or go on with a pack and leave it after some files, as a killed process does."""
    with pytest.MonkeyPatch.context() as patch:
        if saved_every:  # else never within the time of a test
            patch.setattr(packing, "SECONDS_BETWEEN_SAVES", 0)
        work = begin(source, out, **options)
        if work.plan is None:
            return
        for done in work.pack():
            if done == steps:
                break
