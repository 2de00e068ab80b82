"""What a folder holds: images, linked folders, and what is left out and counted."""

import os

import pytest

from alexnet.data.folder import ImageFolder, images_in
from alexnet.errors import DataError
from tests.alexnet.data.photos import fill, refused, save


def test_files_that_are_no_images_are_counted_by_ending(tmp_path):
    fill(tmp_path)
    for name in ("a.HEIC", "b.heic", "c.txt", "README"):
        (tmp_path / "cat" / name).write_bytes(b"")
    description = ImageFolder(tmp_path, "train").description
    assert "4 files left out that are no images (2 .heic, 1 without an ending, 1 .txt)" in (
        description
    )
    assert "magick mogrify -format jpg '*.heic'" in description


@pytest.mark.parametrize("ending", [".heic", ".heif", ".svg", ".CR2", ".dng"])
def test_a_class_of_other_pictures_says_how_to_convert_them(tmp_path, ending):
    fill(tmp_path)
    (tmp_path / "emu").mkdir()
    (tmp_path / "emu" / f"a{ending}").write_bytes(b"")
    assert "emu holds no images" in refused(tmp_path)
    assert f"1 {ending.lower()}" in refused(tmp_path) and "convert" in refused(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, 0o140600)])
def test_pipes_and_sockets_are_left_out(tmp_path, make):
    fill(tmp_path)
    make(tmp_path / "cat" / "x.jpg")
    os.symlink(tmp_path / "cat" / "x.jpg", tmp_path / "cat" / "y.jpg")
    os.symlink("/dev/zero", tmp_path / "cat" / "z.jpg")
    dataset = ImageFolder(tmp_path, "train")
    assert "3 pipes, sockets or devices left out" in dataset.description
    assert not any(path.endswith(".jpg") for path in dataset.paths)


def test_linked_folders_are_followed_and_loops_end(tmp_path):
    fill(tmp_path / "data")
    fill(tmp_path, ("elsewhere",), count=10)
    cat = tmp_path / "data" / "cat"
    os.symlink(tmp_path / "elsewhere", cat / "more")
    os.symlink(cat, cat / "loop")
    os.symlink(tmp_path / "elsewhere", cat / "again")
    train, val = (ImageFolder(tmp_path / "data", split) for split in ("train", "val"))
    assert len(train) + len(val) == 3 + 10 + 3
    assert "2 links to folders that were read already left out" in train.description
    os.symlink("itself.png", cat / "itself.png")
    os.symlink("nowhere", cat / "nowhere.png")
    train, val = (ImageFolder(tmp_path / "data", split) for split in ("train", "val"))
    assert len(train) + len(val) == 3 + 10 + 3 + 2  # an error when they are read
    os.symlink(tmp_path / "data", cat / "above")
    assert "did you mean" in refused(tmp_path / "data") or "links" in train.description


def test_a_linked_class_folder_is_a_class(tmp_path):
    fill(tmp_path / "data")
    fill(tmp_path, ("emu",))
    os.symlink(tmp_path / "emu", tmp_path / "data" / "emu")
    assert ImageFolder(tmp_path / "data", "train").classes == ["cat", "dog", "emu"]


def make_run(folder):
    for name in ("options.json", "log.jsonl"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}")
    save(folder / "curves.png")


@pytest.mark.parametrize("place", ["run1", "runs/first", "cat/run1", "cat/runs/first"])
@pytest.mark.parametrize("layout", ["", "train"])
def test_folders_of_runs_are_neither_classes_nor_images(tmp_path, place, layout):
    fill(tmp_path / layout, count=20)
    before = ImageFolder(tmp_path, "train")
    make_run(tmp_path / layout / place)
    after = ImageFolder(tmp_path, "train")
    assert after.paths == before.paths and after.classes == ["cat", "dog"]
    assert "1 folders of runs left out" in after.description


def test_folders_of_runs_beside_the_splits_are_left_out(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val")
    make_run(tmp_path / "runs" / "first")
    assert "1 folders of runs left out" in ImageFolder(tmp_path, "train").description


@pytest.mark.parametrize("place", ["", "cat", "cat/deep"])
@pytest.mark.parametrize("code", [13, 24])
def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch, place, code):
    fill(tmp_path)
    save(tmp_path / "cat" / "deep" / "x.png")
    scandir = os.scandir

    def refuse(path):
        if str(path) == str(tmp_path / place):
            raise OSError(code, os.strerror(code), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = refused(tmp_path)
    assert f"{tmp_path / place} cannot be listed ({os.strerror(code)})" in message


def test_images_in_a_folder_are_found_at_any_depth(tmp_path):
    save(tmp_path / "b.png")
    save(tmp_path / "a" / "b" / "c" / "d.jpg")
    save(tmp_path / ".hidden" / "e.png")
    assert images_in(tmp_path) == [f"{tmp_path}/a/b/c/d.jpg", f"{tmp_path}/b.png"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "x.heic").write_bytes(b"")
    with pytest.raises(DataError, match=r"empty holds no images .*1 \.heic.*convert"):
        images_in(tmp_path / "empty")
    with pytest.raises(DataError, match="nowhere cannot be listed"):
        images_in(tmp_path / "nowhere")
