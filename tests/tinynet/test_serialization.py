"""save and load: files are written completely or not at all, and hold only arrays."""

import errno
import os
import stat

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
