"""How a pack stores images: its options, the names of its files, a JPEG's way to bytes and back.

alexnet-pack.json   the manifest (manifest.py)
words.txt           names of classes that are wnids, if the source has them
train.pixels        uint8 (N, S, S, 3), the images one after another; or
train.jpegs         JPEG files one after another
train.labels        int64 (N,)
train.ends          int64 (N,), where each image ends in that file, if their bytes differ
train.shapes        int32 (N, 2), rows and columns, if these differ
train.paths         a line for each image, its path in the source as a JSON string
train.sums          int64 (2, 3, S, S), of the pixels and of their squares (pixel_sums.py)

val.* and test.* likewise, without sums. Numbers are little-endian, without a header.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

MANIFEST = "alexnet-pack.json"
UNFINISHED = ".unfinished"  # the folder of a pack that is still being made
WORDS = "words.txt"
LABEL, END, SHAPE = np.dtype("<i8"), np.dtype("<i8"), np.dtype("<i4")
SUM = np.dtype("<i8")


@dataclass(frozen=True)
class PackOptions:
    """size         pixels of the shorter side
    jpeg         the JPEG quality, 1 to 95; None: raw pixels
    keep_aspect  the whole image is stored, not its middle square
    """

    size: int = 256
    jpeg: int | None = None
    keep_aspect: bool = False

    def __str__(self):
        kind = "raw pixels" if self.jpeg is None else f"JPEG of quality {self.jpeg}"
        if self.keep_aspect:
            return f"{kind}, whole images, shorter side {self.size}"
        return f"{kind}, {self.size} x {self.size}"

    @property
    def images(self) -> str:
        """The ending of the file of images."""
        return "pixels" if self.jpeg is None else "jpegs"

    @property
    def image_bytes(self) -> int | None:
        """The bytes of each image, None if they differ."""
        return None if self.jpeg or self.keep_aspect else 3 * self.size**2

    @property
    def tables(self) -> dict[str, np.dtype]:
        """{ending: dtype} of the files that tell where each image ends and its shape."""
        if self.image_bytes:
            return {}
        return {"ends": END} if self.jpeg else {"ends": END, "shapes": SHAPE}


def to_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    """A JPEG file.  pixels: uint8 (H, W, 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def from_jpeg(data: bytes) -> np.ndarray:
    """uint8 (H, W, 3). Raises nearly any exception for a damaged file."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return np.array(image.convert("RGB"))
