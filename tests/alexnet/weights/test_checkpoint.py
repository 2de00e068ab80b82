"""Checkpoints: the saved values come back, and other files are refused."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet.errors import DataError
from alexnet.weights import checkpoint
from tests.alexnet.weights.checkpoint_example import example

pytestmark = pytest.mark.usefixtures("numpy_backend")


def test_the_saved_values_come_back(tmp_path):
    _, saved = example()
    saved.save(tmp_path / "a.npz")
    loaded = checkpoint.load(tmp_path / "a.npz")
    for name in ("build", "classes", "stored_size", "options", "training"):
        assert getattr(loaded, name) == getattr(saved, name)
    for ours, theirs in (
        (saved.model, loaded.model),
        (saved.velocities, loaded.velocities),
        (saved.normalization.arrays(), loaded.normalization.arrays()),
    ):
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_the_model_of_a_checkpoint_computes_the_same_as_the_saved_model(tmp_path):
    model, saved = example()
    model.norm1.running_mean.data = np.full(3, 0.5, np.float32)  # a buffer, no parameter
    saved.model = model.state_dict()
    saved.save(tmp_path / "a.npz")
    tn.seed(4)
    loaded = checkpoint.load(tmp_path / "a.npz").make_model()
    x = tn.Tensor(np.random.default_rng(1).standard_normal((2, 3, 67, 67)))
    x = tn.Tensor(x.numpy().astype(np.float32))
    assert not loaded.training
    assert np.array_equal(loaded(x).numpy(), model.eval()(x).numpy())


def test_velocities_may_be_left_out(tmp_path):
    _, saved = example(velocities=False)
    saved.save(tmp_path / "a.npz")
    assert checkpoint.load(tmp_path / "a.npz").velocities is None


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing.npz cannot be read: No such file"):
        checkpoint.load(tmp_path / "nothing.npz")


def test_half_a_checkpoint_is_refused(tmp_path):
    _, saved = example()
    saved.save(tmp_path / "a.npz")
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="a.npz cannot be read"):
        checkpoint.load(tmp_path / "a.npz")


def test_another_npz_file_is_refused(tmp_path):
    tn.save(tmp_path / "a.npz", {"conv1.weight": np.zeros(3)})
    with pytest.raises(DataError, match="no checkpoint of alexnet.train"):
        checkpoint.load(tmp_path / "a.npz")


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    _, saved = example()
    saved.save(tmp_path / "a.npz")
    arrays = tn.load(tmp_path / "a.npz")
    record = json.loads(arrays["record"].tobytes()) | {"format": 99}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    tn.save(tmp_path / "a.npz", arrays)
    with pytest.raises(DataError, match="format 99, this program reads 1"):
        checkpoint.load(tmp_path / "a.npz")


def test_arrays_that_do_not_fit_the_network_are_named(tmp_path):
    _, saved = example()
    saved.path = tmp_path / "a.npz"
    saved.model["conv1.weight"] = np.zeros((1, 3, 11, 11), np.float32)
    with pytest.raises(DataError, match="checkpoint .*a.npz .* does not fit .*conv1.weight is"):
        saved.make_model()
