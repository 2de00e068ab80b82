"""CIFAR-10 from small files of the official layouts, and from the official files themselves."""

import os
import pickle

import numpy as np
import pytest

from alexnet.data import cifar10, open_dataset
from alexnet.data.cifar10 import Cifar10
from alexnet.errors import DataError

IMAGES = 20  # a file
DATA = os.environ.get("ALEXNET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ALEXNET_DATA is not set")


@pytest.fixture
def batches(monkeypatch):
    """(pixels, labels) for each of six files; the reader then expects files of twenty images."""
    monkeypatch.setattr(cifar10, "IMAGES_A_FILE", IMAGES)
    monkeypatch.setattr(cifar10, "VALIDATION_IMAGES", 5)
    generator = np.random.default_rng(0)
    names = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch"]
    return {
        name: (
            generator.integers(0, 256, (IMAGES, 3072), np.uint8),
            generator.integers(0, 10, IMAGES),
        )
        for name in names
    }


def write_binary(folder, batches):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in batches.items():
        records = np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def write_pickles(folder, batches, protocol=2, keys=(b"data", b"labels")):
    folder.mkdir(parents=True, exist_ok=True)
    for name, (pixels, labels) in batches.items():
        content = {keys[0]: pixels, keys[1]: labels.tolist(), b"batch_label": b"testing batch"}
        (folder / name).write_bytes(pickle.dumps(content, protocol))


def test_planes_become_red_green_blue_of_each_pixel(tmp_path, batches):
    write_binary(tmp_path, batches)
    pixels, labels = batches["test_batch"]
    dataset = Cifar10(tmp_path, "test")
    image = dataset.read(7, 32)
    for row, column, channel in [(0, 0, 0), (0, 31, 1), (31, 0, 2), (5, 9, 1)]:
        assert image[row, column, channel] == pixels[7, channel * 1024 + row * 32 + column]
    assert dataset.labels[7] == labels[7] and dataset.labels.dtype == np.int64


def test_validation_is_the_last_images_of_the_training_files(tmp_path, batches):
    write_binary(tmp_path, batches)
    train, val = Cifar10(tmp_path, "train"), Cifar10(tmp_path, "val")
    all_labels = np.concatenate([batches[f"data_batch_{n}"][1] for n in range(1, 6)])
    assert len(train) == 95 and len(val) == 5
    np.testing.assert_array_equal(train.labels, all_labels[:95])
    np.testing.assert_array_equal(val.labels, all_labels[95:])
    last = batches["data_batch_5"][0][15].reshape(3, 32, 32).transpose(1, 2, 0)
    np.testing.assert_array_equal(val.read(0, 32), last)


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_hold_what_the_binary_files_hold(tmp_path, batches, protocol):
    write_binary(tmp_path / "bin", batches)
    write_pickles(tmp_path / "py", batches, protocol)
    for split in ("train", "test"):
        binary, pickled = Cifar10(tmp_path / "bin", split), Cifar10(tmp_path / "py", split)
        np.testing.assert_array_equal(binary.images, pickled.images)
        np.testing.assert_array_equal(binary.labels, pickled.labels)


def test_a_pickle_with_str_keys_is_read_too(tmp_path, batches):
    write_pickles(tmp_path, batches, 4, keys=("data", "labels"))
    assert len(Cifar10(tmp_path, "test")) == IMAGES


@pytest.mark.parametrize("inside", ["cifar-10-batches-bin", "cifar-10-batches-py"])
def test_the_parent_folder_works_like_the_folder(tmp_path, batches, inside):
    write = write_binary if inside.endswith("bin") else write_pickles
    write(tmp_path / inside, batches)
    parent, itself = Cifar10(tmp_path, "test"), Cifar10(tmp_path / inside, "test")
    np.testing.assert_array_equal(parent.images, itself.images)


class _Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_calls_a_function_is_refused_and_nothing_is_called(
    tmp_path, batches, protocol
):
    write_pickles(tmp_path, batches)
    victim = tmp_path / "made_by_the_pickle"
    content = {b"data": _Call(os.mkdir, str(victim)), b"labels": []}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol))
    with pytest.raises(DataError, match=r"test_batch is not a CIFAR-10 file.*mkdir"):
        Cifar10(tmp_path, "test")
    assert not victim.exists()


@pytest.mark.parametrize("content", [b"version https://git-lfs", b"", pickle.dumps([1, 2])])
def test_a_file_that_is_not_a_batch_is_an_error_that_names_it(tmp_path, batches, content):
    write_pickles(tmp_path, batches)
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch"):
        Cifar10(tmp_path, "test")


