"""Image folders: layouts, classes, splits, odd and broken files."""

import hashlib
import os
import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from alexnet.data import open_dataset
from alexnet.data.folder import ImageFolder, read_image
from alexnet.errors import DataError

DATA = os.environ.get("ALEXNET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")


def save(path, colour=(10, 20, 30), size=(12, 10), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def fill(folder, classes=("cat", "dog"), count=3):
    for name in classes:
        for number in range(count):
            save(folder / name / f"{name}{number}.png", (number, 100, 200))


def gradient(width, height):
    """A uint8 image (height, width, 3) in which no two pixels are equal."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 7, columns * 5, rows * 2 + columns], axis=2).astype(np.uint8)


# Layouts and classes


def test_classes_are_the_folders_sorted_as_strings(tmp_path):
    for split in ("train", "val"):
        fill(tmp_path / split, ("b", "a10", "a9", "B"))
    dataset = open_dataset(str(tmp_path), "train")
    assert dataset.classes == ["B", "a10", "a9", "b"]
    assert dataset.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert dataset.labels.dtype == np.int64 and len(dataset) == 12


@pytest.mark.parametrize("name", ["val", "validation"])
def test_validation_may_have_either_name(tmp_path, name):
    fill(tmp_path / "train")
    fill(tmp_path / name, count=2)
    assert len(ImageFolder(tmp_path, "train")) == 6
    assert len(ImageFolder(tmp_path, "val")) == 4


def test_both_validation_names_at_once_are_an_error(tmp_path):
    for name in ("train", "val", "validation"):
        fill(tmp_path / name)
    with pytest.raises(DataError, match="val/ and validation/; remove one"):
        ImageFolder(tmp_path, "val")


@pytest.mark.parametrize("split", ["train", "val"])
def test_classes_that_differ_between_train_and_val_are_named(tmp_path, split):
    fill(tmp_path / "train", ("cat", "dog", "emu"))
    fill(tmp_path / "val", ("cat", "dog", "fox"))
    with pytest.raises(DataError, match="val lacks emu; .*train lacks fox"):
        ImageFolder(tmp_path, split)


def test_a_missing_test_split_is_an_error(tmp_path):
    fill(tmp_path / "a" / "train")
    fill(tmp_path / "b")
    with pytest.raises(DataError, match="has train/ but no test/"):
        ImageFolder(tmp_path / "a", "test")
    with pytest.raises(DataError, match="no test/ folder"):
        ImageFolder(tmp_path / "b", "test")


def test_a_folder_of_classes_is_split_90_to_10_and_says_so(tmp_path):
    fill(tmp_path, count=20)
    train, val = ImageFolder(tmp_path, "train"), ImageFolder(tmp_path, "val")
    assert np.bincount(train.labels).tolist() == [18, 18]
    assert np.bincount(val.labels).tolist() == [2, 2]
    assert set(train.paths).isdisjoint(val.paths) and len({*train.paths, *val.paths}) == 40
    for dataset in (train, val):
        assert "split 90 / 10 by a hash of the file name" in dataset.description


def test_train_without_val_is_split_the_same_way(tmp_path):
    fill(tmp_path / "train", count=10)
    fill(tmp_path / "test", count=4)
    train, val = ImageFolder(tmp_path, "train"), ImageFolder(tmp_path, "val")
    assert (len(train), len(val), len(ImageFolder(tmp_path, "test"))) == (18, 2, 8)
    assert "no val/" in train.description and "no val/" in val.description


def test_the_split_depends_on_file_names_not_on_the_folder(tmp_path):
    fill(tmp_path / "here", count=30)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    names = [
        [os.path.basename(path) for path in ImageFolder(tmp_path / where, "val").paths]
        for where in ("here", "there")
    ]
    expected = []
    for kind in ("cat", "dog"):
        digests = {hashlib.sha256(f"{kind}{n}.png".encode()).hexdigest(): n for n in range(30)}
        expected += sorted(f"{kind}{digests[digest]}.png" for digest in sorted(digests)[:3])
    assert names[0] == names[1] == expected


def test_hidden_and_other_files_are_left_out_and_deeper_images_found(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    save(tmp_path / "train" / "cat" / "more" / "x.png")
    for name in (".DS_Store", "._cat0.png", "boxes.txt"):
        (tmp_path / "train" / "cat" / name).write_text("no image")
    (tmp_path / "train" / ".cache").mkdir()
    dataset = ImageFolder(tmp_path, "train")
    assert len(dataset) == 7 and dataset.classes == ["cat", "dog"]
    assert "1 files left out that are no images" in dataset.description


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda f: None, r"no class folders \(0 images"),
        (lambda f: save(f / "a.png"), r"no class folders \(1 images"),
        (lambda f: save(f / "train" / "a.png"), "no class folders in train/"),
        (lambda f: fill(f, ["cat"]), "one class folder only, cat.*did you mean"),
        (lambda f: (fill(f), (f / "emu").mkdir()), "emu holds no images"),
        (lambda f: fill(f / "val"), "has val/ but no train/"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        ImageFolder(tmp_path, "train")


def test_an_unknown_argument_lists_what_works(tmp_path):
    for argument in ("imagenet", str(tmp_path / "nowhere"), "", "cifar10"):
        with pytest.raises(DataError, match="synthetic.*cifar10:FOLDER.*FOLDER"):
            open_dataset(argument, "train")
    with pytest.raises(ValueError, match="train, val, test"):
        open_dataset("synthetic", "training")


# Images of every kind


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


# Broken files


def break_file(path):
    path.write_bytes(path.read_bytes()[:-30])


def noisy(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(path)


def test_a_broken_file_stops_with_its_path(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    noisy(tmp_path / "train" / "cat" / "cat1.png")
    break_file(tmp_path / "train" / "cat" / "cat1.png")
    dataset = ImageFolder(tmp_path, "train")
    assert len(dataset) == 6
    with pytest.raises(DataError, match=r"cat1.png cannot be read.*--skip-bad-images"):
        dataset.read(1, 8)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_files_without_an_image_are_broken_files(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match="a.jpg cannot be read as an image"):
        read_image(tmp_path / "a.jpg", 8)


def test_floating_point_pixels_are_refused_with_the_path(tmp_path):
    save(tmp_path / "a.tif", 0.5, mode="F")
    with pytest.raises(DataError, match=r"a.tif.*floats of unknown range"):
        read_image(tmp_path / "a.tif", 8)


def test_skip_bad_images_leaves_out_up_to_that_many_and_reports_them(tmp_path):
    fill(tmp_path / "train", count=4)
    fill(tmp_path / "val")
    for name in ("cat/cat1.png", "dog/dog3.png"):
        (tmp_path / "train" / name).write_bytes(b"no image")
    dataset = open_dataset(str(tmp_path), "train", skip_bad_images=2)
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert [os.path.basename(path) for path in dataset.skipped] == ["cat1.png", "dog3.png"]
    assert "2 broken left out" in dataset.description and "cat1.png" in dataset.description
    for index in range(6):
        dataset.read(index, 8)
    with pytest.raises(DataError, match=r"(?s)2 broken images, 1 tol.*cat1.*dog3.*-images 2"):
        ImageFolder(tmp_path, "train", skip_bad_images=1)


def test_a_split_of_broken_images_only_is_an_error(tmp_path):
    fill(tmp_path / "train", count=1)
    for path in (tmp_path / "train").rglob("*.png"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="no images for train"):
        ImageFolder(tmp_path, "train", skip_bad_images=9)


# Real photos


@needs_data
def test_clothing10_has_its_three_splits():
    folder = os.path.join(DATA, "clothing10")
    sets = [open_dataset(folder, split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in sets] == [1350, 341, 372]
    assert sets[0].classes == sets[1].classes == sets[2].classes
    assert sets[0].classes[0] == "dress" and sets[0].classes[-1] == "t-shirt"
    assert sets[2].read(371, 227).shape == (227, 227, 3)


@needs_data
def test_tiny_imagenet_reads_colour_and_grey():
    dataset = open_dataset(os.path.join(DATA, "tiny-imagenet-50"), "val")
    assert len(dataset) == 2500 and len(dataset.classes) == 50
    grey = 0
    for index in range(0, 2500, 5):
        image = dataset.read(index, 64)
        grey += (image == image[:, :, :1]).all()
    assert 0 < grey < 50


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
