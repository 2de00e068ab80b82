"""The six methods against slopes, sums and numbers worked out by hand."""

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.inside.saliency import METHODS, integrated, occlusion
from tinynet import nn


@pytest.fixture
def network():
    tn.seed(1)
    return alexnet.build("paper", 5, 67, np.float64, width=0.125, init="he")


@pytest.fixture
def image():
    return np.random.default_rng(0).standard_normal((1, 3, 67, 67))


def logit(model, x, label):
    model.eval()
    with tn.no_grad():
        return model(tn.Tensor(x)).numpy()[0, label]


def test_gradient_is_the_steepest_slope_of_the_logit(network, image):
    heat = METHODS["gradient"](network, image, 2)
    assert heat.shape == (67, 67)
    row, column = np.unravel_index(np.argmax(heat), heat.shape)
    slopes, h = [], 1e-6
    for colour in range(3):
        ahead, behind = image.copy(), image.copy()
        ahead[0, colour, row, column] += h
        behind[0, colour, row, column] -= h
        slopes.append((logit(network, ahead, 2) - logit(network, behind, 2)) / (2 * h))
    assert heat[row, column] == pytest.approx(np.abs(slopes).max(), rel=1e-5)


def two_units():
    """Three colours of one pixel, two hidden units, one class:

    z = (x0 + x1, x0 - 3 x2),  y = 2 relu(z0) - 1 relu(z1)
    """
    first, last = nn.Linear(3, 2, dtype=np.float64), nn.Linear(2, 1, dtype=np.float64)
    first.weight.data = np.array([[1.0, 1, 0], [1, 0, -3]])
    last.weight.data = np.array([[2.0, -1]])
    first.bias.data, last.bias.data = np.zeros(2), np.zeros(1)
    return nn.Sequential(
        [("flatten", nn.Flatten()), ("fc1", first), ("relu1", nn.ReLU()), ("fc2", last)]
    )


@pytest.mark.parametrize(
    ("colours", "gradient", "guided", "deconvolution"),
    [
        # both units on: d y / d x = 2 (1, 1, 0) - (1, 0, -3) = (1, 2, 3); guided and
        # deconvolution pass the first unit's gradient of 2 only: (2, 2, 0)
        ((3, 1, 0.5), 3, 2, 2),
        # both off: no gradient, but deconvolution does not look at the inputs
        ((-3, 1, 0.5), 0, 0, 2),
        # the second on alone: - (1, 0, -3)
        ((1, -2, 0), 3, 0, 2),
    ],
)
def test_relus_pass_what_their_method_says(colours, gradient, guided, deconvolution):
    x = np.array(colours, float).reshape(1, 3, 1, 1)
    expected = {"gradient": gradient, "guided": guided, "deconvolution": deconvolution}
    for method, number in expected.items():
        assert METHODS[method](two_units(), x, 0).tolist() == [[number]], method


def one_pixel_network(row, column, size=16):
    """Class 0 reads one pixel's first colour, class 1 is constant."""
    last = nn.Linear(3 * size * size, 2, dtype=np.float64)
    weight = np.zeros((2, 3, size, size))
    weight[0, 0, row, column] = 5
    last.weight.data, last.bias.data = weight.reshape(2, -1), np.zeros(2)
    return nn.Sequential([("flatten", nn.Flatten()), ("fc1", last)])


def test_occlusion_finds_the_only_pixel_that_counts():
    x = np.ones((1, 3, 16, 16))
    heat = occlusion(one_pixel_network(9, 4), x, 0)
    assert heat[9, 4] == heat.max() > 0.4
    far = heat.copy()
    far[9 - 3 : 9 + 4, 4 - 3 : 4 + 4] = 0  # squares are 4 x 4
    assert not far.any()
    assert not occlusion(one_pixel_network(9, 4), x, 1).any()  # covering it helps class 1


def test_integrated_gradients_sum_to_the_difference_of_the_logits(network, image):
    heat = integrated(network, image, 3, steps=200)
    difference = logit(network, image, 3) - logit(network, 0 * image, 3)
    assert heat.sum() == pytest.approx(difference, rel=2e-3)


def test_grad_cam_lights_the_map_that_speaks_for_the_class():
    """One map is the image, the other its mirror; class 0 sums the first, class 1 the second."""
    last = nn.Linear(2 * 64, 2, dtype=np.float64)
    last.weight.data = np.repeat(np.eye(2), 64, axis=1)
    last.bias.data = np.zeros(2)

    class Mirrored(nn.Module):
        def forward(self, x):
            first = x.numpy()[:, :1]
            return tn.Tensor(np.concatenate([first, first[..., ::-1]], axis=1))

    model = nn.Sequential([("maps", Mirrored()), ("flatten", nn.Flatten()), ("fc1", last)])
    x = np.zeros((1, 3, 8, 8))
    x[0, 0, 2, 1] = 1
    for label, place in ((0, (2, 1)), (1, (2, 6))):
        heat = METHODS["grad-cam"](model, x, label)
        assert np.unravel_index(np.argmax(heat), heat.shape) == place
        assert np.count_nonzero(heat) == 1


def test_grad_cam_reads_the_maps_before_the_last_pool(network, image):
    """Of 67 pixels pool5 leaves one, which would light the whole image alike."""
    with tn.no_grad():
        relu5 = tn.Tensor(image)
        for name, layer in network:
            relu5 = layer(relu5)
            if name == "relu5":
                break
    assert relu5.shape[2:] == (3, 3)
    heats = [METHODS["grad-cam"](network, image, label) for label in range(5)]
    assert any(heat.std() > 0.1 * heat.mean() > 0 for heat in heats)


@pytest.mark.parametrize("method", METHODS)
def test_methods_leave_the_model_as_it_was(method, network, image):
    network.train()
    before = network.state_dict()
    heat = METHODS[method](network, image.astype(float), 0)
    assert heat.shape == (67, 67) and np.isfinite(heat).all() and heat.any()
    assert all(module.training for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())
    assert all(np.array_equal(a, before[name]) for name, a in network.state_dict().items())
