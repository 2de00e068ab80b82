"""Every kind of pixel becomes RGB: compared with scalar loops over samples that files of our own
hold, from the PNG and TIFF specifications."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from alexnet.data import colour
from alexnet.data.images import read_image
from alexnet.errors import DataError

RANDOM = np.random.default_rng(3)
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6  # PNG's types


def write_png(path, samples, bits, kind, palette=b"", transparency=b""):
    """A PNG of samples (H, W) or (H, W, channels), each of 1 to 16 bits."""

    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    height, width = samples.shape[:2]
    rows = b""
    for row in samples.reshape(height, -1).tolist():
        digits = "".join(format(sample, f"0{bits}b") for sample in row)
        digits += "0" * (-len(digits) % 8)
        rows += b"\0" + int(digits, 2).to_bytes(len(digits) // 8, "big")
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = [chunk(b"IHDR", header)]
    chunks += [chunk(b"PLTE", palette)] if palette else []
    chunks += [chunk(b"tRNS", transparency)] if transparency else []
    chunks += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def write_tiff(path, samples, bits=None, white_is_zero=False, order="<"):
    """An uncompressed TIFF of grey samples (H, W); 12 bits are packed."""
    height, width = samples.shape
    content = samples.astype(samples.dtype.newbyteorder(order)).tobytes()
    if bits == 12:
        rows = ["".join(format(value, "012b") for value in row) for row in samples.tolist()]
        content = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in rows)
    kind = {"u": 1, "i": 2, "f": 3}[samples.dtype.kind]
    fields = {
        256: width, 257: height, 258: bits or 8 * samples.itemsize, 259: 1,
        262: int(not white_is_zero), 273: 8, 277: 1, 278: height, 279: len(content), 339: kind,
    }  # fmt: skip
    entries = b"".join(struct.pack(order + "HHII", tag, 4, 1, n) for tag, n in fields.items())
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(content))
    path.write_bytes(start + content + struct.pack(order + "H", len(fields)) + entries + bytes(4))


def assert_pixels(path, expected):
    """read_image gives expected (H, H) or (H, H, 3)."""
    expected = np.broadcast_to(np.atleast_3d(expected), (*expected.shape[:2], 3))
    np.testing.assert_array_equal(read_image(path, expected.shape[0]), expected)


def eight_bits(sample, bits):
    return sample >> 8 if bits == 16 else sample * 255 // (2**bits - 1)


def over_white(value, alpha):
    """To within 1: Pillow rounds twice."""
    return (value * alpha + 255 * (255 - alpha)) / 255


# PNG


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_of_every_depth_with_and_without_a_transparent_colour(tmp_path, bits, keyed):
    samples = RANDOM.integers(0, 2**bits, (9, 9))
    key = int(samples[2, 3])
    if bits == 16:
        samples[0, :4] = key ^ 1, key ^ 256, key, key  # differ from it in one byte only
    write_png(tmp_path / "a.png", samples, bits, GREY, b"", struct.pack(">H", key) * keyed)
    expected = np.empty((9, 9), np.uint8)
    for place in np.ndindex(9, 9):
        sample = int(samples[place])
        expected[place] = 255 if keyed and sample == key else eight_bits(sample, bits)
    assert_pixels(tmp_path / "a.png", expected)


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_rgb_of_every_depth_with_and_without_a_transparent_colour(tmp_path, bits, keyed):
    samples = RANDOM.integers(0, 2**bits, (9, 9, 3))
    key = samples[2, 3].tolist()
    samples[0, :4] = key
    samples[0, 0, 2] ^= 1
    samples[0, 1, 0] ^= 1 << (bits - 1)
    write_png(tmp_path / "a.png", samples, bits, RGB, b"", struct.pack(">3H", *key) * keyed)
    expected = np.empty((9, 9, 3), np.uint8)
    for row, column in np.ndindex(9, 9):
        pixel = samples[row, column].tolist()
        shown = [255] * 3 if keyed and pixel == key else [eight_bits(s, bits) for s in pixel]
        expected[row, column] = shown
    assert_pixels(tmp_path / "a.png", expected)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind, channels", [(GREY_ALPHA, 2), (RGB_ALPHA, 4)])
def test_alpha_of_every_depth_is_laid_over_white(tmp_path, kind, channels, bits):
    samples = RANDOM.integers(0, 2**bits, (9, 9, channels))
    samples[0, :4, -1] = 0, 2**bits - 1, 0, 2**bits - 1
    write_png(tmp_path / "a.png", samples, bits, kind)
    image = read_image(tmp_path / "a.png", 9)
    for row, column in np.ndindex(9, 9):
        *colours, alpha = (eight_bits(sample, bits) for sample in samples[row, column].tolist())
        for channel in range(3):
            value = colours[channel] if channels == 4 else colours[0]
            assert abs(image[row, column, channel] - over_white(value, alpha)) <= 1


@pytest.mark.parametrize("transparency", [b"", b"\0", b"\xff\0", b"\x00\x80\xff\x10"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_palettes_of_every_depth_with_alphas(tmp_path, bits, transparency):
    palette = RANDOM.integers(0, 256, (2**bits, 3), np.uint8)
    indices = RANDOM.integers(0, 2**bits, (9, 9))
    indices[0, :4] = range(4)
    write_png(tmp_path / "a.png", indices, bits, PALETTE, palette.tobytes(), transparency)
    image = read_image(tmp_path / "a.png", 9)
    for row, column in np.ndindex(9, 9):
        index = int(indices[row, column])
        alpha = transparency[index] if index < len(transparency) else 255
        expected = [over_white(int(value), alpha) for value in palette[index]]
        assert np.abs(image[row, column] - expected).max() <= 1


# Integers


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i4"])
def test_integers_of_a_tiff_keep_the_upper_8_of_16_bits(tmp_path, dtype, order):
    samples = RANDOM.integers(0, 1 << 15, (9, 9)).astype(dtype)
    try:
        write_tiff(tmp_path / "a.tif", samples, order=order)
        assert_pixels(tmp_path / "a.tif", (samples >> 8).astype(np.uint8))
    except DataError as error:  # Pillow reads no unsigned 32 bits in this order
        assert (dtype, order) == ("u4", ">") and "none of" in str(error)


def test_a_tiff_of_12_bits_keeps_the_upper_8(tmp_path):
    samples = RANDOM.integers(0, 1 << 12, (8, 8)).astype("u2")
    write_tiff(tmp_path / "a.tif", samples, bits=12)
    assert_pixels(tmp_path / "a.tif", (samples >> 4).astype(np.uint8))


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_a_tiff_in_which_white_is_zero_is_no_negative(tmp_path, dtype):
    samples = RANDOM.integers(0, 256 ** int(dtype[1]), (9, 9)).astype(dtype)
    write_tiff(tmp_path / "a.tif", samples, white_is_zero=True)
    expected = 255 - (samples >> (8 if dtype == "u2" else 0))
    assert_pixels(tmp_path / "a.tif", expected.astype(np.uint8))


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "i4"])
def test_integers_below_256_are_refused_unless_they_are_all_0(tmp_path, dtype):
    samples = np.arange(81).reshape(9, 9).astype(dtype)
    write_tiff(tmp_path / "a.tif", samples)
    with pytest.raises(DataError, match=r"a.tif.*below 256 \(0 to 80\).*save it with 8 bits"):
        read_image(tmp_path / "a.tif", 9)
    write_tiff(tmp_path / "a.tif", 0 * samples)
    assert_pixels(tmp_path / "a.tif", np.zeros((9, 9), np.uint8))


def test_a_dark_png_of_16_bits_is_refused_too(tmp_path):
    write_png(tmp_path / "a.png", np.full((9, 9), 255), 16, GREY)
    with pytest.raises(DataError, match="below 256"):
        read_image(tmp_path / "a.png", 9)


@pytest.mark.parametrize("dtype, value", [("i2", -1), ("i4", -5), ("i4", 1 << 16), ("u4", 1 << 20)])
def test_integers_beyond_16_bits_are_refused(tmp_path, dtype, value):
    samples = np.full((9, 9), 999, dtype)
    samples[4, 4] = value
    write_tiff(tmp_path / "a.tif", samples)
    with pytest.raises(DataError, match=r"a.tif.*do not fit 16 bits"):
        read_image(tmp_path / "a.tif", 9)


@pytest.mark.parametrize("ending", ["tif", "pfm"])
def test_floating_point_pixels_are_refused(tmp_path, ending):
    Image.new("F", (9, 9), 0.5).save(tmp_path / f"a.{ending}")
    with pytest.raises(DataError, match="floats of unknown range"):
        read_image(tmp_path / f"a.{ending}", 8)


# Other modes


@pytest.mark.parametrize(
    "mode, ending, pixel, expected",
    [
        ("1", "png", 1, (255, 255, 255)),
        ("1", "tif", 0, (0, 0, 0)),
        ("L", "bmp", 77, (77, 77, 77)),
        ("LA", "tif", (40, 255), (40, 40, 40)),
        ("LA", "tif", (40, 0), (255, 255, 255)),
        ("RGBA", "tif", (9, 8, 7, 0), (255, 255, 255)),
        ("RGBX", "tif", (9, 8, 7, 0), (9, 8, 7)),
        ("RGBA", "webp", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", "gif", (0, 0, 0, 0), (255, 255, 255)),
        ("CMYK", "tif", (0, 255, 255, 0), (255, 0, 0)),
        ("CMYK", "tif", (0, 0, 0, 51), (204, 204, 204)),
        ("CMYK", "jpg", (0, 255, 255, 0), (254, 0, 0)),
        ("YCbCr", "tif", (76, 85, 255), (254, 0, 0)),
        ("YCbCr", "jpg", (76, 85, 255), (254, 0, 0)),
        ("LAB", "tif", (255, 128, 128), (255, 255, 255)),
        ("L", "jp2", 90, (90, 90, 90)),
        ("RGBA", "jp2", (9, 8, 7, 0), (255, 255, 255)),
    ],
)
def test_other_modes_become_rgb(tmp_path, mode, ending, pixel, expected):
    Image.new(mode, (9, 9), pixel).save(tmp_path / f"a.{ending}")
    image = read_image(tmp_path / f"a.{ending}", 9)
    assert np.abs(image.astype(int) - expected).max() <= 2


@pytest.mark.parametrize("mode", ["La", "RGBa"])
def test_colours_that_are_multiplied_by_their_alpha_are_laid_over_white(mode):
    pixel = (20, 51) if mode == "La" else (20, 20, 20, 51)
    image = Image.frombytes(mode, (1, 1), bytes(pixel))
    assert abs(colour.to_rgb(image, b"").getpixel((0, 0))[0] - (20 + 204)) <= 1


@pytest.mark.parametrize(
    "mode", ["RGBA", "LA", "PA", "P", "1", "L", "CMYK", "YCbCr", "HSV", "LAB", "RGBX", "I;16"]
)
def test_tiles_have_the_pixels_of_the_whole(mode, monkeypatch, tmp_path):
    size = (29, 31)
    channels = len(Image.new(mode, (1, 1)).getbands())
    shape = (31, 29, channels)[: 2 + (channels > 1)]
    if mode == "I;16":
        image = Image.fromarray(RANDOM.integers(0, 1 << 16, shape, np.uint16))
    elif mode == "1":
        image = Image.fromarray(RANDOM.integers(0, 2, shape).astype(bool))
    else:
        image = Image.frombytes(mode, size, RANDOM.integers(0, 256, shape, np.uint8).tobytes())
    if mode in ("P", "PA"):
        image.putpalette(RANDOM.integers(0, 256, 768, np.uint8).tobytes())
    if mode == "P":
        image.info["transparency"] = RANDOM.integers(0, 256, 256, np.uint8).tobytes()
    whole = np.asarray(colour.to_rgb(image, b""))
    monkeypatch.setattr(colour, "_TILE", 10)
    np.testing.assert_array_equal(np.asarray(colour.to_rgb(image, b"")), whole)


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "lime", "blue")]
    for ending in ("gif", "png", "webp", "tif"):
        path = tmp_path / f"a.{ending}"
        options = {"lossless": True} if ending == "webp" else {}
        frames[0].save(path, save_all=True, append_images=frames[1:], **options)
        assert_pixels(path, np.full((9, 9, 3), (255, 0, 0), np.uint8))
