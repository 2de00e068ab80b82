"""Activations of any layer, of any number of batches."""

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.data.loader import Loader
from alexnet.data.normalization import Normalization
from alexnet.data.prefetch import prefetch
from alexnet.data.synthetic import Synthetic
from alexnet.errors import NotFinite, UsageError
from alexnet.evaluation import activations as module
from alexnet.evaluation.activations import (
    activations,
    dataset_activations,
    gathered,
    last_hidden,
    outputs,
)
from alexnet.evaluation.metrics import in_test_mode
from tinynet import nn

NORMALIZATION = Normalization(np.full((3, 1, 1), 120.0), np.full((3, 1, 1), 50.0))


@pytest.fixture(scope="module", autouse=True)
def numpy_backend():
    with tn.use_backend("numpy"):
        yield


@pytest.fixture(scope="module")
def model():
    tn.seed(0)
    return alexnet.build("paper", 7, 67, width=0.05, init="he")


@pytest.fixture(scope="module")
def x():
    return tn.Tensor(np.random.default_rng(0).normal(size=(3, 3, 67, 67)).astype(np.float32))


def walked(model, x, last):
    """The output of the layer `last`, by hand."""
    with in_test_mode(model):
        for name, layer in model:
            x = layer(x)
            if name == last:
                return x.numpy()


@pytest.mark.parametrize("layer", ["conv1", "norm1", "pool5", "flatten", "fc7", "relu7", "fc8"])
def test_activations_are_the_walk_through_the_model(model, x, layer):
    (found,) = activations(model, layer, [x])
    assert found.dtype == np.float32 and (found == walked(model, x, layer)).all()


def test_several_layers_come_from_one_walk_in_the_order_asked_for(model, x):
    found = outputs(model, x, ["fc8", "conv5"])
    assert [array.shape for array in found] == [(3, 7), (3, 12, 3, 3)]
    assert (found[1] == walked(model, x, "conv5")).all()


def test_later_layers_are_not_computed_and_modes_stay(x):
    class Counted(nn.Module):
        calls = 0

        def forward(self, x):
            Counted.calls += 1
            return x

    model = nn.Sequential([("first", nn.ReLU()), ("drop", nn.Dropout(0.5)), ("last", Counted())])
    (found,) = activations(model, "drop", [x])
    assert (found == np.maximum(x.numpy(), 0)).all()  # nothing is dropped in test mode
    assert Counted.calls == 0 and model.training


def test_an_unknown_layer_is_an_error_with_the_names_that_there_are(model, x):
    with pytest.raises(ValueError, match="no layer .'fc9'.; there are .*'fc7'"):
        outputs(model, x, ["fc9"])


def test_activations_that_are_not_finite_are_an_error():
    model = nn.Sequential([("fc1", nn.Linear(2, 1)), ("relu1", nn.ReLU())])
    model.fc1.weight.data = np.full((1, 2), 3e38, np.float32)
    with pytest.raises(NotFinite, match="activations at relu1"):
        outputs(model, tn.Tensor(np.ones((1, 2), np.float32)), ["relu1"])


@pytest.mark.parametrize(
    ("spec", "size", "name"),
    [("paper", 67, "dropout7"), ("torchvision", 63, "relu7"), ("cifar10", 32, "flatten")],
)
def test_the_last_hidden_layer_is_what_the_last_fully_connected_one_reads(spec, size, name):
    model = alexnet.build(spec, 7, size, width=0.1)
    assert last_hidden(model) == name
    images = tn.Tensor(np.random.default_rng(1).normal(size=(2, 3, size, size)).astype(np.float32))
    hidden, logits = outputs(model, images, [name, list(model)[-1][0]])
    weight, bias = list(model)[-1][1].parameters()
    assert hidden @ weight.numpy().T + bias.numpy() == pytest.approx(logits, rel=1e-4, abs=1e-6)


def test_a_model_without_a_hidden_layer_has_no_last_one():
    for layers in ([nn.ReLU()], [nn.Linear(3, 2)]):
        with pytest.raises(ValueError, match="no fully connected layer after"):
            last_hidden(nn.Sequential(*layers))


def test_a_dataset_keeps_its_order_and_labels(model):
    data = Synthetic("val", count=7)
    loader = Loader(data, 3, 67, workers=1, stored_size=76)
    batches = prefetch(loader, NORMALIZATION, 10).epoch(0)
    features, labels = dataset_activations(model, "relu6", batches, len(data))
    assert features.dtype == np.float32 and labels.dtype == np.int64
    assert labels.tolist() == list(range(7))
    ((images, _),) = Loader(data, 7, 67, workers=0, stored_size=76).epoch(0)
    expected = walked(model, tn.Tensor(NORMALIZATION(images)), "relu6")
    assert features == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_rows_that_are_missing_take_no_part(monkeypatch):
    arrays = [np.ones((2, 4)), np.zeros((1, 4))]
    rows = gathered(arrays, 9)
    assert rows.dtype == np.float32 and rows.tolist() == [[1] * 4, [1] * 4, [0] * 4]
    assert gathered([], 9).shape == (0,)


def test_more_than_half_of_the_memory_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(module, "_memory", lambda: 1000)
    assert len(gathered([np.ones((1, 5, 5))], 5)) == 1
    message = r"activations \(5, 5\) of 6 images take 600 bytes, .* 500; give fewer images"
    with pytest.raises(UsageError, match=message):
        gathered([np.ones((1, 5, 5))], 6)
