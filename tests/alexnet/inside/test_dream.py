"""Images that climb a unit's answer."""

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.inside import dream as inside_dream
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
    images = run(network, layer, unit, steps=40)
    scores = [score for _, score in images]
    assert scores[-1] > 1.3 * abs(scores[0])
    last = images[-1][0]
    assert last.dtype == np.float32 and last.min() >= -1 and last.max() <= 1
    network.eval()
    y = network(tn.Tensor(last)) if layer == "fc8" else None
    assert y is None or y.numpy()[0].argmax() == unit


def test_a_convolutions_map_counts_a_tenth_below_0(network):
    (image, before), (_, after) = run(network, "conv1", 3, steps=2)
    network.eval()
    y = network["conv1"](tn.Tensor(np.roll(image, second_shift(), (2, 3)))).numpy()[0, 3]
    assert y.min() < 0 < y.max()
    assert after == pytest.approx(np.where(y > 0, y, y / 10).mean(), rel=1e-4) and after > before


def test_a_map_that_is_below_0_everywhere_grows(network):
    network["conv3"].bias.data = np.full(network["conv3"].bias.shape, -100, np.float32)
    scores = [score for _, score in run(network, "conv3", 1, steps=8)]
    assert -10.1 < scores[0] < scores[-1] < 0


def second_shift():
    generator = np.random.default_rng(0)
    generator.standard_normal((1, 3, 67, 67))
    generator.integers(-inside_dream.SHIFT, inside_dream.SHIFT + 1, 2)
    return tuple(generator.integers(-inside_dream.SHIFT, inside_dream.SHIFT + 1, 2))


def roughness(image):
    """The size of the differences of neighbours, as a share of the image's own."""
    x = image[0]
    steps = (x[:, 1:] - x[:, :-1]).std() + (x[:, :, 1:] - x[:, :, :-1]).std()
    return steps / x.std()


def test_blur_makes_images_smooth(network, monkeypatch):
    smooth = run(network, "fc8", 2, steps=12)[-1][0]
    monkeypatch.setattr(inside_dream, "BLUR", 0)
    rough = run(network, "fc8", 2, steps=12)[-1][0]
    assert roughness(smooth) < 0.6 * roughness(rough)


def test_what_a_unit_does_not_ask_for_fades(network, monkeypatch):
    """A unit without weights has no gradient: the noise at the start fades by DECAY alone."""
    network["fc8"].weight.data = np.zeros(network["fc8"].weight.shape, np.float32)
    monkeypatch.setattr(inside_dream, "EVERY", 1000)
    images = [image for image, _ in run(network, "fc8", 2, steps=10)]
    share = np.linalg.norm(images[-1]) / np.linalg.norm(images[0])
    assert share == pytest.approx((1 - inside_dream.DECAY) ** 9, rel=1e-4)


def test_few_pixels_are_black_or_full(network):
    """A step is small beside the range, so that colours are seen and not only outlines."""
    image = run(network, "fc8", 2, steps=39)[-1][0]
    assert (np.abs(image) == 1).mean() < 0.1  # no blur since step 36
    assert image.std() > 0.1


def test_the_same_seed_gives_the_same_image(network):
    first, again, other = (run(network, "conv3", 1, steps=3, seed=s)[-1][0] for s in (0, 0, 1))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_layers_and_units_that_do_not_exist_are_errors(network):
    with pytest.raises(ValueError, match="there is no layer 'conv9'; there are conv1, "):
        run(network, "conv9", 0)
    with pytest.raises(ValueError, match="unit 5 is none of 5"):
        run(network, "fc8", 5)
