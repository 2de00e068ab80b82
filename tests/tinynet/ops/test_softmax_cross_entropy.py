"""Softmax and the loss: large logits, both kinds of labels, the value at the start of training."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, spaced


def test_equal_logits_lose_the_logarithm_of_the_number_of_classes(backend, dtype):
    loss = tn.softmax_cross_entropy(tn.Tensor(np.full((4, 1000), 7, dtype)), np.arange(4))
    assert loss.shape == () and loss.dtype == dtype
    assert loss.item() == pytest.approx(np.log(1000), rel=1e-6)


def test_large_logits_do_not_overflow(backend, dtype):
    logits = tn.Tensor(np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype), requires_grad=True)
    assert np.allclose(tn.softmax(logits).numpy(), [[1, 0, 0], [1 / 3] * 3])
    loss = tn.softmax_cross_entropy(logits, np.array([1, 2]))
    loss.backward()
    assert loss.item() == pytest.approx((1e4 + np.log(3)) / 2, rel=1e-6)
    assert np.allclose(on_host(logits.grad), [[0.5, -0.5, 0], [1 / 6, 1 / 6, -1 / 3]])


@pytest.mark.parametrize("place", [0, 100, 200, 299])
def test_the_largest_of_many_logits_is_found_wherever_it_is(place, backend, dtype):
    logits = np.zeros((2, 300), dtype)
    logits[1, place] = 5000
    tensor = tn.Tensor(logits)
    assert np.array_equal(tn.softmax(tensor).numpy()[1], logits[1] > 0)
    assert tn.softmax_cross_entropy(tensor, [0, place]).item() == pytest.approx(np.log(300) / 2)


def test_labels_are_checked_once(backend):
    """Labels() refuses labels out of range; the loss refuses Labels of other classes."""
    logits = tn.Tensor(spaced((3, 7)))
    labels = tn.Labels([4, 0, 6], 7)
    assert len(labels) == 3
    by_array = tn.softmax_cross_entropy(logits, [4, 0, 6]).item()
    assert tn.softmax_cross_entropy(logits, labels).item() == by_array
    assert tn.softmax_cross_entropy(logits, tn.Labels([0, 1, 2], 3)).item() == (
        tn.softmax_cross_entropy(logits, [0, 1, 2]).item()
    )
    with pytest.raises(ValueError, match=r"labels\[1\] is 7; with 7 classes .* from 0 to 6"):
        tn.Labels([4, 7], 7)
    with pytest.raises(TypeError, match="labels are float64"):
        tn.Labels([0.5], 7)
    with pytest.raises(ValueError, match=r"Labels: host has shape \(2, 1\); \(N,\) fits"):
        tn.Labels([[4], [0]], 7)
    with pytest.raises(TypeError, match="Labels: classes must be an int, got '7'"):
        tn.Labels([4, 0], "7")
    with pytest.raises(ValueError, match=r"Labels of 8 classes.*classes=7"):
        tn.softmax_cross_entropy(logits, tn.Labels([4, 0, 6], 8))
    with pytest.raises(ValueError, match=r"labels have shape \(2,\)"):
        tn.softmax_cross_entropy(logits, tn.Labels([4, 0], 7))


@pytest.mark.parametrize(
    "device, error, message",
    [
        ([4, 0, 6], TypeError, "device is a list; an array of backend"),
        ("160", TypeError, "device is a str"),
        (np.array([4, 0, 6], np.int32), TypeError, "device is int32; int64"),
        (np.array([4, 0, 6], np.uint64), TypeError, "device is uint64"),
        (np.array([4.0, 0, 6]), TypeError, "device is float64"),
        (np.array([4, 0, 0, 0, 6, 0])[::2], TypeError, "in C order"),
        (np.array([4, 0]), ValueError, r"device has shape \(2,\), host \(3,\)"),
        (np.array([[4, 0, 6]]), ValueError, r"device has shape \(1, 3\)"),
    ],
)
def test_labels_on_the_device_are_an_array_like_those_on_the_processor(device, error, message):
    with tn.use_backend("numpy"), pytest.raises(error, match=message):
        tn.Labels([4, 0, 6], 7, device)


def test_labels_on_the_device_are_taken(backend):
    kernels = tn.get_backend()
    device = kernels.from_numpy(np.array([4, 0, 6]))
    logits = tn.Tensor(spaced((3, 7)))
    expected = tn.softmax_cross_entropy(logits, [4, 0, 6]).item()
    assert tn.softmax_cross_entropy(logits, tn.Labels([4, 0, 6], 7, device)).item() == expected


def test_labels_of_another_backend_are_refused(on_gpu):
    with tn.use_backend("numpy"):
        labels = tn.Labels([4, 0, 6], 7)
    with pytest.raises(TypeError, match="Labels lie on another backend .* cupy"):
        tn.softmax_cross_entropy(tn.Tensor(spaced((3, 7))), labels)


def test_labels_are_an_array_a_tensor_or_a_list_of_any_integers(backend):
    logits = spaced((3, 7))
    expected = tn.softmax_cross_entropy(tn.Tensor(logits), np.array([4, 0, 6])).item()
    for labels in (
        np.array([4, 0, 6], np.uint8),
        np.array([4, 0, 6], np.int32),
        tn.Tensor(np.array([4, 0, 6])),
        [4, 0, 6],
    ):
        assert tn.softmax_cross_entropy(tn.Tensor(logits), labels).item() == expected


def test_each_row_of_the_gradient_sums_to_zero(backend):
    logits = tn.Tensor(spaced((3, 7)), requires_grad=True)
    tn.softmax_cross_entropy(logits, np.array([4, 0, 6])).backward()
    assert np.allclose(on_host(logits.grad).sum(axis=1), 0, atol=1e-16)


# --- options; their formulas are cases of cases.py ---


def test_options_that_change_nothing_give_the_same_loss(backend):
    logits, labels = spaced((3, 7)), np.array([4, 0, 6])
    results = []
    for options in ({}, {"weight": np.ones(7)}, {"ignore_index": -100}, {"label_smoothing": 0}):
        x = tn.Tensor(logits, requires_grad=True)
        loss = tn.softmax_cross_entropy(x, labels, **options)
        loss.backward()
        results.append(np.append(on_host(x.grad), loss.item()))
    for result in results[1:]:
        assert np.allclose(result, results[0], rtol=1e-14, atol=1e-16)


def test_one_hot_soft_labels_are_labels(backend, dtype):
    logits, labels = tn.Tensor(spaced((3, 7)).astype(dtype)), np.array([4, 0, 6])
    loss = tn.softmax_cross_entropy(logits, np.eye(7, dtype=dtype)[labels])
    assert loss.dtype == dtype
    assert loss.item() == pytest.approx(tn.softmax_cross_entropy(logits, labels).item(), rel=1e-6)


def test_ignored_rows_have_neither_loss_nor_gradient_and_do_not_count(backend):
    logits = spaced((4, 7))
    logits[1] = np.nan
    x, kept = tn.Tensor(logits, requires_grad=True), tn.Tensor(logits[[0, 2]], requires_grad=True)
    loss = tn.softmax_cross_entropy(x, [4, -1, 6, -1], ignore_index=-1)
    expected = tn.softmax_cross_entropy(kept, [4, 6])
    loss.backward()
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-14)
    assert np.allclose(on_host(x.grad)[[0, 2]], on_host(kept.grad), rtol=1e-13)
    assert not on_host(x.grad)[[1, 3]].any()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_mean_over_no_label_is_nan_and_the_sum_is_0(backend):
    x = tn.Tensor(spaced((2, 7)), requires_grad=True)
    assert np.isnan(tn.softmax_cross_entropy(x, [3, 3], ignore_index=3).item())
    loss = tn.softmax_cross_entropy(x, [3, 3], ignore_index=np.int64(3), reduction="sum")
    loss.backward()
    assert loss.item() == 0 and not on_host(x.grad).any()


def test_a_class_that_cannot_be_has_a_logit_of_minus_infinity(backend):
    x = tn.Tensor([[1.0, -np.inf, 2.0]], requires_grad=True)
    loss = tn.softmax_cross_entropy(x, [0], weight=np.array([1, 2, 3], np.float32))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(1 + np.e), rel=1e-6)
    assert np.isfinite(on_host(x.grad)).all()


def test_labels_checked_once_take_options_too(backend):
    logits = tn.Tensor(spaced((3, 7)))
    for options in ({"label_smoothing": 0.1}, {"ignore_index": 6}, {"reduction": "none"}):
        ours = tn.softmax_cross_entropy(logits, tn.Labels([4, 0, 6], 7), **options)
        expected = tn.softmax_cross_entropy(logits, [4, 0, 6], **options)
        assert np.array_equal(ours.numpy(), expected.numpy())


def test_large_logits_do_not_overflow_with_options(backend, dtype):
    logits = tn.Tensor(np.array([[1e4, 0, -1e4]], dtype))
    loss = tn.softmax_cross_entropy(logits, [1], reduction="sum")
    assert loss.item() == pytest.approx(1e4, rel=1e-6)
