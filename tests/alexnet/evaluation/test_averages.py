"""Averaged predictions, against means by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet as tn
from alexnet.evaluation.averages import Network, averaged, measure


def softmax(logits):
    powers = np.exp(np.asarray(logits, np.float64))
    return powers / powers.sum(axis=1, keepdims=True)


@given(st.integers(1, 10), st.integers(1, 5), st.integers(1, 7), st.integers(0, 1 << 32))
def test_the_softmax_of_the_average_is_the_mean_of_the_softmaxes(members, images, classes, seed):
    logits = np.random.default_rng(seed).normal(0, 5, (members, images, classes))
    logits = logits.astype(np.float32)
    expected = np.mean([softmax(each) for each in logits], axis=0)
    assert softmax(averaged(list(logits))) == pytest.approx(expected, rel=1e-6)


def test_one_array_is_its_own_average():
    logits = np.array([[1e-30, 2e-30, 1]], np.float32)
    assert averaged([logits]) is logits


def test_a_probability_of_0_in_float32_has_a_finite_logarithm():
    mean = averaged([np.array([[0, 1000]], np.float32), np.array([[0, 2000]], np.float32)])
    assert mean[0] == pytest.approx([-1000 - np.log(2), 0])


class Model(tn.nn.Module):
    """Logits that are the first three numbers of each image, times a factor."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        assert not self.training
        return tn.reshape(x, (x.shape[0], -1))[:, :3] * self.factor


@pytest.fixture(autouse=True)
def numpy_backend():
    with tn.use_backend("numpy"):
        yield


def make_batches(views, labels, sizes):
    """views: (networks, crops, N, 3) logits"""
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        own = tn.Labels(labels[part], 3)
        yield tuple(
            ((tn.Tensor(crop[part].reshape(-1, 3, 1, 1)) for crop in crops), own) for crops in views
        )
        start += size


@pytest.mark.parametrize("crops", [1, 4])
@pytest.mark.parametrize("members", [1, 2, 3])
def test_each_network_and_the_average_are_means_over_all_images(members, crops):
    generator = np.random.default_rng(members)
    views = generator.normal(0, 2, (members, crops, 7, 3)).astype(np.float32)
    labels = generator.integers(0, 3, 7)
    factors = [1.0, 2.0, 0.5][:members]
    networks = [Network(Model(factor).train(), np.arange(3)) for factor in factors]
    centre = crops - 1
    results = measure(networks, make_batches(views, labels, (4, 3)), 3, centre)

    p = np.stack([softmax(f * v.reshape(-1, 3)) for f, v in zip(factors, views, strict=True)])
    p = p.reshape(members, crops, 7, 3)
    expected = {}
    for member in [*range(members), None][: members + (members > 1)]:
        group = p if member is None else p[[member]]
        expected[member, 1] = group[:, centre].mean(axis=0)
        expected[member, crops] = group.mean(axis=(0, 1))
    assert [(r.network, r.crops) for r in results] == list(expected)
    for result, mean in zip(results, expected.values(), strict=True):
        metrics = result.metrics
        assert metrics.loss == pytest.approx(-np.log(mean[np.arange(7), labels]).mean(), rel=1e-5)
        assert metrics.top1 == pytest.approx((mean.argmax(axis=1) == labels).mean())
        assert metrics.top5 == 1
    last, mean = results[-1].metrics.each, list(expected.values())[-1]
    assert last.predicted.tolist() == mean.argmax(axis=1).tolist()
    assert last.probabilities == pytest.approx(-np.sort(-mean, axis=1), rel=1e-5)
    assert all(result.metrics.each is None for result in results[:-1])


def test_networks_with_another_order_of_classes_are_averaged_by_class():
    views = np.zeros((2, 1, 2, 3), np.float32)
    views[0, 0] = [[9, 0, 0], [0, 0, 9]]  # classes a, b, c
    views[1, 0] = [[0, 9, 0], [9, 0, 0]]  # outputs c, a, b
    networks = [Network(Model(), np.arange(3)), Network(Model(), np.array([1, 2, 0]))]
    results = measure(networks, make_batches(views, np.array([0, 2]), (2,)), 3)
    assert [result.metrics.top1 for result in results] == [1, 1, 1]
    assert results[-1].metrics.loss == pytest.approx(results[0].metrics.loss)


def test_a_network_with_nan_outputs_has_a_loss_of_nan_and_no_correct_image():
    views = np.zeros((2, 1, 2, 3), np.float32)
    networks = [Network(Model(factor), np.arange(3)) for factor in (1.0, float("nan"))]
    results = measure(networks, make_batches(views, np.array([0, 2]), (2,)), 3)
    assert [np.isnan(result.metrics.loss) for result in results] == [False, True, True]
    assert results[1].metrics.top1 == 0
