"""Data and versions that differ between ranks are errors on every rank, which name the rank."""

import os

import pytest

import tinynet as tn
from alexnet.data import open_dataset
from alexnet.errors import DataError, UsageError
from alexnet.training.agreement import check_alike, check_same_weights, open_on_ranks
from alexnet.training.options import Options
from tests.alexnet.small_training import make_images
from tests.ranks import needs_mpi, on_ranks
from tinynet import nn

pytestmark = needs_mpi()


def opened(ranks, data, folders, split="val"):
    """(number of images, error) of DATA, opened on each rank in a folder of its own."""
    before = os.getcwd()
    os.chdir(folders[ranks.rank])
    try:
        return len(open_on_ranks(ranks, data, split, seed=0, skip_bad_images=0)), ""
    except DataError as error:
        return 0, str(error)
    finally:
        os.chdir(before)


@pytest.fixture
def folders(tmp_path):
    """Two folders, each with the same images."""
    for name in ("first", "second"):
        make_images(tmp_path / name / "images", train=3, val=2)
    return [str(tmp_path / "first"), str(tmp_path / "second")]


def test_the_same_images_are_opened(folders):
    count = len(open_dataset(f"{folders[0]}/images", "val"))
    assert on_ranks(2, opened, "images", folders) == [(count, ""), (count, "")]


@pytest.mark.parametrize(
    "change, words",
    [
        ("missing", "01.png (No such file or directory)"),
        ("larger", "bytes, not"),
        ("other", "01.png (of the same size, but other contents)"),
    ],
)
def test_other_files_on_one_rank_are_an_error_on_both(folders, change, words):
    path = f"{folders[1]}/images/val/red/01.png"
    if change == "missing":
        os.remove(path)
    else:
        with open(path, "ab" if change == "larger" else "r+b") as file:
            file.write(b"more")
    for count, error in on_ranks(2, opened, "images", folders):
        assert count == 0
        assert "rank 1 on" in error and "red/01.png" in error
        assert words in error


def alike(ranks, version):
    """The error of ranks of which the last has this version of tinynet."""
    before = tn.__version__
    if ranks.rank == ranks.size - 1:
        tn.__version__ = version
    try:
        check_alike(ranks, Options(**OPTIONS))
    except UsageError as error:
        return str(error)
    finally:
        tn.__version__ = before
    return ""


OPTIONS = dict.fromkeys(
    "data spec image_size activation norm pool dropout groups width init batch_size epochs "
    "max_steps augment lr schedule momentum weight_decay rule dead_start_steps seed backend "
    "threads workers skip_bad_images".split()
)


def test_another_version_on_one_rank_is_an_error_on_all():
    assert on_ranks(3, alike, tn.__version__) == [""] * 3
    for error in on_ranks(3, alike, "0.0"):
        assert "rank 2 on" in error and "tinynet 0.0, rank 0 has tinynet" in error


def weights(ranks, change):
    """The error of ranks of which the last has one weight changed in its last bit."""
    tn.seed(0)
    model = nn.Sequential([("fc1", nn.Linear(3, 2)), ("fc2", nn.Linear(2, 2))])
    if change and ranks.rank == ranks.size - 1:
        model["fc2"].weight.data[0, 0] *= 1 + 2e-7
    try:
        check_same_weights(ranks, model)
    except UsageError as error:
        return str(error)
    return ""


def test_weights_that_differ_in_a_bit_are_an_error_on_all():
    assert on_ranks(2, weights, False) == ["", ""]
    for error in on_ranks(2, weights, True):
        assert "rank 1 on" in error and "fc2.weight" in error
