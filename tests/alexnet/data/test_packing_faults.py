"""Making a pack while something goes wrong: files that change, broken images, a full disk."""

import errno
import os

import numpy as np
import pytest

from alexnet.data import packing
from alexnet.data.manifest import read_manifest
from alexnet.data.pack import Pack
from alexnet.data.unfinished import Unfinished
from alexnet.errors import DataError, DiskError
from tests.alexnet.data.packs import KINDS, begin, contents, killed_after, make_pack, make_photos

pytestmark = pytest.mark.usefixtures("small_tasks")


# --- the source changes ---------------------------------------------------------------------------


def test_a_file_that_changed_behind_the_work_is_refused(tmp_path):
    source = make_photos(tmp_path / "photos")
    killed_after(8, source, tmp_path / "out", True)
    changed = tmp_path / "photos" / "train" / "cat" / "2.png"
    changed.write_bytes(changed.read_bytes() + b" ")
    with pytest.raises(DataError, match="cat/2.png came, went or changed, where images are"):
        begin(source, tmp_path / "out")
    os.remove(changed)
    with pytest.raises(DataError, match="cat/2.png came, went or changed"):
        begin(source, tmp_path / "out")


def test_a_file_that_was_touched_counts_as_changed(tmp_path):
    source = make_photos(tmp_path / "photos")
    killed_after(8, source, tmp_path / "out", True)
    os.utime(tmp_path / "photos" / "train" / "cat" / "0.png", ns=(1, 1))
    with pytest.raises(DataError, match="cat/0.png came, went or changed"):
        begin(source, tmp_path / "out")


def test_files_ahead_of_the_work_may_change_and_it_is_said(tmp_path):
    source = make_photos(tmp_path / "photos")
    killed_after(8, source, tmp_path / "out", True)
    os.remove(tmp_path / "photos" / "train" / "dog" / "6.png")
    work = begin(source, tmp_path / "out")
    assert "has changed since the pack was begun" in work.remark and "dog/6.png" in work.remark
    for _ in work.pack():
        pass
    assert contents(tmp_path / "out") == contents(make_pack(source, tmp_path / "anew"))


def test_a_file_that_came_behind_a_finished_split_is_refused(tmp_path):
    source = make_photos(tmp_path / "photos")
    killed_after(18, source, tmp_path / "out", True)
    last = tmp_path / "photos" / "train" / "dog" / "9.png"
    last.write_bytes(last.with_name("6.png").read_bytes())
    with pytest.raises(DataError, match="dog/9.png came, went or changed"):
        begin(source, tmp_path / "out")
    last.unlink()
    list(begin(source, tmp_path / "out").pack())
    assert len(Pack(tmp_path / "out", "train")) == 14


def test_what_was_written_after_the_progress_is_cut_off(tmp_path, monkeypatch):
    source, out = make_photos(tmp_path / "photos"), tmp_path / "out"
    killed_after(4, source, out, True)
    monkeypatch.setattr(packing, "_BLOCK", 1)  # images do not wait in memory
    killed_after(14, source, out, False)
    assert (out / "train.pixels").stat().st_size == 14 * 12 * 12 * 3
    os.remove(tmp_path / "photos" / "train" / "dog" / "6.png")
    list(begin(source, out).pack())
    assert contents(out) == contents(make_pack(source, tmp_path / "anew"))


def test_other_classes_are_refused(tmp_path):
    source = make_photos(tmp_path / "photos")
    killed_after(8, source, tmp_path / "out", True)
    for split in ("train", "val"):
        os.rename(tmp_path / "photos" / split / "dog", tmp_path / "photos" / split / "wolf")
    with pytest.raises(DataError, match="has other splits or classes"):
        begin(source, tmp_path / "out")


@pytest.mark.parametrize("how", ["gone", "other", "touched"])
def test_a_file_that_changes_while_it_is_packed_is_an_error(tmp_path, how):
    source = make_photos(tmp_path / "photos")
    work = begin(source, tmp_path / "out", skip_bad_images=20)
    changed = tmp_path / "photos" / "train" / "dog" / "5.png"
    if how == "gone":
        changed.unlink()
    elif how == "other":
        changed.write_bytes(b"other")
    else:
        os.utime(changed, ns=(1, 1))
    with pytest.raises(DataError, match="dog/5.png (was listed and is gone|has changed since)"):
        list(work.pack())
    assert 0 < Unfinished(tmp_path / "out").read_progress(12).files["train"] <= 12


# --- broken images --------------------------------------------------------------------------------


