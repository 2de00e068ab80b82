"""A damaged pack is an error that names the file."""

import json
import shutil

import numpy as np
import pytest

from alexnet.data import open_dataset
from alexnet.data.manifest import MANIFEST, blocks, check_files, read_manifest
from alexnet.data.pack import Pack
from alexnet.errors import DataError
from tests.alexnet.data.packs import begin, make_pack, make_photos


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """{kind: a pack}; tests damage copies."""
    folder = tmp_path_factory.mktemp("packs")
    source = make_photos(folder / "photos")
    options = {"raw": {}, "jpeg": {"jpeg": 80}, "whole": {"keep_aspect": True}}
    return {kind: make_pack(source, folder / kind, **each) for kind, each in options.items()}


@pytest.fixture
def pack(made, tmp_path):
    def copy(kind):
        return shutil.copytree(made[kind], tmp_path / kind)

    return copy


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def refused(folder, split="train"):
    with pytest.raises(DataError) as raised:
        open_dataset(str(folder), split)
    return str(raised.value)


RAW = ["train.pixels", "train.labels", "train.paths", "train.sums", "val.pixels", "val.labels"]
FILES = [("raw", name) for name in RAW]
FILES += [("jpeg", "train.jpegs"), ("jpeg", "train.ends"), ("whole", "train.shapes")]


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_a_file_that_is_missing_cut_or_longer_is_named_at_the_start(pack, kind, name):
    folder = pack(kind)
    whole = (folder / name).read_bytes()
    for content in (whole[:-1], whole + b"x", b""):
        (folder / name).write_bytes(content)
        assert f"{name} has {len(content):,} bytes, the manifest says" in refused(folder)
    (folder / name).unlink()
    assert f"{name} cannot be read: No such file" in refused(folder)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("raw", "train.labels"), ("jpeg", "train.ends"), ("whole", "train.ends"),
     ("whole", "train.shapes")],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_bit_in_a_small_file_is_noticed_at_the_start(pack, kind, name, place):
    folder = pack(kind)
    flip(folder / name, place)
    assert f"{name} is damaged: its SHA-256 is not that in the manifest" in refused(folder)


def test_a_bit_in_sums_or_paths_is_noticed_when_they_are_used(pack):
    folder = pack("raw")
    flip(folder / "train.sums", 100)
    flip(folder / "train.paths", 5)
    dataset = Pack(folder, "train")
    with pytest.raises(DataError, match="train.sums is damaged"):
        dataset.pixel_sums  # noqa: B018
    with pytest.raises(DataError, match="train.paths is damaged"):
        dataset.paths[0]


@pytest.mark.parametrize(("kind", "name"), FILES)
def test_every_bit_is_noticed_by_the_check_of_all_files(pack, kind, name):
    folder = pack(kind)
    manifest = read_manifest(folder)
    assert len(list(check_files(folder, manifest))) == blocks(manifest)
    flip(folder / name, (folder / name).stat().st_size // 2)
    with pytest.raises(DataError, match=f"{name} is damaged"):
        list(check_files(folder, manifest))


def test_a_damaged_jpeg_is_an_error_that_names_the_image(pack):
    folder = pack("jpeg")
    path = folder / "train.jpegs"
    content = bytearray(path.read_bytes())
    ends = Pack(folder, "train")._tables["ends"]
    content[ends[2] : ends[2] + 20] = bytes(20)
    path.write_bytes(content)
    dataset = Pack(folder, "train")
    dataset.read(2, 12)
    for call in (lambda: dataset.read(3, 12), lambda: dataset.read_batch([1, 3], 12)):
        with pytest.raises(DataError, match="train.jpegs: image 3 is damaged .*--check"):
            call()


def test_a_jpeg_of_another_size_is_damaged(pack, monkeypatch):
    dataset = Pack(pack("jpeg"), "train")
    monkeypatch.setattr("alexnet.data.pack.from_jpeg", lambda data: np.zeros((12, 13, 3), np.uint8))
    with pytest.raises(DataError, match="it has 13 x 12 pixels"):
        dataset.read(0, 12)


def test_a_manifest_that_is_cut_or_changed_is_damaged(pack):
    folder = pack("raw")
    path = folder / MANIFEST
    whole = path.read_bytes()
    for length in (0, 1, 50, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        assert f"{MANIFEST} is damaged: it is no whole JSON" in refused(folder)
    path.write_bytes(whole.replace(b'"dog"', b'"dig"'))
    assert f"{MANIFEST} is damaged: its checksum does not hold" in refused(folder)


def test_a_manifest_of_another_version_says_so(pack):
    folder = pack("raw")
    content = json.loads((folder / MANIFEST).read_bytes()) | {"version": 2}
    (folder / MANIFEST).write_text(json.dumps(content))
    assert "has version 2, this program reads 1; make the pack anew" in refused(folder)


@pytest.mark.parametrize("content", ["[]", "{}", '{"format": "other"}', "3"])
def test_another_json_is_no_manifest(pack, content):
    folder = pack("raw")
    (folder / MANIFEST).write_text(content)
    assert "is no manifest of a pack" in refused(folder)


def test_a_pack_that_is_not_finished_says_so(tmp_path):
    source = make_photos(tmp_path / "photos")
    begin(source, tmp_path / "out")
    assert "is a pack that is not finished; the same command" in refused(tmp_path / "out")
