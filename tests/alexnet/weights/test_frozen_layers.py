"""Checkpoints of runs with frozen layers: velocities of the trained layers, and no others."""

import json

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError
from alexnet.training.frozen import freeze, parameter_groups
from alexnet.weights import checkpoint

pytestmark = pytest.mark.usefixtures("numpy_backend")

FROZEN = ["conv1", "norm1", "conv2"]


def saved(path, velocities=True):
    tn.seed(3)
    model = alexnet.build("batch-norm", num_classes=3, image_size=67, width=0.03)
    freeze(model, FROZEN)
    optimizer = tn.optim.SGD(parameter_groups(model, {}), 0.1)
    checkpoint.Checkpoint(
        build=model.build_arguments,
        classes=["a", "b", "c"],
        stored_size=76,
        normalization=Normalization(np.zeros((3, 1, 1)), np.ones((3, 1, 1))),
        model=model.state_dict(),
        velocities=optimizer.state_dict() if velocities else None,
        options={},
        training={},
        frozen=FROZEN,
    ).save(path)
    return model, optimizer


@pytest.mark.parametrize("velocities", [True, False])
def test_the_frozen_layers_and_the_velocities_of_the_others_come_back(tmp_path, velocities):
    model, optimizer = saved(tmp_path / "a.npz", velocities)
    loaded = checkpoint.load(tmp_path / "a.npz")
    assert loaded.frozen == FROZEN
    if velocities:
        trained = [p.shape for p in model.parameters() if p.requires_grad]
        assert [array.shape for array in loaded.velocities.values()] == trained
        loaded.fill(model, optimizer)
    assert loaded.make_model().state_dict().keys() == model.state_dict().keys()


def forged(path, frozen):
    """A checkpoint whose record has another list of frozen layers; None: no list."""
    saved(path)
    arrays = tn.load(path)
    record = json.loads(arrays["record"].tobytes()) | {"frozen": frozen}
    if frozen is None:
        del record["frozen"]
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    tn.save(path, arrays)
    return path


@pytest.mark.parametrize(
    ("frozen", "message"),
    [
        (None, "it lacks velocity/20, velocity/21, velocity/22, velocity/23, velocity/24, ..."),
        ([], "it lacks velocity/20"),
        (FROZEN[:2], "it lacks velocity/20, velocity/21"),
        ([*FROZEN, "norm2"], "holds the unknown velocity/18, velocity/19"),
        (["conv1", "norm1", "conv3"], "velocity/0 is float32 (8,), the network needs"),
    ],
)
def test_frozen_layers_that_do_not_fit_the_velocities_are_an_error(tmp_path, frozen, message):
    with pytest.raises(DataError) as caught:
        checkpoint.load(forged(tmp_path / "a.npz", frozen))
    assert f"checkpoint {tmp_path / 'a.npz'} cannot be used: " in str(caught.value)
    assert message in str(caught.value)


ALL = [name for number in range(1, 6) for name in (f"conv{number}", f"norm{number}")]
WRONG = {
    "text": "conv1",
    "an object": {"conv1": 1},
    "false": False,
    "numbers": [1, 2],
    "lists": [["conv1"]],
    "another order": ["norm1", "conv1", "conv2"],
    "twice": ["conv1", "conv1"],
    "unknown": ["conv1", "conv9"],
    "without parameters": ["conv1", "relu1"],
    "all": [*ALL, "fc6", "fc7", "fc8"],
    "long": ["conv1"] * 100_000,
}


@pytest.mark.parametrize("case", WRONG)
def test_a_list_of_a_wrong_kind_is_an_error_that_names_the_field(tmp_path, case):
    with pytest.raises(DataError, match="a.npz cannot be used: frozen is ") as caught:
        checkpoint.load(forged(tmp_path / "a.npz", WRONG[case]))
    assert "should be a list of layers with parameters, in the network's order" in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(tmp_path))
