"""Ranks, top-k and the means over batches."""

import numpy as np
import pytest

import tinynet as tn
from alexnet.evaluation.metrics import evaluate, ranks


def test_a_rank_is_the_number_of_more_likely_classes():
    logits = np.array([[0.1, 0.9, 0.5], [3.0, 1.0, 2.0], [-1.0, -2.0, -3.0]])
    assert ranks(logits, np.array([2, 1, 0])).tolist() == [1, 2, 0]


def test_equal_logits_rank_the_classes_in_order():
    assert ranks(np.zeros((4, 4)), np.arange(4)).tolist() == [0, 1, 2, 3]


def test_nan_logits_are_never_correct():
    logits = np.array([[np.nan, 1.0, 0.0], [np.nan] * 3, [0.0, 1.0, np.nan]])
    assert ranks(logits, np.array([1, 0, 2])).tolist() == [1, 3, 3]


class Model(tn.nn.Module):
    """Logits that are the first six numbers of each image."""

    def forward(self, x):
        assert not self.training
        return tn.reshape(x, (x.shape[0], -1))[:, :6]


def test_metrics_are_means_over_images_not_over_batches():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (7, 3, 2, 2), dtype=np.uint8)
    labels = generator.integers(0, 6, 7)
    x = images.astype(np.float32) / 32
    parts = slice(0, 5), slice(5, 7)
    batches = [(tn.Tensor(x[part]), tn.Labels(labels[part], 6)) for part in parts]
    model = Model().train()
    metrics = evaluate(model, batches, 6, each_image=True)

    logits = images.reshape(7, -1)[:, :6] / 32
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(7), labels]
    order = np.argsort(-logits, axis=1, kind="stable")
    assert metrics.loss == pytest.approx(losses.mean(), rel=1e-5)
    assert metrics.top1 == pytest.approx((order[:, 0] == labels).mean())
    assert metrics.top5 == pytest.approx((order[:, :5] == labels[:, None]).any(axis=1).mean())
    assert metrics.images.tolist() == np.bincount(labels, minlength=6).tolist()
    correct = np.bincount(labels[order[:, 0] == labels], minlength=6)
    assert metrics.correct.tolist() == correct.tolist()
    assert model.training
    assert metrics.predicted.tolist() == order[:, 0].tolist()
    powers = np.exp(logits)
    assert metrics.confidence == pytest.approx((powers / powers.sum(1)[:, None]).max(1), rel=1e-5)
    plain = evaluate(model, batches, 6)
    assert plain.predicted is None and plain.confidence is None
    assert (plain.loss, plain.top1, plain.top5) == (metrics.loss, metrics.top1, metrics.top5)


def test_a_network_of_three_classes_with_nan_outputs_has_no_top5():
    batch = tn.Tensor(np.zeros((2, 3, 1, 1), np.float32)), tn.Labels([0, 1], 3)

    class Broken(tn.nn.Module):
        def forward(self, x):
            return tn.reshape(x, (2, 3)) * float("nan")

    metrics = evaluate(Broken(), [batch], 3)
    assert metrics.top1 == metrics.top5 == 0