def test_a_broken_image_is_named_and_the_work_before_it_kept(tmp_path):
    source = make_photos(tmp_path / "photos")
    broken = tmp_path / "photos" / "train" / "dog" / "3.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"dog/3.png cannot be read.*--skip-bad-images N; 10 file"):
        list(begin(source, tmp_path / "out").pack())
    broken.write_bytes(whole)  # mended
    work = begin(source, tmp_path / "out")
    assert work.done == 10 and "dog/3.png" in work.remark
    list(work.pack())
    assert contents(tmp_path / "out") == contents(make_pack(source, tmp_path / "anew"))


@pytest.mark.parametrize("kill", [None, 5, 11])
def test_tolerated_ones_are_listed_with_their_reasons(tmp_path, kill):
    source = make_photos(tmp_path / "photos")
    for name in ("train/cat/1.png", "train/dog/3.png", "val/cat/0.png"):
        (tmp_path / "photos" / name).write_bytes(b"no image")
    if kill:
        killed_after(kill, source, tmp_path / "out", True, skip_bad_images=3)
    for _ in begin(source, tmp_path / "out", skip_bad_images=3).pack():
        pass
    splits = read_manifest(tmp_path / "out").splits
    assert list(splits["train"]["skipped"]) == ["train/cat/1.png", "train/dog/3.png"]
    assert "its content is none of JPEG" in splits["val"]["skipped"]["val/cat/0.png"]
    pack = Pack(tmp_path / "out", "train")
    assert len(pack) == 12 and pack.pixel_sums.count == 12
    images = pack.read_batch(np.arange(12), 12)
    np.testing.assert_allclose(
        pack.pixel_sums.mean_image, images.mean(axis=0).transpose(2, 0, 1), rtol=1e-14
    )
    assert [os.path.relpath(path, source) for path in pack.paths][:3] == [
        "train/cat/0.png", "train/cat/2.png", "train/cat/3.png",
    ]  # fmt: skip
    with pytest.raises(DataError, match="0.png cannot be read"):
        list(begin(source, tmp_path / "few", skip_bad_images=2).pack())


def test_a_split_of_broken_images_is_an_error(tmp_path):
    source = make_photos(tmp_path / "photos", counts=(("train", 2), ("val", 1)))
    for name in ("cat", "dog"):
        (tmp_path / "photos" / "val" / name / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="has no image for val: all are broken"):
        list(begin(source, tmp_path / "out", skip_bad_images=9).pack())


# --- the disk -------------------------------------------------------------------------------------


class Full:
    """A file on a disk that takes this many bytes more, the last of them from a part of a write."""

    room = 0

    def __init__(self, path, mode, buffering):
        self.file = open(path, mode, buffering=buffering)

    def write(self, data):
        if not Full.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self.file.write(data[: Full.room])
        Full.room -= taken
        return taken

    def __getattr__(self, name):
        return getattr(self.file, name)


@pytest.mark.parametrize("kind", [0, 3])
@pytest.mark.parametrize("seconds", [0, 10])
@pytest.mark.parametrize("block", [1, 500, 1 << 22])
@pytest.mark.parametrize("room", [0, 450, 3000])
def test_a_full_disk_says_how_to_go_on_and_what_was_saved_stays(
    source, unbroken, tmp_path, room, block, seconds, kind
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "SECONDS_BETWEEN_SAVES", seconds)
        patch.setattr(packing, "_BLOCK", block)
        patch.setattr(packing, "open", Full, raising=False)
        patch.setattr(Full, "room", room)
        with pytest.raises(DiskError, match="make room and give the same command again"):
            list(begin(source, tmp_path / "out", **KINDS[kind]).pack())
    make_pack(source, tmp_path / "out", **KINDS[kind])
    assert contents(tmp_path / "out") == unbroken[kind]


def test_a_file_that_was_cut_behind_the_work_is_an_error(source, tmp_path):
    killed_after(8, source, tmp_path / "out", True)
    os.truncate(tmp_path / "out" / "train.pixels", 100)
    with pytest.raises(DataError, match="train.pixels is shorter than when the work stopped"):
        list(begin(source, tmp_path / "out").pack())


@pytest.mark.parametrize("name", ["plan.json", "progress.npz"])
def test_a_damaged_record_of_the_work_is_named(source, tmp_path, name):
    killed_after(8, source, tmp_path / "out", True)
    file = tmp_path / "out" / ".unfinished" / name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{name} is damaged; remove {tmp_path}/out"):
        begin(source, tmp_path / "out")
