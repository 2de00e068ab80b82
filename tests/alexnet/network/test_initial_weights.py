"""initialise: the distribution of every network's initial weights."""

import math

import numpy as np
import pytest

import tinynet as tn
from alexnet import SPECS, build
from alexnet.network.plan import smallest_image_size
from alexnet.network.variants import changed
from tests.alexnet.network.small_networks import NAMES, small, weights_of


def assert_normal(values, deviation):
    """Check mean and deviation, each to five times its standard error."""
    assert abs(values.mean()) <= 5 * deviation / math.sqrt(values.size)
    assert abs(values.std() / deviation - 1) <= 5 / math.sqrt(2 * values.size)
    assert abs(values).max() > 2 * deviation  # uniform numbers of this deviation end at 1.73


def assert_uniform(values, bound):
    assert abs(values).max() <= bound
    assert abs(values.std() * math.sqrt(3) / bound - 1) <= 5 / math.sqrt(values.size)


@pytest.mark.parametrize("name", [name for name in NAMES if SPECS[name].weights.rule == "normal"])
def test_published_weights_are_normal_and_biases_constant(name):
    weights = SPECS[name].weights
    arrays = weights_of(build(name, 100, smallest_image_size(SPECS[name]), width=0.25))
    layers = [key.removesuffix(".weight") for key in arrays if key.endswith(".weight")]
    for layer, deviation, bias in zip(layers, weights.deviations, weights.biases, strict=True):
        assert_normal(arrays[f"{layer}.weight"], deviation)
        assert np.all(arrays[f"{layer}.bias"] == np.float32(bias))


@pytest.mark.parametrize("name", ["paper", "torchvision", "cifar10"])
def test_he_has_deviation_sqrt_2_over_fan_in_and_no_biases(name):
    for key, values in weights_of(small(name, init="he", width=0.25, num_classes=100)).items():
        if key.endswith("bias"):
            assert not values.any()
        else:
            assert_normal(values, math.sqrt(2 / values[0].size))


def test_torchvision_is_uniform_with_bound_1_over_sqrt_fan_in_biases_too():
    weights = weights_of(small("torchvision", width=0.25, num_classes=100))
    for key, values in weights.items():
        fan_in = weights[key.replace("bias", "weight")][0].size
        assert_uniform(values, 1 / math.sqrt(fan_in))


def test_batch_norm_is_glorot_uniform_with_scales_of_1_and_no_biases():
    for key, values in weights_of(small("batch-norm", width=0.25, num_classes=100)).items():
        if key.endswith("bias"):
            assert not values.any()
        elif key.startswith("norm"):
            assert np.all(values == 1)
        else:
            fan_out = values.shape[0] * math.prod(values.shape[2:])
            assert_uniform(values, math.sqrt(6 / (values[0].size + fan_out)))


def test_init_replaces_the_specs_own_rule_and_published_keeps_it():
    assert changed(SPECS["paper"], init="glorot").weights.rule == "glorot"
    assert changed(SPECS["paper"], init="pytorch").weights == SPECS["torchvision"].weights
    assert changed(SPECS["paper"], init="published") == SPECS["paper"]


def test_weights_depend_on_the_seed_alone():
    tn.seed(1)
    first, again = weights_of(small("paper")), weights_of(small("paper"))
    tn.seed(2)
    other = weights_of(small("paper"))
    for key in first:
        assert np.array_equal(first[key], again[key])
        assert key.endswith("bias") or not np.array_equal(first[key], other[key])


def test_no_two_layers_share_their_numbers():
    weights = weights_of(small("paper", init="he"))
    firsts = [
        round(float(weights[key].flat[0] / weights[key].std()), 3) for key in weights if "w" in key
    ]
    assert len(set(firsts)) == len(firsts)


def test_float32_weights_are_the_float64_weights_rounded():
    for name in ("paper", "torchvision"):
        tn.seed(3)
        single, double = weights_of(small(name)), weights_of(small(name, dtype="float64"))
        for key in single:
            assert single[key].dtype == np.float32 and double[key].dtype == np.float64
            np.testing.assert_allclose(single[key], double[key], rtol=1e-6, atol=1e-8)
