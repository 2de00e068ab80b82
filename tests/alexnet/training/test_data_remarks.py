"""What a new training says about its images: counts, sizes, and what to do."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from alexnet.data.folder import ImageFolder
from alexnet.network.specs import find_spec
from alexnet.train import main
from alexnet.training import data_remarks as remarks
from tests.alexnet.small_training import FLAGS, make_photos

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
RUN = {
    "data": "photos", "balance": False, "pretrained": None, "augment": "crop",
    "keep_features": False, "image_size": 67,
}  # fmt: skip


def lines_of(counts, native_size=80, **options):
    """The remarks on a data set of so many images of classes a, b, ..., all of one size."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return remarks.data_remarks(
        SimpleNamespace(
            options=SimpleNamespace(**RUN | options),
            train_set=SimpleNamespace(labels=labels, native_size=native_size),
            classes=list("abcdef")[: len(counts)],
            model=SimpleNamespace(spec=find_spec("paper")),
        )
    )


def test_counts_of_classes_name_the_smallest_and_the_largest():
    assert lines_of([600, 1700, 900]) == ["600 (a) to 1,700 (b) images a class", "80 x 80 pixels"]
    assert lines_of([700, 700]) == ["700 images in each class", "80 x 80 pixels"]


def test_classes_of_very_different_size_lead_to_balance():
    words = "the classes differ much in size: --balance draws each equally often"
    assert words in lines_of([600, 1801])
    assert words not in lines_of([600, 1800])
    assert words not in lines_of([600, 1801], balance=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--pretrained FILE starts from trained weights, --augment alexnet varies the images"),
        ({"pretrained": "net.npz"}, "(median 499): --augment alexnet"),
        ({"augment": "alexnet"}, "(median 499): --pretrained FILE"),
        ({"augment": "none", "keep_features": True}, "(median 499): --pretrained FILE"),
    ],
)
def test_few_images_a_class_lead_to_trained_weights_and_to_more_augmentation(options, words):
    (line,) = (line for line in lines_of([499, 499, 900], **options) if "few" in line)
    assert words in line
    assert not any("few" in line for line in lines_of([499, 500, 900], **options))


def test_few_images_with_both_remedies_are_not_remarked_on():
    assert len(lines_of([9, 9], pretrained="net.npz", augment="alexnet")) == 2


def test_images_that_are_enlarged_lead_to_a_smaller_size_if_the_network_takes_one():
    small = "all are smaller than 81 x 81 and are enlarged, which adds no detail"
    assert (
        lines_of([700, 700], image_size=81)[-1] == f"{small}: a smaller --image-size trains faster"
    )
    assert lines_of([700, 700], 32)[-1] == small.replace("81", "67")  # 67 is the smallest
    assert lines_of([700, 700], image_size=80)[-1] == "80 x 80 pixels"


def test_nothing_is_said_about_synthetic_images():
    assert lines_of([9, 900], data="synthetic") == []


@pytest.fixture
def photos(tmp_path):
    """Two classes of ten photos of 40 x 30 (turned upright: 30 x 40), one of 100 x 90, and a file
    that is no image."""
    for name in ("a", "b"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(10):
            exif = Image.Exif()
            exif[0x0112] = 6
            path = tmp_path / "train" / name / f"{number}.jpg"
            Image.new("RGB", (40, 30)).save(path, exif=exif)
    Image.new("L", (100, 90)).save(tmp_path / "train" / "a" / "3.jpg")
    (tmp_path / "train" / "b" / "7.jpg").write_bytes(b"no image")
    return tmp_path


def test_sizes_of_photos_are_read_from_the_heads_of_files_upright(photos, monkeypatch):
    dataset = ImageFolder(photos / "train", "train")
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    run = SimpleNamespace(
        options=SimpleNamespace(**RUN), train_set=dataset, classes=dataset.classes,
        model=SimpleNamespace(spec=find_spec("paper")),
    )  # fmt: skip
    sizes = list(remarks._sizes(run))
    assert sizes[0] == "30 x 40 to 100 x 90 pixels (by the heads of 17 of 18 files)"
    assert sizes[1].startswith("94% of them are smaller than 67 x 67")
    monkeypatch.setattr(remarks, "SAMPLE", 6)  # places 0, 3, 7, 10, 14, 17
    assert "of 6 of 18 files" in next(remarks._sizes(run))


def test_a_new_run_says_it_once_and_a_resumed_one_does_not(tmp_path, capsys):
    folder, out = make_photos(tmp_path / "photos", count=12), tmp_path / "run"
    for number in range(9):
        (folder / "red" / f"{number:02}.jpg").unlink()
    assert main([str(folder), *FLAGS, "--out", str(out), "--max-steps", "1"]) == 0
    text = capsys.readouterr().out
    assert text.count("images    2 (red) to 11 (blue) images a class\n") == 1
    assert "--balance" in text and "pixels (by the heads of 13 of 13 files)" in text
    assert main(["--resume", str(out), "--max-steps", "2"]) == 0
    assert "images a class" not in capsys.readouterr().out
