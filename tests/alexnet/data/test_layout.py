"""Which folders become classes and splits, and which are refused."""

import os
import shutil

import pytest

from alexnet.data.folder import ImageFolder
from tests.alexnet.data.photos import fill, refused, save

# Names of splits


@pytest.mark.parametrize(
    "train, val, test",
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("TRAIN", "VALIDATION", "TEST"),
        ("training", "valid", "testing"),
        ("Training", "Validation", "Testing"),
        ("training_set", "validation_set", "test_set"),
        ("Train Set", "Dev-Set", "Test Set"),
        ("train_images", "val_images", "test_images"),
        ("traindata", "dev", "testdata"),
        ("train2017", "val2017", "test_2017"),
        ("train_split", "VALIDATION SPLIT", "test1"),
    ],
)
def test_splits_have_the_names_that_people_give_them(tmp_path, train, val, test):
    for name, count in ((train, 5), (val, 2), (test, 3)):
        fill(tmp_path / name, count=count)
    sets = [ImageFolder(tmp_path, split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in sets] == [10, 4, 6]
    assert all(dataset.classes == ["cat", "dog"] for dataset in sets)
    for dataset, name in zip(sets, (train, val, test), strict=True):
        assert all(f"/{name}/" in path for path in dataset.paths)
        assert name in ("train", "val", "test") or f"in {name}/" in dataset.description


def test_train_and_test_without_val_split_train_and_say_so(tmp_path):
    fill(tmp_path / "Train", count=20)
    fill(tmp_path / "Test", count=4)
    sets = [ImageFolder(tmp_path, split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in sets] == [36, 4, 8]
    assert set(sets[0].paths).isdisjoint(sets[1].paths)
    for dataset in sets[:2]:
        assert "no val/<class>/: Train/ split 90 / 10" in dataset.description
    assert "in Test/" in sets[2].description


@pytest.mark.parametrize(
    "names",
    [
        ("val", "valid"), ("valid", "Validation"), ("dev", "val"), ("test", "testing"),
        ("train", "Train"), ("training", "train_set"),
    ],
)  # fmt: skip
def test_two_folders_for_one_split_are_named(tmp_path, names):
    for name in {*names} if "train" in names[0] else {"train", *names}:
        fill(tmp_path / name)
    message = refused(tmp_path)
    assert all(f"{name}/" in message for name in names) and "remove one" in message


def test_a_class_may_have_a_splits_name(tmp_path):
    fill(tmp_path, ("bus", "train", "valid"))
    assert ImageFolder(tmp_path, "train").classes == ["bus", "train", "valid"]


@pytest.mark.parametrize("other", ["eval", "holdout", "fold2", "extra"])
def test_a_folder_of_classes_beside_train_is_not_passed_over(tmp_path, other):
    for name in ("train", "test", other):
        fill(tmp_path / name)
    message = refused(tmp_path)
    assert f"{other}/ with images beside" in message and "name it val/" in message


def test_a_train_folder_that_may_be_a_class_is_refused(tmp_path):
    fill(tmp_path / "train", ("diesel", "steam"))
    fill(tmp_path, ("bus",))
    assert "bus/ with images beside train/" in refused(tmp_path)


@pytest.mark.parametrize(
    "folders",
    [
        ["train", "test1"],
        ["photos_train", "photos_test"],
        ["trainA", "trainB", "testA", "testB"],
        ["train", "unlabeled"],
        ["ILSVRC2012_img_train/cat", "ILSVRC2012_img_train/dog", "ILSVRC2012_img_val"],
        ["my_train/cat", "my_train/dog", "my_test", "more"],
        ["train2017", "val2017"],
    ],
)
def test_splits_of_loose_images_or_other_names_are_not_classes(tmp_path, folders):
    for folder in folders:
        save(tmp_path / folder / "a.png")
        save(tmp_path / folder / "b.png")
    assert "train/<class>/*" in refused(tmp_path)


def test_classes_may_speak_of_one_split(tmp_path):
    fill(tmp_path, ("diesel train", "steam train"))
    assert ImageFolder(tmp_path, "train").classes == ["diesel train", "steam train"]


@pytest.mark.parametrize("link, to", [("val", "train"), ("bus", "cat")])
def test_one_folder_under_two_names_is_an_error(tmp_path, link, to):
    for name in ("cat", "dog"):
        fill(tmp_path / ("train" if to == "train" else ""), (name,))
    (tmp_path / link).symlink_to(to)
    assert "are one folder, by a link; remove one" in refused(tmp_path)
    assert "are one folder, by a link; remove one" in refused(tmp_path, "val")


def test_one_class_folder_that_training_and_validation_share_is_an_error(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", ("cat",))
    (tmp_path / "val" / "dog").symlink_to(tmp_path / "train" / "dog")
    assert "val/dog are one folder" in refused(tmp_path, "val")


def test_classes_of_one_image_say_that_two_are_needed(tmp_path):
    fill(tmp_path, count=1)
    assert "each class needs two images or more" in refused(tmp_path, "val")


def test_a_validation_folder_of_loose_images_is_not_passed_over(tmp_path):
    fill(tmp_path / "train")
    save(tmp_path / "Valid" / "1.png")
    assert "Valid holds images but no class folders" in refused(tmp_path)


def test_a_loose_test_folder_beside_classes_is_refused(tmp_path):
    fill(tmp_path, ("cat", "dog", "test"))
    assert "test/ beside class folders" in refused(tmp_path)


def test_what_is_left_out_beside_the_splits_is_named(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    save(tmp_path / "test" / "1.png")  # without classes, as competitions give it
    (tmp_path / "annotations").mkdir()
    save(tmp_path / "loose.png")
    save(tmp_path / "train" / "loose.png")
    description = ImageFolder(tmp_path, "train").description
    assert "left out: annotations/, test/" in description
    assert "2 images outside the class folders left out" in description


# Depth


def test_tiny_imagenets_layout_works(tmp_path):
    for split in ("train", "val"):
        for name in ("n01443537", "n01629819"):
            fill(tmp_path / split / name, ("images",))
            (tmp_path / split / name / "boxes.txt").write_text("")
    dataset = ImageFolder(tmp_path, "train")
    assert dataset.classes == ["n01443537", "n01629819"] and len(dataset) == 6
    assert dataset.names[0] == "n01443537/images/images0.png"


def test_classes_may_hold_folders_of_images(tmp_path):
    fill(tmp_path, ("cat", "dog"), count=10)
    fill(tmp_path / "cat", ("indoors", "outdoors"), count=5)
    train, val = (ImageFolder(tmp_path, split) for split in ("train", "val"))
    assert train.classes == ["cat", "dog"] and len(train) + len(val) == 30


@pytest.mark.parametrize(
    "folders, meant",
    [
        (["dataset/train/cat", "dataset/train/dog"], "dataset"),
        (["dataset/cat", "dataset/dog"], "dataset"),
        (["one/train/cat", "one/val/cat", "two/train/cat", "two/val/cat"], "one"),
        (["a/x/cat", "a/x/dog", "b/x/cat", "b/x/dog"], "a"),
        (["Trn/cat", "Trn/dog", "Tst/cat", "Tst/dog"], "Trn"),
        (["part1/cat", "part1/dog", "part2/cat", "part2/dog"], "part1"),
        (["cat/2023/05", "dog"], "cat"),
        (["cat/train", "cat/test", "dog"], "cat"),
    ],
)
def test_a_folder_that_lies_too_high_is_refused_with_the_one_that_is_meant(
    tmp_path, folders, meant
):
    for folder in folders:
        save(tmp_path / folder / "a.png")
        save(tmp_path / folder / "b.png")
    assert f"did you mean {tmp_path / meant}?" in refused(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_one_class_under_train_and_val_is_an_error(tmp_path, split):
    fill(tmp_path / "train", ("cat",))
    fill(tmp_path / "val", ("cat",))
    assert "one class folder only, cat, and classes need two" in refused(tmp_path, split)


def test_one_class_under_train_alone_is_an_error(tmp_path):
    fill(tmp_path / "train" / "images", ("cat", "dog"))
    assert "one class folder only, images" in refused(tmp_path)


# Names of classes


def test_a_class_has_one_name_in_every_form_of_unicode(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"
    fill(tmp_path / "train", (apart, "tea"))
    fill(tmp_path / "val", (composed, "tea"))
    sets = [ImageFolder(tmp_path, split) for split in ("train", "val")]
    assert all(dataset.classes == [composed, "tea"] for dataset in sets)
    sets[0].read(0, 8)


def test_two_folders_of_one_name_in_two_forms_are_an_error(tmp_path):
    fill(tmp_path, ("caf\u00e9", "cafe\u0301", "tea"))
    message = refused(tmp_path)
    assert r"'caf\xe9'" in message and r"'cafe\u0301'" in message


def test_names_that_are_not_utf8_are_read_and_escaped(tmp_path):
    fill(tmp_path, ("cat", "dog"))
    os.rename(tmp_path / "cat", os.fsencode(tmp_path) + b"/caf\xe9")
    os.rename(
        os.fsencode(tmp_path) + b"/caf\xe9/cat1.png", os.fsencode(tmp_path) + b"/caf\xe9/\xff.png"
    )
    dataset = ImageFolder(tmp_path, "train")
    assert dataset.classes == [r"caf\xe9", "dog"]
    assert {dataset.read(index, 8).shape for index in range(len(dataset))} == {(8, 8, 3)}
    (tmp_path / os.fsdecode(b"caf\xe9") / os.fsdecode(b"\xff.png")).write_bytes(b"no image")
    descriptions = [
        ImageFolder(tmp_path, split, skip_bad_images=1).description for split in ("train", "val")
    ]
    assert r"caf\xe9/\xff.png" in "".join(descriptions)
    "".join(descriptions).encode()


def test_codes_in_names_are_not_printed_raw_and_brackets_stay(tmp_path):
    folder = tmp_path / "\x1b[2Jdata"
    fill(folder, ("[red]cat", "a\nb"))
    dataset = ImageFolder(folder, "train")
    assert dataset.classes == ["[red]cat", "a\nb"]
    assert r"\x1b[2Jdata: 2 classes" in dataset.description
    (folder / "a\nb" / "x.txt\x1b").write_text("")
    assert r"1 .txt\x1b" in ImageFolder(folder, "train").description
    shutil.rmtree(folder / "a\nb")
    (folder / "a\nb").mkdir()
    assert r"a\nb holds no images" in refused(folder)