def test_a_binary_file_of_wrong_size_is_an_error_that_names_it(tmp_path, batches):
    write_binary(tmp_path, batches)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"data_batch_3.bin has 61,459 bytes.*61,460"):
        Cifar10(tmp_path, "train")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda pixels, labels: (pixels[:-1], labels), r"data is uint8 \(19, 3072\)"),
        (lambda pixels, labels: (pixels.astype(np.int8), labels), "data is int8"),
        (
            lambda pixels, labels: (0 * pixels.astype(np.float32), labels),
            "an array of 'f4', no whole",
        ),
        (lambda pixels, labels: (pixels.astype(float), labels), "bytes, a CIFAR-10 file has about"),
        (lambda pixels, labels: (pixels, labels[:-1]), "labels are not 20 numbers"),
        (lambda pixels, labels: (pixels, labels + 1 - labels.min() + 8), "labels are not"),
        (lambda pixels, labels: (pixels, labels - 1 - labels.min()), "labels are not"),
        (lambda pixels, labels: (pixels, labels.reshape(4, 5)), "labels are not"),
        (lambda pixels, labels: (pixels, labels / 1), "labels are not"),
        (lambda pixels, labels: (pixels, labels > 4), "labels are not"),
        (lambda pixels, labels: (pixels, np.append(labels[1:], 10**30)), "labels are not"),
        (lambda pixels, labels: (pixels, np.array([[1]] * 19 + [2], object)), "labels are not"),
        (lambda pixels, labels: (pixels, np.array([[1], [2, 3]] * 10, object)), "labels are not"),
    ],
)
def test_a_pickle_of_wrong_shape_or_labels_is_an_error(tmp_path, batches, change, message):
    batches["test_batch"] = change(*batches["test_batch"])
    write_pickles(tmp_path, batches)
    with pytest.raises(DataError, match=message):
        Cifar10(tmp_path, "test")


def test_a_missing_file_and_a_folder_without_files_are_errors_that_name_the_needed_files(
    tmp_path, batches
):
    with pytest.raises(DataError, match=r"does not hold CIFAR-10.*cifar-10-batches-py"):
        Cifar10(tmp_path, "train")
    write_binary(tmp_path, batches)
    (tmp_path / "data_batch_2.bin").unlink()
    with pytest.raises(DataError, match="lacks data_batch_2.bin"):
        Cifar10(tmp_path, "train")


def test_open_dataset_opens_cifar10_and_points_a_bare_folder_to_it(tmp_path, batches):
    write_binary(tmp_path, batches)
    assert len(open_dataset(f"cifar10:{tmp_path}", "test")) == IMAGES
    with pytest.raises(DataError, match=f"say cifar10:{tmp_path}"):
        open_dataset(str(tmp_path), "train")
    with pytest.raises(DataError, match="names no folder"):
        open_dataset("cifar10:", "train")


def test_a_batch_is_its_images_at_any_size(tmp_path, batches):
    write_binary(tmp_path, batches)
    dataset = Cifar10(tmp_path, "test")
    for size in (24, 32, 67):
        batch = dataset.read_batch(np.array([3, 19, 3]), size)
        assert batch.shape == (3, size, size, 3) and batch.dtype == np.uint8
        np.testing.assert_array_equal(batch[1], dataset.read(19, size))


def test_an_image_that_was_read_can_be_written_into(tmp_path, batches):
    write_binary(tmp_path, batches)
    dataset = Cifar10(tmp_path, "test")
    before = dataset.images[0].copy()
    dataset.read(0, 32)[:] = 0
    np.testing.assert_array_equal(dataset.images[0], before)


@needs_data
def test_both_official_versions_are_equal():
    for split, count in (("val", 5_000), ("test", 10_000)):
        binary = Cifar10(os.path.join(DATA, "cifar-10-batches-bin"), split)
        pickled = Cifar10(os.path.join(DATA, "cifar-10-batches-py"), split)
        assert len(binary) == count
        np.testing.assert_array_equal(binary.images, pickled.images)
        np.testing.assert_array_equal(binary.labels, pickled.labels)


@needs_data
def test_the_official_test_set_begins_with_the_known_images():
    dataset = open_dataset(f"cifar10:{DATA}", "test")
    first = [dataset.classes[label] for label in dataset.labels[:4]]
    assert first == ["cat", "ship", "ship", "airplane"]
    np.testing.assert_array_equal(dataset.read(0, 32)[0, 0], [158, 112, 49])
    assert np.bincount(dataset.labels).tolist() == [1000] * 10
