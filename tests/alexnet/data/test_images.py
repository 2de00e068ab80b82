"""Image files of every kind, odd, large and broken ones."""

import errno
import os
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from alexnet.data import images
from alexnet.data.images import MOST_BYTES, read_image
from alexnet.errors import DataError
from tests.alexnet.data.photos import save

DATA = os.environ.get("ALEXNET_DATA")
ROOT = Path(__file__).parents[3]
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")


def gradient(width, height):
    """A uint8 image (height, width, 3) in which no two pixels are equal."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 7, columns * 5, rows * 2 + columns], axis=2).astype(np.uint8)


def test_the_shorter_side_is_resized_and_the_middle_square_kept(tmp_path):
    wide = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 120, 3), np.uint8))
    tall = wide.transpose(Image.Transpose.TRANSPOSE)
    for picture in (wide, tall):
        picture.save(tmp_path / "a.png")
        for size in (10, 20, 40, 80):
            whole = picture.resize((picture.width * size // 40, picture.height * size // 40), 2)
            left, top = (whole.width - size) // 2, (whole.height - size) // 2
            expected = np.asarray(whole, int)[top : top + size, left : left + size]
            image = read_image(tmp_path / "a.png", size)
            assert image.shape == (size, size, 3)
            assert np.abs(image - expected).max() <= 1


def test_an_image_of_the_requested_size_keeps_its_pixels(tmp_path):
    array = gradient(21, 21)
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 21), array)


def test_grey_palette_cmyk_and_sixteen_bits_become_rgb(tmp_path):
    save(tmp_path / "grey.png", 77, mode="L")
    save(tmp_path / "bit.png", 1, mode="1")
    Image.new("RGB", (9, 9), (200, 10, 30)).quantize(4).save(tmp_path / "palette.gif")
    save(tmp_path / "cmyk.jpg", (0, 255, 255, 0), mode="CMYK", quality=95)
    grey16 = np.full((9, 11), 0x4D12, np.uint16)
    Image.fromarray(grey16).save(tmp_path / "grey16.png")
    Image.fromarray(grey16).save(tmp_path / "grey16.tif")
    (tmp_path / "grey16.pgm").write_bytes(b"P5 11 9 65535\n" + grey16.astype(">u2").tobytes())
    expected = {
        "grey.png": (77, 77, 77),
        "bit.png": (255, 255, 255),
        "palette.gif": (200, 10, 30),
        "cmyk.jpg": (255, 0, 0),
        "grey16.png": (77, 77, 77),
        "grey16.tif": (77, 77, 77),
        "grey16.pgm": (77, 77, 77),
    }
    for name, colour in expected.items():
        image = read_image(tmp_path / name, 5)
        assert image.shape == (5, 5, 3) and image.dtype == np.uint8
        np.testing.assert_allclose(image[2, 2], colour, atol=2, err_msg=name)


@pytest.mark.parametrize(
    "mode, colour, expected",
    [
        ("RGBA", (255, 0, 0, 0), 255),
        ("LA", (0, 0), 255),
        ("RGBA", (0, 0, 0, 51), 204),
        ("RGBA", (9, 9, 9, 255), 9),
    ],
)
def test_transparent_pixels_are_laid_over_white(tmp_path, mode, colour, expected):
    save(tmp_path / "a.png", colour, mode=mode)
    assert (read_image(tmp_path / "a.png", 5) == expected).all()


def test_a_transparent_palette_colour_is_white(tmp_path):
    save(tmp_path / "a.gif", 3, mode="P", transparency=3)
    assert (read_image(tmp_path / "a.gif", 5) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_exif_turns_are_applied(tmp_path, orientation, ending):
    picture = Image.fromarray(gradient(16, 24))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    picture.save(path, exif=exif)
    with Image.open(path) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    height, width = upright.shape[:2]
    top, left = (height - 16) // 2, (width - 16) // 2
    np.testing.assert_array_equal(read_image(path, 16), upright[top : top + 16, left : left + 16])


@pytest.mark.parametrize("orientation", [0, 9, 6000])
def test_an_invalid_exif_orientation_is_ignored(tmp_path, orientation):
    array = gradient(16, 16)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 16), array)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_beside_whole_pixels_is_ignored(tmp_path):
    array = gradient(16, 16)
    Image.fromarray(array).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", 16), array)


def test_a_large_jpeg_is_decoded_smaller_but_never_below_the_requested_size(tmp_path, monkeypatch):
    sizes = []
    load = Image.Image.resize

    def spy(image, *args, **options):
        sizes.append(image.size)
        return load(image, *args, **options)

    Image.fromarray(gradient(200, 160)).save(tmp_path / "a.jpg")
    monkeypatch.setattr(Image.Image, "resize", spy)
    for size, decoded in ((20, (25, 20)), (21, (50, 40)), (81, (200, 160)), (300, (200, 160))):
        sizes.clear()
        assert read_image(tmp_path / "a.jpg", size).shape == (size, size, 3)
        assert sizes == [decoded]


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_files_without_an_image_are_broken_files(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match="a.jpg cannot be read as an image"):
        read_image(tmp_path / "a.jpg", 8)


def test_floating_point_pixels_are_refused_with_the_path(tmp_path):
    save(tmp_path / "a.tif", 0.5, mode="F")
    with pytest.raises(DataError, match=r"a.tif.*floats of unknown range"):
        read_image(tmp_path / "a.tif", 8)


@needs_data
def test_the_odd_originals_of_the_imagenet_sample_are_read():
    originals = os.path.join(DATA, "imagenet-sample", "originals")
    names = os.listdir(originals)
    assert {name.split("_")[0] for name in names} >= {"n01728572", "n02815834", "n04238763"}
    for name in names:
        path = os.path.join(originals, name)
        image = read_image(path, 100)
        with Image.open(path) as raw:  # none is turned: orientation 0 is invalid
            side = min(raw.size)
            left, top = (raw.width - side) // 2, (raw.height - side) // 2
            square = raw.convert("RGB").crop((left, top, left + side, top + side))
        plain = np.asarray(square.resize((100, 100), Image.Resampling.BILINEAR), float)
        assert np.abs(image - plain).mean() < 8, name  # scaled decoding is a little sharper
    beaker = read_image(os.path.join(originals, "n02815834_beaker.JPEG"), 50)
    np.testing.assert_array_equal(beaker[..., 0], beaker[..., 2])


# Faults of the system, large images, other files


@pytest.mark.parametrize("code", ["EACCES", "EMFILE", "ENFILE", "EIO", "ENOMEM"])
def test_an_error_of_the_system_is_no_broken_image(tmp_path, monkeypatch, code):
    save(tmp_path / "a.png")

    def refuse(path):
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(OSError) as raised:
        read_image(tmp_path / "a.png", 8)
    assert raised.value.errno == getattr(errno, code)
    assert raised.value.filename == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("out of memory error when reading image file")]
)
def test_full_memory_is_no_broken_image_and_names_the_file(tmp_path, monkeypatch, error):
    save(tmp_path / "a\n.png")

    def fail(*_):
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(MemoryError, match=r"while reading .*a\\n.png"):
        read_image(tmp_path / "a\n.png", 8)


def test_a_missing_file_and_a_link_to_itself_are_named(tmp_path):
    os.symlink("loop.png", tmp_path / "loop.png")
    for name, reason in (("x.png", "No such file"), ("loop.png", "Too many levels")):
        with pytest.raises(DataError, match=f"{name} cannot be read as an image .{reason}"):
            read_image(tmp_path / name, 8)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda p: os.symlink("/dev/zero", p)])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, make):
    make(tmp_path / "x.jpg")
    with pytest.raises(DataError, match=r"x.jpg cannot be read .*no regular file"):
        read_image(tmp_path / "x.jpg", 8)


def test_the_first_of_two_pictures_of_a_stereo_camera_is_read(tmp_path):
    first, second = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert np.abs(read_image(tmp_path / "a.jpg", 16) - np.array([254, 0, 0])).max() <= 1


def test_the_content_decides_not_the_ending(tmp_path):
    save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", tmp_path / "a.jpg")
    assert (read_image(tmp_path / "a.jpg", 8) == (10, 20, 30)).all()


@pytest.mark.parametrize("ending", ["eps", "tga", "ico", "pcx"])
def test_formats_that_no_ending_names_are_refused(tmp_path, ending):
    """A TGA has no signature, and an EPS would start another program."""
    save(tmp_path / f"a.{ending}")
    os.rename(tmp_path / f"a.{ending}", tmp_path / "a.jpg")
    with pytest.raises(DataError, match="a.jpg .*content is none of JPEG, PNG, BMP"):
        read_image(tmp_path / "a.jpg", 8)


def test_a_file_of_too_many_bytes_is_refused_unread(tmp_path):
    with open(tmp_path / "a.jpg", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(DataError, match=r"it has 268,435,457 bytes; 268,435,456 fit"):
        read_image(tmp_path / "a.jpg", 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "size, message",
    [
        ((9_500, 9_500), r"it has 9,500 x 9,500 pixels, at most 89,478,485 fit"),
        ((15_000, 15_000), r"225000000 pixels"),
    ],
)
def test_too_many_pixels_are_refused_in_words(tmp_path, size, message):
    save(tmp_path / "a.bmp")
    content = bytearray((tmp_path / "a.bmp").read_bytes())
    struct.pack_into("<2i", content, 18, *size)
    (tmp_path / "a.bmp").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.bmp cannot be read .*{message}.*make it smaller"):
        read_image(tmp_path / "a.bmp", 8)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_large_jpeg_counts_as_it_is_decoded(tmp_path):
    Image.new("L", (12_000, 9_000), 50).save(tmp_path / "a.jpg")  # a telephone's 108 megapixels
    assert (read_image(tmp_path / "a.jpg", 200) == 50).all()
    with pytest.raises(DataError, match="12,000 x 9,000 pixels"):
        read_image(tmp_path / "a.jpg", 5_000)


def test_large_images_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_LARGE", 1_000)
    together, most, lock = 0, {}, threading.Lock()

    def slow(image, data):
        nonlocal together
        with lock:
            together += 1
            most[image.size] = max(most.get(image.size, 0), together)
        time.sleep(0.05)
        with lock:
            together -= 1
        return image

    monkeypatch.setattr(images, "to_rgb", slow)
    for size in (20, 40):
        save(tmp_path / f"{size}.png", size=(size, size))
        with ThreadPoolExecutor(4) as threads:
            list(
                threads.map(lambda _, size=size: read_image(tmp_path / f"{size}.png", 8), range(4))
            )
    assert most[40, 40] == 1 < most[20, 20]


def test_no_warning_of_pillow_is_shown(tmp_path):
    """A palette with alphas, damaged metadata, a bomb of 90 million pixels: all remain silent."""
    palette = Image.new("P", (9, 9))
    palette.putpalette(bytes(768))
    palette.save(tmp_path / "palette.png", transparency=bytes(range(256)))
    Image.new("RGB", (9, 9)).save(tmp_path / "exif.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    Image.new("1", (9_500, 9_500)).save(tmp_path / "bomb.png")
    (tmp_path / "none.tif").write_bytes(b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0\x01\0\0\0")
    program = f"""if True:
        import pathlib
        from alexnet.data.images import read_image
        for path in sorted(pathlib.Path({str(tmp_path)!r}).iterdir()):
            try:
                read_image(path, 8)
                print(path.name)
            except ValueError:
                pass
    """
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout == "exif.jpg\npalette.png\n"


def test_a_small_file_takes_bounded_memory(tmp_path):
    """A palette PNG of 25 million transparent pixels takes less than 8 bytes a pixel."""
    picture = Image.new("P", (5_000, 5_000))
    picture.save(tmp_path / "a.png", transparency=bytes([128] * 256))
    assert (tmp_path / "a.png").stat().st_size < 200_000
    program = f"""if True:
        from alexnet.data.images import read_image
        from tests.alexnet.data.memory import peak_bytes
        before = peak_bytes()
        assert (read_image({str(tmp_path / "a.png")!r}, 256) == 127).all()
        print(peak_bytes() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8 * 5_000**2
