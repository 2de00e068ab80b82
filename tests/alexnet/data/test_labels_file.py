"""Validation images that lie together, with the four files that tell their classes."""

import os

import pytest

from alexnet.data import fingerprint
from alexnet.data.folder import ImageFolder
from tests.alexnet.data.photos import fill, refused, save

WNIDS = ["n01440764", "n01443537", "n02119789"]
LABELS = {"ILSVRC2012_val_00000001.JPEG": 2, "ILSVRC2012_val_00000002.JPEG": 0,
          "ILSVRC2012_val_00000003.JPEG": 2, "ILSVRC2012_val_00000004.JPEG": 1}  # fmt: skip
EXPECTED = [
    "n01440764/ILSVRC2012_val_00000002.JPEG", "n01443537/ILSVRC2012_val_00000004.JPEG",
    "n02119789/ILSVRC2012_val_00000001.JPEG", "n02119789/ILSVRC2012_val_00000003.JPEG",
]  # fmt: skip
DEVKIT = {"n02119789": 1, "n01440764": 2, "n01443537": 3}

ANNOTATIONS = "".join(f"{name}\t{WNIDS[label]}\t0\t3\t9\t9\n" for name, label in LABELS.items())
SOLUTION = "ImageId,PredictionString\n" + "".join(
    f"{name[:-5]},{WNIDS[label]} 1 2 3 4 {WNIDS[label]} 5 6 7 8 \n"
    for name, label in reversed(LABELS.items())
)
NUMBERS = "".join(f"{name} {label}\n" for name, label in LABELS.items())
TRUTH = "".join(f"{DEVKIT[WNIDS[label]]}\n" for label in LABELS.values())
DEVKIT_MAP = "".join(f"{wnid} {number} some_name\n" for wnid, number in DEVKIT.items())
TRUTH_NAME = "ILSVRC2012_validation_ground_truth.txt"


def imagenet(folder, images="val", inside=""):
    """train/<wnid>/<inside>/*, and the validation images together in a folder."""
    for wnid in WNIDS:
        for number in range(3):
            save(folder / "train" / wnid / inside / f"{wnid}_{number}.JPEG", format="JPEG")
    for place, name in enumerate(LABELS):
        save(folder / images / name, (place, 50, 60), format="JPEG")
    return folder


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", "/")).write_text(text)


def need_expected(folder):
    dataset = ImageFolder(folder, "val")
    assert dataset.names == EXPECTED and dataset.classes == WNIDS
    assert dataset.labels.tolist() == [0, 1, 2, 2]
    train = ImageFolder(folder, "train")
    assert train.classes == WNIDS and len(train) == 9  # no tenth is split off
    return dataset


@pytest.mark.parametrize("place", ["", "val"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("LOC_val_solution.csv", SOLUTION), ("val.txt", NUMBERS),
     ("val_annotations.txt", ANNOTATIONS)],
)  # fmt: skip
def test_a_labels_file_in_the_folder_or_beside_it_tells_the_classes(tmp_path, name, text, place):
    folder = imagenet(tmp_path)
    (folder / place / name).write_text(text)
    assert f"classes from {name}" in need_expected(folder).description


def test_tiny_imagenets_folder_is_read_as_it_is(tmp_path):
    imagenet(tmp_path, "val/images", "images")
    save(tmp_path / "test" / "images" / "test_0.JPEG", format="JPEG")
    (tmp_path / "val" / "val_annotations.txt").write_text(ANNOTATIONS)
    (tmp_path / "wnids.txt").write_text("\n".join(WNIDS))
    dataset = need_expected(tmp_path)
    assert dataset.read(0, 8)[0, 0, 0] < 10
    assert "left out: test/" in ImageFolder(tmp_path, "train").description
    message = refused(tmp_path, "test")
    assert "test holds images without classes" in message and "alexnet.predict" in message


def test_class_folders_have_the_same_list_of_images(tmp_path):
    flat, sorted_in = imagenet(tmp_path / "flat"), tmp_path / "sorted"
    (flat / "val.txt").write_text(NUMBERS)
    fill(sorted_in / "train", WNIDS)
    for name, label in LABELS.items():
        save(sorted_in / "val" / WNIDS[label] / name, format="JPEG")
    assert fingerprint(ImageFolder(flat, "val")) == fingerprint(ImageFolder(sorted_in, "val"))


def test_a_labels_file_beside_class_folders_changes_nothing(tmp_path):
    fill(tmp_path / "train", WNIDS)
    fill(tmp_path / "val", WNIDS, count=2)
    (tmp_path / "val" / "val_annotations.txt").write_text("other.JPEG\tn01440764\n")
    assert len(ImageFolder(tmp_path, "val")) == 6


def test_a_class_may_have_no_validation_image(tmp_path):
    fill(imagenet(tmp_path) / "train", ("n03000000",))
    (tmp_path / "val.txt").write_text(NUMBERS)
    dataset = ImageFolder(tmp_path, "val")
    assert dataset.classes == [*WNIDS, "n03000000"] and dataset.names == EXPECTED


