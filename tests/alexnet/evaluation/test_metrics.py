"""Ranks, top-k and the means over batches."""

import contextlib
import math

import numpy as np
import pytest

import tinynet as tn
from alexnet.evaluation.metrics import Tally, evaluate, in_test_mode, log_probabilities, ranks


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
    metrics = evaluate(model, batches, 6)

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
    assert metrics.each is None


def test_of_each_image_the_rank_and_the_most_probable_classes_are_kept():
    generator = np.random.default_rng(1)
    logits, labels = generator.normal(0, 3, (7, 6)).astype(np.float32), generator.integers(0, 6, 7)
    tally = Tally(6, each_image=True)
    for part in (slice(0, 5), slice(5, 7)):
        tally.add(0.5, logits[part], labels[part])
    each = tally.metrics().each
    order = np.argsort(-logits, axis=1, kind="stable")
    powers = np.exp(logits.astype(np.float64))
    shares = powers / powers.sum(axis=1, keepdims=True)
    assert each.classes.tolist() == order[:, :5].tolist()
    assert each.probabilities == pytest.approx(np.take_along_axis(shares, order, 1)[:, :5])
    rows = zip(order.tolist(), labels, strict=True)
    assert each.ranks.tolist() == [row.index(label) for row, label in rows]
    assert each.predicted.tolist() == order[:, 0].tolist()
    assert each.confidence.tolist() == each.probabilities[:, 0].tolist()


def test_log_probabilities_are_finite_where_probabilities_of_float32_are_0():
    logits = np.array([[0, 1000, -1000], [5, 5, 5]], np.float32)
    assert log_probabilities(logits) == pytest.approx(
        np.array([[-1000, 0, -2000], [-math.log(3)] * 3])
    )
    broken = np.array([[np.inf, 0], [np.nan, 0]], np.float32)
    assert np.isnan(log_probabilities(broken)).all()


@pytest.mark.parametrize("fails", [False, True])
def test_every_module_has_its_own_mode_again_afterwards(fails):
    model = tn.nn.Sequential(tn.nn.Flatten(), tn.nn.BatchNorm2d(3), tn.nn.Dropout())
    model.outer = tn.nn.Sequential(tn.nn.Dropout(), tn.nn.BatchNorm2d(3)).eval()
    model.outer[0].training = True
    model[1].eval()  # frozen
    before = [module.training for module in model.modules()]
    assert before == [True, True, False, True, False, True, False]
    with pytest.raises(ZeroDivisionError) if fails else contextlib.nullcontext():
        with in_test_mode(model):
            assert not any(module.training for module in model.modules())
            assert not (tn.nn.Parameter([1.0]) * 2).requires_grad
            if fails:
                raise ZeroDivisionError
    assert [module.training for module in model.modules()] == before


def test_a_frozen_batch_norm_stays_frozen_after_evaluate():
    with tn.use_backend("numpy"):
        model = tn.nn.Sequential(tn.nn.BatchNorm2d(3), tn.nn.Flatten())
        model[0].eval()
        batch = tn.Tensor(np.ones((2, 3, 1, 1), np.float32)), tn.Labels([0, 1], 3)
        evaluate(model, [batch], 3)
        model(batch[0])
    assert model.training and not model[0].training
    assert model[0].running_mean.numpy().tolist() == [0, 0, 0]


def test_a_network_of_three_classes_with_nan_outputs_has_no_top5():
    batch = tn.Tensor(np.zeros((2, 3, 1, 1), np.float32)), tn.Labels([0, 1], 3)

    class Broken(tn.nn.Module):
        def forward(self, x):
            return tn.reshape(x, (2, 3)) * float("nan")

    metrics = evaluate(Broken(), [batch], 3)
    assert metrics.top1 == metrics.top5 == 0
