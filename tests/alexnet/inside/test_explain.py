"""Every output explained is the engine's: its value, its slopes, its gradient."""

from fractions import Fraction

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.inside import explain, trace
from alexnet.network.plan import smallest_image_size

SPECS = ["paper", "code-2012", "torchvision", "batch-norm", "cifar10"]
CHANGES = {"activation": "tanh"}


def traced(spec, dtype=np.float64, **changes):
    """A small network with running statistics that are not 0 and 1, and its trace of two images."""
    tn.seed(0)
    generator = np.random.default_rng(0)
    size = smallest_image_size(alexnet.SPECS[spec]) + 6
    model = alexnet.build(spec, 5, size, np.dtype(dtype), width=0.125, init="he", **changes)
    for name, array in model.state_dict().items():
        if "running" in name or name.endswith("bias"):
            noise = generator.uniform(0.5, 1.5, array.shape).astype(dtype)
            model.load_state_dict(model.state_dict() | {name: noise})
    images = generator.standard_normal((2, 3, size, size)).astype(dtype)
    return trace(model, tn.Tensor(images))


def places(shape):
    """The first, the last and a middle output."""
    ends = (0,) * len(shape), tuple(n - 1 for n in shape), tuple(n // 2 for n in shape)
    return sorted(set(ends))


def slopes_by_the_engine(layer, at, image):
    """dy / dx for all of the layer's inputs, from its own backward."""
    x = tn.Tensor(layer.x[image : image + 1], requires_grad=True)
    y = layer.layer(x)
    wanted = np.zeros(y.shape, y.dtype)
    wanted[(0, *at)] = 1
    y.backward(wanted)
    return tn.get_backend().to_numpy(x.grad)[0]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("changes", [{}, CHANGES], ids=["published", "tanh"])
def test_each_layers_arithmetic_is_its_output_and_its_gradient(spec, changes):
    seen = traced(spec, **changes)
    assert {layer.kind for layer in seen} >= {"Conv2d", "Linear", "Flatten"}
    for layer in seen:
        layer.layer.eval()
        for at in places(layer.y.shape[1:]):
            explained = explain(seen, layer.name, at, image=1)
            steps = explained.arithmetic
            assert explained.value == layer.y[(1, *at)]
            assert float(steps.exact) == pytest.approx(explained.value, rel=1e-11, abs=1e-13)
            slopes = slopes_by_the_engine(layer, at, 1)
            ours, inside, outside = np.zeros(slopes.shape), [], []
            for corner, count, size in zip(
                steps.corner, steps.slopes.shape, slopes.shape, strict=True
            ):
                inside.append(slice(max(-corner, 0), min(count, size - corner)))
                outside.append(slice(max(corner, 0), min(corner + count, size)))
            ours[tuple(outside)] = steps.slopes[tuple(inside)]
            assert np.allclose(ours, slopes, rtol=1e-9, atol=1e-12), (layer.name, at)


def test_the_gradient_is_that_of_the_loss_through_this_output():
    seen = traced("paper")
    explained = explain(seen, "conv3", (2, 1, 1), image=1, label=4)
    gradient, layer, h = explained.gradient, seen["conv3"], 1e-6

    def loss(change):
        y = layer.y[1:2].copy()
        y[0, 2, 1, 1] += change
        tensor = tn.Tensor(y)
        for other in seen.layers[seen.layers.index(layer) + 1 :]:
            tensor = other.layer(tensor)
        return tn.softmax_cross_entropy(tensor, np.array([4])).item()

    seen.model.eval()
    assert gradient.by_output == pytest.approx((loss(h) - loss(-h)) / (2 * h), rel=1e-5)
    assert np.array_equal(gradient.by_inputs, gradient.by_output * layer.arrays["weight"][2])
    assert np.array_equal(gradient.by_weights, gradient.by_output * explained.arithmetic.read)


def test_explaining_leaves_the_model_as_it_was():
    seen = traced("paper")
    before = [(module, module.training) for module in seen.model.modules()]
    explain(seen, "conv2", (0, 0, 0), label=1)
    assert all(module.training == training for module, training in before)
    assert all(p.requires_grad and p.grad is None for p in seen.model.parameters())


def test_every_backend_and_algorithm_is_named_with_its_distance():
    seen = traced("paper", np.float32)
    found = {each.by: each for each in explain(seen, "conv3", (2, 1, 1)).computed}
    assert {"numpy, im2col", "numpy, winograd"} <= set(found)
    exact = explain(seen, "conv3", (2, 1, 1)).arithmetic.exact
    for each in found.values():
        spacing = float(np.spacing(np.float32(abs(float(exact)))))
        assert each.units == pytest.approx(float(Fraction(each.value) - exact) / spacing)
        assert abs(each.units) < 200


@pytest.mark.parametrize("spec", ["code-2012", "batch-norm"])
def test_three_backends_stand_beside_each_other_for_each_kind_of_layer(spec, on_gpu):
    seen = traced(spec, np.float32)
    for layer in {layer.kind: layer for layer in seen}.values():
        # The largest output: where a sum cancels, rounding is many units of the rest.
        at = tuple(map(int, np.unravel_index(np.abs(layer.y[0]).argmax(), layer.y.shape[1:])))
        found = {each.by: each.units for each in explain(seen, layer.name, at).computed}
        assert {by.partition(",")[0] for by in found} == {"numpy", "numba", "cupy"}, layer.name
        assert max(map(abs, found.values())) < 100, (layer.name, found)


def test_a_wrong_kernel_shows(monkeypatch):
    numpy = tn.get_backend("numpy")
    right = numpy.conv2d

    def without_the_last_column(x, weight, bias, stride, padding, groups, y):
        weight = weight.copy()
        weight[:, :, :, -1] = 0
        right(x, weight, bias, stride, padding, groups, y)

    monkeypatch.setattr(numpy, "conv2d", without_the_last_column)
    found = {
        each.by: each.units
        for each in explain(traced("paper", np.float32), "conv1", (2, 1, 1)).computed
    }
    wrong = found.pop("numpy, im2col")
    assert abs(wrong) > 1e4
    assert all(abs(units) < 200 for units in found.values())


def test_wrong_places_and_names_are_errors_in_words():
    seen = traced("cifar10")
    with pytest.raises(KeyError, match="there is no layer 'conv9'; there are conv1, "):
        explain(seen, "conv9", (0, 0, 0))
    for at in ((0,), (99, 0, 0), (0, -1, 0)):
        with pytest.raises(
            ValueError, match=r"conv1 has no output at .*its outputs are \(4, 14, 14\)"
        ):
            explain(seen, "conv1", at)
    with pytest.raises(TypeError, match=r"trace: x is ndarray; tn.Tensor\(images\) fits"):
        trace(seen.model, np.zeros((1, 3, 32, 32), np.float32))
