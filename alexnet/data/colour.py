"""Any Pillow image as RGB with 8 bits: grey, palettes, CMYK, 16 bits; white under what is
transparent.

Large images are converted in tiles, so that a conversion takes little more memory than its result.

Source: the PNG specification, sections 11.3.1 (tRNS) and 13.12 (sample depth); TIFF 6.0, sections 4
(PhotometricInterpretation) and 8 (BitsPerSample).
"""

import io

import numpy as np
from PIL import Image

_TILE = 2048  # pixels a side
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # TIFF's tags


def to_rgb(image: Image.Image, data: bytes) -> Image.Image:
    """The image in mode RGB, with its size.

    image  loaded; of any mode but floats
    data   the file that it was read from
    Of 16 bits the upper 8 are kept, of a TIFF's 12 the upper 8. Transparent pixels are laid over
    white. Raises ValueError for floats, for integers beyond 16 bits, and for integers that are all
    below 256 but not all 0: that is an 8-bit image in the wrong format, or black.
    """
    if image.mode == "F":
        raise ValueError("its pixels are floats of unknown range; save it with 8 or 16 bits")
    key = image.info.get("transparency") if image.format == "PNG" and image.mode != "P" else None
    if image.mode.startswith("I"):  # I;16 in any byte order, and I, which some decoders use
        return _in_tiles(_grey_of_16_bits, image, *_grey_range(image), key)
    if key is not None:
        bits = data[24]  # the PNG header's sample depth; a key has as many
        if image.mode == "RGB" and bits == 16:
            return _in_tiles(_keyed_of_16_bits, image, _lower_bytes(data), key)
        if image.mode == "L" and bits < 8:  # Pillow stretches 0 ... 2^bits - 1 to 0 ... 255
            image.info["transparency"] = key * 255 // (2**bits - 1)
    if image.has_transparency_data:
        return _in_tiles(_over_white, image)
    return image if image.mode == "RGB" else _in_tiles(_opaque, image)


def _in_tiles(convert, image, *arguments):
    """convert(tile, *arguments), put together to an image of the same size. An argument that is an
    image is cut into tiles too."""
    width, height = image.size
    if max(width, height) <= _TILE:
        return convert(image, *arguments)
    result = Image.new("RGB", image.size)
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            box = (left, top, min(left + _TILE, width), min(top + _TILE, height))
            tile, *others = (
                value.crop(box) if isinstance(value, Image.Image) else value
                for value in (image, *arguments)
            )
            result.paste(convert(tile, *others), box)
    return result


def _opaque(tile):
    return tile.convert("RGB")


def _over_white(tile):
    if tile.mode == "La":  # Pillow converts it to LA only
        tile = tile.convert("LA")
    white = Image.new("RGBA", tile.size, "white")
    return Image.alpha_composite(white, tile.convert("RGBA")).convert("RGB")


def _grey_range(image):
    """(shift, inverted): grey = values >> shift, from 255 down if inverted."""
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    if tags.get(_BITS_PER_SAMPLE) == (12,):
        return 4, inverted
    known = image.mode in ("I", "I;16")  # the modes whose extremes Pillow tells
    lowest, highest = (image if known else image.convert("I")).getextrema()
    if lowest < 0 or highest > 0xFFFF:
        raise ValueError(
            f"its grey values, from {lowest} to {highest}, do not fit 16 bits; save it with 8 or 16"
        )
    if 0 < highest < 256:
        raise ValueError(
            f"its grey values are all below 256 ({lowest} to {highest}), which is black in 16 "
            "bits; if they are meant to have 8, save it with 8 bits"
        )
    return 8, inverted


def _grey_of_16_bits(tile, shift, inverted, key):
    values = np.asarray(tile)
    grey = (values >> shift).astype(np.uint8)
    if inverted:
        grey = 255 - grey
    if key is not None:
        grey[values == key] = 255
    return Image.fromarray(grey).convert("RGB")


def _keyed_of_16_bits(tile, lower_bytes, key):
    upper, lower = np.array(tile), np.asarray(lower_bytes)
    transparent = ((upper == np.right_shift(key, 8)) & (lower == np.bitwise_and(key, 255))).all(2)
    upper[transparent] = 255
    return Image.fromarray(upper)


def _lower_bytes(data):
    """The lower bytes of a PNG's 16-bit RGB samples, as an image: Pillow reads the upper ones."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        image.tile = [tile._replace(args="RGB;16L") for tile in image.tile]
        image.load()
        return image
