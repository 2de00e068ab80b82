"""save and load: files are written completely or not at all, and hold only arrays."""

import errno
import io
import os
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

import tinynet as tn

ARRAYS = {
    "conv1.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "labels": np.array([3, 1], np.int64),
    "a number": np.float64(0.1),
    "file": np.array([True, False]),
    "nothing": np.zeros((0, 4), np.float32),
}


def test_arrays_come_back_as_they_were(tmp_path):
    tn.save(tmp_path / "a.npz", ARRAYS)
    loaded = tn.load(tmp_path / "a.npz")
    assert list(loaded) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert loaded[name].dtype == array.dtype and loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


def test_a_path_may_be_text_and_needs_no_ending(tmp_path):
    tn.save(str(tmp_path / "weights"), ARRAYS)
    assert os.listdir(tmp_path) == ["weights"]
    assert list(tn.load(str(tmp_path / "weights"))) == list(ARRAYS)


def test_tensors_and_a_models_state_can_be_saved(tmp_path, backend):
    model = tn.nn.Linear(3, 2)
    tn.nn.init.normal(model.weight, 1.0, index=0)
    tn.save(tmp_path / "a.npz", {"x": tn.Tensor([1.0, 2.0]), **model.state_dict()})
    loaded = tn.load(tmp_path / "a.npz")
    assert loaded.pop("x").tolist() == [1, 2]
    other = tn.nn.Linear(3, 2)
    other.load_state_dict(loaded)
    assert np.array_equal(other.weight.numpy(), model.weight.numpy())


def test_an_existing_file_is_replaced_and_no_other_file_remains(tmp_path):
    for number in (1, 2):
        tn.save(tmp_path / "a.npz", {"x": np.full(3, number)})
    assert tn.load(tmp_path / "a.npz")["x"].tolist() == [2, 2, 2]
    assert os.listdir(tmp_path) == ["a.npz"]


@pytest.mark.skipif(os.name != "posix", reason="this system has no file modes")
def test_a_saved_file_has_the_mode_of_other_new_files(tmp_path):
    (tmp_path / "other").touch()
    tn.save(tmp_path / "a.npz", ARRAYS)
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("a.npz", "other")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_an_error_or_an_interrupt_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    tn.save(tmp_path / "a.npz", {"x": np.ones(3)})

    def fails(*arguments):
        raise error

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(type(error)):
        tn.save(tmp_path / "a.npz", {"x": np.zeros(3)})
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["a.npz"]
    assert tn.load(tmp_path / "a.npz")["x"].tolist() == [1, 1, 1]


def test_a_disk_that_is_full_in_the_middle_of_a_file_leaves_the_old_one(tmp_path):
    resource = pytest.importorskip("resource", reason="this system has no limit of file sizes")
    tn.save(tmp_path / "a.npz", {"x": np.ones(3)})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError):
            tn.save(tmp_path / "a.npz", {"x": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["a.npz"]
    assert tn.load(tmp_path / "a.npz")["x"].tolist() == [1, 1, 1]


def test_the_data_are_on_the_disk_before_the_file_gets_its_name(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda f: (order.append("fsync"), fsync(f)))
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b)))
    tn.save(tmp_path / "a.npz", ARRAYS)
    assert order[:2] == ["fsync", "replace"]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(OSError):
        tn.save(tmp_path / "nowhere" / "a.npz", ARRAYS)
    with pytest.raises(FileNotFoundError):
        tn.load(tmp_path / "a.npz")


@pytest.mark.parametrize("thing", [None, object(), [np.ones(2), None]])
def test_only_arrays_are_saved(tmp_path, thing):
    with pytest.raises((TypeError, ValueError), match="save: x|inhomogeneous"):
        tn.save(tmp_path / "a.npz", {"x": thing})
    assert os.listdir(tmp_path) == []


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_is_refused_and_never_run(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([Bomb(tmp_path / "exploded")], object))
    with pytest.raises(ValueError, match="a.npz is not a whole .npz file of arrays"):
        tn.load(tmp_path / "a.npz")
    assert not (tmp_path / "exploded").exists()


def saved_bytes(path):
    tn.save(path, {"x": np.arange(1000.0)})
    return path.read_bytes()


def flip_a_bit(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"hello",
        lambda data: data[: len(data) // 2],
        flip_a_bit,
        lambda data: data[data.index(b"\x93NUMPY") :][:8128],  # only the array: an .npy file
    ],
    ids=["empty", "text", "half", "one bit", "npy"],
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, damage):
    path = tmp_path / "a.npz"
    path.write_bytes(damage(saved_bytes(path)))
    with pytest.raises(ValueError, match="a.npz is not a whole .npz file of arrays"):
        tn.load(path)