def test_images_without_a_labels_file_say_which_would_fit(tmp_path):
    imagenet(tmp_path)
    for split in ("train", "val"):
        message = refused(tmp_path, split)
        assert "val holds images but no class folders; make val/<class>/*" in message
        assert "val_annotations.txt, LOC_val_solution.csv, val.txt" in message


def test_two_labels_files_are_refused(tmp_path):
    write(imagenet(tmp_path), **{"val.txt": NUMBERS, "val__val_annotations.txt": ANNOTATIONS})
    message = refused(tmp_path, "val")
    assert "/val_annotations.txt and " in message and "/val.txt both tell the classes" in message


# Numbers


def test_numbers_follow_synsets_txt_where_it_is_there(tmp_path):
    order = [WNIDS[2], WNIDS[0], WNIDS[1], "n09999999"]  # of more classes than train/ has
    numbers = "".join(f"{name} {order.index(WNIDS[each])}\n" for name, each in LABELS.items())
    write(imagenet(tmp_path), **{"val.txt": numbers, "synsets.txt": "\n".join(order)})
    need_expected(tmp_path)


def test_numbers_of_classes_that_are_no_wnids_need_synsets_txt(tmp_path):
    fill(tmp_path / "train", ("cat", "dog"))
    save(tmp_path / "val" / "a.png")
    (tmp_path / "val.txt").write_text("a.png 0\n")
    assert "their order is not known; put synsets.txt beside it" in refused(tmp_path, "val")
    (tmp_path / "synsets.txt").write_text("dog\ncat\n")
    assert ImageFolder(tmp_path, "val").names == ["dog/a.png"]


def test_the_devkits_numbers_need_its_map(tmp_path):
    write(imagenet(tmp_path), **{TRUTH_NAME: TRUTH})
    message = refused(tmp_path, "val")
    assert "not the order of the wnids; put the devkit's map_clsloc.txt beside it" in message
    assert "val.txt or LOC_val_solution.csv" in message
    write(tmp_path, **{"map_clsloc.txt": DEVKIT_MAP})
    need_expected(tmp_path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"val.txt": NUMBERS.replace(" 2", " 3")},
            "has the number 3; 3 classes have",
        ),
        ({"val.txt": NUMBERS.replace(" 0", " 1")}, "so its numbers may begin with 1"),
        ({"val.txt": NUMBERS.replace(" 0", " x")}, "'x' is no number of a class"),
        ({"val.txt": NUMBERS.replace(" 0", " -1")}, "'-1' is no number of a class"),
        ({"val.txt": NUMBERS + NUMBERS}, "val.txt has ILSVRC2012_val_00000001.JPEG twice"),
        ({"val.txt": NUMBERS, "synsets.txt": "n01440764\n" * 3}, "synsets.txt has n01440764 twice"),
        ({"val.txt": NUMBERS[:-31]}, "without a label: ILSVRC2012_val_00000004.JPEG"),
        ({"val.txt": NUMBERS + "x.JPEG 0\n"}, "labels without an image: x.JPEG"),
        ({"val.txt": ""}, "no image with the number 0"),
        (
            {"val_annotations.txt": ANNOTATIONS.replace(WNIDS[0], "n0")},
            "no training folder has",
        ),
        ({"val_annotations.txt": ANNOTATIONS.replace("\t", " ")}, "is no label"),
        ({"val_annotations.txt": "\udcff"}, "is no text in UTF-8"),
        ({"LOC_val_solution.csv": SOLUTION[25:]}, "does not begin with ImageId,PredictionString"),
        (
            {"LOC_val_solution.csv": SOLUTION.replace(f"{WNIDS[1]} 5", f"{WNIDS[2]} 5")},
            "ILSVRC2012_val_00000004 has the classes n01443537, n02119789; one fits",
        ),
        ({TRUTH_NAME: TRUTH[2:], "map_clsloc.txt": DEVKIT_MAP}, "has 3 lines for 4 images"),
        ({TRUTH_NAME: TRUTH.replace("2", "9"), "map_clsloc.txt": DEVKIT_MAP}, "has no class 9"),
        ({TRUTH_NAME: TRUTH, "map_clsloc.txt": "n02119789\n"}, "'n02119789' is no label"),
    ],
)
def test_a_labels_file_that_leaves_a_doubt_is_refused(tmp_path, files, message):
    imagenet(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_bytes(os.fsencode(text))
    assert message in refused(tmp_path, "val")


def test_the_devkits_lines_belong_to_images_in_the_order_of_their_numbers(tmp_path):
    write(imagenet(tmp_path), **{TRUTH_NAME: TRUTH, "map_clsloc.txt": DEVKIT_MAP})
    os.rename(tmp_path / "val" / list(LABELS)[3], tmp_path / "val" / "ILSVRC2012_val_00000005.JPEG")
    assert "image 4 is ILSVRC2012_val_00000005.JPEG, should be" in refused(tmp_path, "val")
