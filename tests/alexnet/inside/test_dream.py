"""Images that climb a unit's answer."""

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.inside.dream import dream


@pytest.fixture
def network():
    tn.seed(1)
    return alexnet.build("paper", 5, 67, width=0.125, init="he")


def run(network, layer, unit, **arguments):
    shape = (1, 3, 67, 67)
    low, high = np.float32(-1), np.float32(1)
    return list(dream(network, layer, unit, shape, low, high, **arguments))


@pytest.mark.parametrize(("layer", "unit"), [("fc8", 2), ("relu7", 9), ("conv5", 3)])
def test_the_units_answer_grows_and_pixels_stay_pixels(network, layer, unit):
    images = run(network, layer, unit, steps=12)
    scores = [score for _, score in images]
    assert scores[-1] > 5 * abs(scores[0])
    last = images[-1][0]
    assert last.dtype == np.float32 and last.min() >= -1 and last.max() <= 1
    network.eval()
    y = network(tn.Tensor(last)) if layer == "fc8" else None
    assert y is None or y.numpy()[0].argmax() == unit


def test_the_same_seed_gives_the_same_image(network):
    first, again, other = (run(network, "conv3", 1, steps=3, seed=s)[-1][0] for s in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_layers_and_units_that_do_not_exist_are_errors(network):
    with pytest.raises(ValueError, match="there is no layer 'conv9'; there are conv1, "):
        run(network, "conv9", 0)
    with pytest.raises(ValueError, match="unit 5 is none of 5"):
        run(network, "fc8", 5)