def test_every_bit_of_a_file_is_checked_or_unread(tmp_path):
    """A flipped bit gives the same array or an error, never other numbers."""
    array = np.arange(3.0)
    tn.save(tmp_path / "a.npz", {"x": array})
    whole = (tmp_path / "a.npz").read_bytes()
    same = 0
    for place in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        (tmp_path / "a.npz").write_bytes(damaged)
        try:
            loaded = tn.load(tmp_path / "a.npz")
        except ValueError as error:
            assert "a.npz is not a whole .npz file" in str(error)
        else:
            assert list(loaded) == ["x"] and loaded["x"].tobytes() == array.tobytes()
            same += 1
    assert 0 < same < 3 * len(whole)  # dates and versions of the archive are not read


def npy(array, pickled=False):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=pickled)
    return file.getvalue()


def npy_header(shape, version=1, spaces=0):
    text = repr({"descr": "<f4", "fortran_order": False, "shape": shape}) + " " * spaces + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode()


def write_zip(path, *members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)


THREE = npy(np.zeros(3, np.float32))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy_header((1 << 40,)) + bytes(12), r"says float32 \(1099511627776,\), but has 12 bytes"),
        (npy_header((1 << 32, 1 << 32)), "but has 0 bytes"),  # 2^64 numbers: 0 in int64
        (npy_header((-1, -3)) + bytes(12), "but has 12 bytes"),
        (THREE + b"more", "has 16 bytes"),
        (THREE[:-1], "has 11 bytes"),
        (npy_header((3,), version=2, spaces=20_000) + bytes(12), "no header of an array"),
        (npy_header((3,), version=3) + bytes(12), "no header of an array"),
        (npy_header((3,)).replace(b"<f4", b"<q9"), "no header of an array"),
        (b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 10_000, "no header of an array"),
        (b"hello", "no header of an array"),
        (npy(np.array([print], object), pickled=True), "an array of object"),
        (npy(np.zeros(3, [("a", "<f4")])), "an array of .*, not of numbers"),
    ],
    ids=["huge", "overflow", "negative", "longer", "shorter", "long header", "version", "dtype",
         "nested", "text", "object", "record"],
)  # fmt: skip
def test_a_header_that_its_member_contradicts_is_an_error(tmp_path, content, message):
    write_zip(tmp_path / "a.npz", ("x.npy", content))
    with pytest.raises(ValueError, match=f"a.npz is not a whole .npz file of arrays: .*{message}"):
        tn.load(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "method", "message"),
    [
        ([("x.npy", THREE)] * 2, zipfile.ZIP_STORED, "x.npy is in it 2 times"),
        ([("x.npy", THREE), ("data.pkl", b"x")], zipfile.ZIP_STORED, "data.pkl in it is no array"),
        ([("x.npy", THREE)], zipfile.ZIP_BZIP2, "compressed by method 12"),
    ],
    ids=["twice", "no array", "bzip2"],
)
def test_other_members_are_an_error(tmp_path, members, method, message):
    write_zip(tmp_path / "a.npz", *members, method=method)
    with pytest.raises(ValueError, match=message):
        tn.load(tmp_path / "a.npz")


def peak_of(load, path):
    """(the error, the most bytes in use meanwhile)."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            load(path)
        return caught.value, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["x.npy", "x.bin"])
def test_a_compressed_header_or_member_takes_no_memory_before_it_is_refused(tmp_path, name):
    content = npy_header((3,), version=2, spaces=50_000_000) + bytes(12)
    write_zip(tmp_path / "a.npz", (name, content), method=zipfile.ZIP_DEFLATED)
    assert (tmp_path / "a.npz").stat().st_size < 60_000
    _, peak = peak_of(tn.load, tmp_path / "a.npz")
    assert peak < 1_000_000


def test_a_member_cannot_claim_more_than_deflate_can_make(tmp_path):
    content = npy(np.zeros(100_000, np.float32))
    write_zip(tmp_path / "a.npz", ("x.npy", content), method=zipfile.ZIP_DEFLATED)
    whole = (tmp_path / "a.npz").read_bytes()
    old, new = (struct.pack("<I", size) for size in (len(content), 1 << 30))
    (tmp_path / "a.npz").write_bytes(whole.replace(old, new))
    with pytest.raises(ValueError, match="claims 1,073,741,824 bytes"):
        tn.load(tmp_path / "a.npz")


def test_compressed_files_of_numpy_are_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", **{k: v for k, v in ARRAYS.items() if k != "file"})
    loaded = tn.load(tmp_path / "a.npz")
    assert all(loaded[name].tobytes() == ARRAYS[name].tobytes() for name in loaded)


def test_arrays_in_columns_come_back_in_c_order(tmp_path):
    array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    tn.save(tmp_path / "a.npz", {"x": array})
    loaded = tn.load(tmp_path / "a.npz")["x"]
    assert loaded.flags.c_contiguous and loaded.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_an_error_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="a.npz is a pipe or a device"):
        tn.load(tmp_path / "a.npz")


def test_names_that_a_zip_archive_cuts_and_records_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match="zero byte"):
        tn.save(tmp_path / "a.npz", {"a\0b": np.zeros(3)})
    with pytest.raises(TypeError, match="save: x is numpy.ndarray of dtype .*, not an array"):
        tn.save(tmp_path / "a.npz", {"x": np.zeros(3, [("a", "f4")])})
    assert os.listdir(tmp_path) == []
