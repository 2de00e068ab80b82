"""A pack as a dataset: the images, labels and sums of the folder that it was made of."""

import os
import threading

import numpy as np
import pytest

from alexnet.data import fingerprint, open_dataset
from alexnet.data.folder import ImageFolder
from alexnet.data.images import read_whole_image
from alexnet.data.loader import Loader
from alexnet.data.normalization import normalization_of
from alexnet.data.pack import Pack
from alexnet.data.pixel_sums import sums_of
from alexnet.errors import DataError
from tests.alexnet.data.packs import make_pack, make_photos


@pytest.fixture(scope="module")
def raw(source, tmp_path_factory):
    return make_pack(source, tmp_path_factory.mktemp("packs") / "raw")


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    return make_pack(source, tmp_path_factory.mktemp("packs") / "whole", keep_aspect=True)


@pytest.fixture(scope="module")
def jpeg(source, tmp_path_factory):
    return make_pack(source, tmp_path_factory.mktemp("packs") / "jpeg", jpeg=90)


@pytest.fixture(scope="module")
def whole_jpeg(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("packs") / "whole-jpeg"
    return make_pack(source, path, jpeg=90, keep_aspect=True)


@pytest.mark.parametrize("split", ["train", "val"])
def test_raw_images_are_those_of_the_folder(source, raw, split):
    folder, pack = ImageFolder(source, split), open_dataset(str(raw), split)
    assert isinstance(pack, Pack) and len(pack) == len(folder) and pack.native_size == 12
    assert pack.classes == folder.classes and list(pack.paths) == folder.paths
    np.testing.assert_array_equal(pack.labels, folder.labels)
    assert pack.labels.dtype == np.int64
    for index in range(len(pack)):
        np.testing.assert_array_equal(pack.read(index, 12), folder.read(index, 12))
    assert pack.paths[-1] == folder.paths[-1]
    with pytest.raises(IndexError):
        pack.paths[len(pack)]


def test_validation_that_is_split_off_is_that_of_the_folder(tmp_path):
    make_photos(tmp_path / "photos", counts=(("", 11),))
    out = make_pack(tmp_path / "photos", tmp_path / "out")
    for split in ("train", "val"):
        folder, pack = ImageFolder(tmp_path / "photos", split), Pack(out, split)
        assert list(pack.paths) == folder.paths and fingerprint(pack) == fingerprint(folder)
        assert "split 90 / 10 by a hash of the file name" in pack.description


def test_validation_images_that_lie_together_are_packed(tmp_path):
    source = make_photos(tmp_path / "photos", counts=(("train", 2), ("val", 2)))
    val = tmp_path / "photos" / "val"
    for name in ("cat", "dog"):
        for number in (0, 1):
            os.rename(val / name / f"{number}.png", val / f"{number}{name}.png")
        (val / name).rmdir()
    lines = [f"{file.name}\t{file.stem[1:]}\n" for file in val.iterdir()]
    (val / "val_annotations.txt").write_text("".join(lines))
    folder, pack = ImageFolder(source, "val"), Pack(make_pack(source, tmp_path / "out"), "val")
    assert pack.labels.tolist() == [0, 0, 1, 1] and list(pack.paths) == folder.paths
    assert fingerprint(pack) == fingerprint(folder)
    np.testing.assert_array_equal(pack.read(2, 12), folder.read(2, 12))


def test_a_pack_has_the_fingerprint_of_its_folder_without_reading_paths(source, raw):
    pack = open_dataset(str(raw), "train")
    assert fingerprint(pack) == fingerprint(ImageFolder(source, "train"))
    assert not hasattr(pack, "names") and "_lines" not in vars(pack.paths)


@pytest.mark.parametrize("size", [5, 12, 20])
@pytest.mark.parametrize("kind", ["raw", "whole", "jpeg", "whole_jpeg"])
def test_a_batch_is_its_images_at_any_size(request, kind, size):
    pack = Pack(request.getfixturevalue(kind), "train")
    indices = np.array([5, 0, 13, 5])
    batch = pack.read_batch(indices, size)
    assert batch.dtype == np.uint8 and batch.shape == (4, size, size, 3)
    for image, index in zip(batch, indices, strict=True):
        np.testing.assert_array_equal(image, pack.read(int(index), size))
    pack.read(0, size)[...] = 0  # a copy: the pack stays
    np.testing.assert_array_equal(pack.read(5, size), batch[0])
    for wrong in (-1, 14):
        with pytest.raises(IndexError, match="from 0 to 13"):
            pack.read(wrong, size)


def test_whole_images_keep_their_aspect(source, whole, whole_jpeg):
    pack, folder = Pack(whole, "train"), ImageFolder(source, "train")
    assert pack.native_size is None and Pack(whole_jpeg, "train").native_size is None
    shapes = set()
    for index, path in enumerate(folder.paths):
        pixels = pack.read_whole(index)
        np.testing.assert_array_equal(pixels, read_whole_image(path, 12))
        height, width, _ = pixels.shape
        assert min(height, width) == 12
        top, left = (height - 12) // 2, (width - 12) // 2
        middle = pixels[top : top + 12, left : left + 12]
        np.testing.assert_array_equal(pack.read(index, 12), middle)
        assert Pack(whole_jpeg, "train").read_whole(index).shape == pixels.shape
        shapes.add((height > 12, width > 12))
    assert (True, False) in shapes and (False, True) in shapes


def test_jpegs_are_close_to_the_images(source, raw, jpeg):
    lossy, exact = Pack(jpeg, "val"), Pack(raw, "val")
    indices = np.arange(len(exact))
    difference = lossy.read_batch(indices, 12).astype(int) - exact.read_batch(indices, 12)
    assert 0 < np.abs(difference).mean() < 40  # random pixels are the worst for a JPEG


@pytest.mark.parametrize("kind", ["raw", "whole", "jpeg", "whole_jpeg"])
def test_mean_image_and_covariance_are_those_of_all_training_images(request, kind):
    pack = Pack(request.getfixturevalue(kind), "train")
    images = np.stack([pack.read(index, 12) for index in range(len(pack))]).astype(np.float64)
    sums = pack.pixel_sums
    assert sums.mean_image.dtype == sums.covariance.dtype == np.float64
    np.testing.assert_allclose(sums.mean_image, images.mean(0).transpose(2, 0, 1), rtol=1e-14)
    expected = np.cov(images.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(sums.covariance, expected, rtol=1e-10)
    assert Pack(request.getfixturevalue(kind), "val").pixel_sums is None


@pytest.mark.parametrize("kind", ["raw", "jpeg", "whole"])
def test_the_sums_of_a_pack_are_those_of_reading_its_images(request, kind):
    pack = Pack(request.getfixturevalue(kind), "train")
    known = sums_of(pack, 12)
    pack.pixel_sums = None
    measured = sums_of(pack, 12)
    for name in ("count", "totals", "squares", "products"):
        np.testing.assert_array_equal(getattr(known, name), getattr(measured, name))


def test_normalization_with_known_sums_reads_no_image(raw, monkeypatch):
    pack = Pack(raw, "train")
    monkeypatch.setattr(pack, "read_batch", None)
    normalization_of(sums_of(pack, 12), 9, divide=True)
    with pytest.raises(TypeError):  # the images are read at another size
        sums_of(pack, 10)


def test_threads_read_the_same_images(raw, jpeg):
    for folder in (raw, jpeg):
        pack, wrong = Pack(folder, "train"), []
        expected = [pack.read(index, 12) for index in range(len(pack))]

        def read_all(pack=pack, expected=expected, wrong=wrong):
            for index in np.random.default_rng().permutation(len(pack)).tolist() * 5:
                if (pack.read(index, 12) != expected[index]).any():
                    wrong.append(index)

        threads = [threading.Thread(target=read_all) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_the_file_is_mapped_read_only(raw):
    image = Pack(raw, "train").read_whole(0)
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0, 0] = 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_reads_too(raw):
    pack = Pack(raw, "train")
    expected = pack.read(3, 12)
    child = os.fork()
    if child == 0:
        os._exit(0 if (pack.read(3, 12) == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_loaders_batches_are_those_of_the_folder(source, raw):
    sets = (ImageFolder(source, "train"), Pack(raw, "train"))
    loaders = [
        Loader(each, 4, 9, augment="crop", shuffle=True, stored_size=12, workers=2) for each in sets
    ]
    pairs = list(zip(*(loader.epoch(1) for loader in loaders), strict=True))
    assert len(pairs) == 4
    for (images, labels), (packed, packed_labels) in pairs:
        np.testing.assert_array_equal(images, packed)
        np.testing.assert_array_equal(labels, packed_labels)


def test_a_split_that_the_pack_lacks_is_an_error(raw, source):
    with pytest.raises(DataError, match=f"pack of train, val, without test images: {source} had"):
        open_dataset(str(raw), "test")


def test_a_pack_can_move(raw, tmp_path):
    moved = tmp_path / "elsewhere"
    raw.rename(moved)
    try:
        assert len(Pack(moved, "train")) == 14
    finally:
        moved.rename(raw)
