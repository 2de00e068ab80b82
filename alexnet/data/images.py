"""Read an image file as the square of RGB pixels that a network reads.

The file is read whole before Pillow decodes it. So an error of the system (no permission, too many
open files) is told apart from a damaged image.

Memory: a file has at most MOST_BYTES, and a decoded image MOST_PIXELS. Threads decode large images
one at a time, so that many threads need little more memory than one.
"""

import contextlib
import errno
import io
import os
import stat
import threading
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from alexnet.data.colour import to_rgb
from alexnet.data.crops import resize, resize_whole
from alexnet.data.names import printable
from alexnet.errors import DataError

MOST_PIXELS = 89_478_485  # Pillow's own bound: a quarter of a GiB at 3 bytes a pixel
MOST_BYTES = 1 << 28
_LARGE = 1 << 25  # pixels
_one_large_image = threading.Lock()

# Only these: Pillow also takes nearly any bytes for a TGA, and runs Ghostscript for an EPS.
Image.init()
_FORMATS = "JPEG PNG BMP DIB GIF WEBP TIFF PPM JPEG2000 AVIF".split()
_FORMATS = [name for name in _FORMATS if name in Image.OPEN]

# Pillow's remarks, about damaged metadata for example, do not name the file, and do not change the
# pixels. The sizes of images are checked below. A filter around each call is not safe in threads.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_ORIENTATION = 0x0112  # the EXIF tag
# These turn an image of EXIF orientation 2 to 8 upright; 1 is upright, other values are invalid.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = [_TURNS[orientation] for orientation in (5, 6, 7, 8)]


def read_image(path: str | Path, size: int) -> np.ndarray:
    """uint8 (size, size, 3), RGB: an image file, its shorter side resized to `size`, the middle
    square. Of an animation, the first frame.

    The EXIF orientation turns the image upright; an invalid orientation is ignored. colour.py says
    how grey, palettes, CMYK, 16 bits and transparent pixels become RGB. JPEGs are decoded at 1/2,
    1/4 or 1/8 of their size if the result is no smaller than `size`.

    Raises DataError with the path for a file that is no image, is damaged, missing or too large.
    Raises OSError with the path for a file that the system cannot read, and MemoryError for full
    memory: those are no faults of the image.
    """
    return _read(path, size, resize)


def read_whole_image(path: str | Path, size: int) -> np.ndarray:
    """uint8 (H, W, 3): the same without the cut, the shorter side `size`. Raises DataError too for
    an image so narrow that it would have more than MOST_PIXELS."""
    return _read(path, size, resize_whole)


def _read(path, size, resized):
    data = _content(path)
    try:
        return _decode(data, size, resized)
    except Exception as error:  # a damaged file can raise nearly anything in Pillow's decoders
        if isinstance(error, MemoryError) or "out of memory" in str(error):
            raise MemoryError(f"while reading {printable(path)}") from error
        raise _unreadable(path, _reason(error)) from error


def photo_size(path: str | Path) -> tuple[int, int]:
    """(width, height) of an image file, upright, from its head: the pixels are not decoded. Raises
    DataError and OSError as read_image does."""
    if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe may never end
        raise _unreadable(path, "it is no regular file")
    try:
        with Image.open(path, formats=_FORMATS) as image:
            width, height = image.size
            turned = _turn(image) in _SIDEWAYS
    except OSError as error:
        if error.errno is not None:
            raise
        raise _unreadable(path, _reason(error)) from error
    except Exception as error:  # a damaged file can raise nearly anything in Pillow's decoders
        raise _unreadable(path, _reason(error)) from error
    return (height, width) if turned else (width, height)


def _content(path):
    """The file's bytes."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # a pipe may never end
            raise _unreadable(path, "it is no regular file")
        if status.st_size > MOST_BYTES:
            raise _unreadable(path, f"it has {status.st_size:,} bytes; {MOST_BYTES:,} fit")
        return Path(path).read_bytes()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise _unreadable(path, error.strerror) from error
        error.filename = str(path)  # an error in the middle of a file names none
        raise
    except MemoryError as error:
        raise MemoryError(f"while reading {printable(path)}") from error


def _decode(data, size, resized):
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        full = image.size
        image.draft(None, (size, size))
        # A progressive JPEG is held whole before it is scaled.
        width, height = full if "progressive" in image.info else image.size
        if width * height > MOST_PIXELS:
            raise ValueError(
                f"it has {width:,} x {height:,} pixels, at most {MOST_PIXELS:,} fit; make it "
                "smaller"
            )
        if resized is resize_whole and size**2 * max(full) > MOST_PIXELS * min(full):
            raise ValueError(
                f"of {full[0]:,} x {full[1]:,} pixels it would have more than {MOST_PIXELS:,}; cut "
                "it"
            )
        large = width * height > _LARGE
        with _one_large_image if large else contextlib.nullcontext():
            image.load()
            turn = _turn(image)
            upright = to_rgb(image, data)
            if turn is not None:
                upright = upright.transpose(turn)
            return resized(upright, size)


def _turn(image):
    try:
        orientation = image.getexif().get(_ORIENTATION)
    except Exception:  # damaged metadata can raise nearly anything; the pixels may be whole
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _reason(error):
    if isinstance(error, Image.UnidentifiedImageError):  # Pillow's message shows an address
        return f"its content is none of {', '.join(_FORMATS)}"
    if isinstance(error, Image.DecompressionBombError):
        return f"{str(error).partition(',')[0]}; make it smaller"
    return str(error)[:200] or type(error).__name__


def _unreadable(path, reason):
    return DataError(f"{printable(path)} cannot be read as an image ({printable(reason)})")
