"""The logarithm of softmax: large logits, and probabilities too small for a float."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import relative_error, spaced


@pytest.mark.filterwarnings("error")
def test_large_logits_do_not_overflow_and_small_probabilities_have_a_logarithm(backend, dtype):
    y = tn.log_softmax(tn.Tensor(np.array([[1e4, 0, -1e4], [-1e4, -1e4, -1e4]], dtype)))
    assert y.dtype == dtype
    assert np.allclose(y.numpy(), [[0, -1e4, -2e4], [-np.log(3)] * 3], rtol=1e-6)


def test_it_is_the_logarithm_of_softmax(backend):
    logits = tn.Tensor(spaced((3, 7)))
    assert (
        relative_error(tn.log_softmax(logits).numpy(), np.log(tn.softmax(logits).numpy())) < 1e-14
    )


def test_the_loss_is_its_mean_at_the_labels(backend):
    logits = tn.Tensor(spaced((3, 7)))
    picked = tn.log_softmax(logits)[np.arange(3), np.array([4, 0, 6])]
    assert tn.softmax_cross_entropy(logits, [4, 0, 6]).item() == pytest.approx(
        -picked.mean().item()
    )
