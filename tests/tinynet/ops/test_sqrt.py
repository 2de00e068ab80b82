"""Square root: at 0 and below."""

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_slope_at_0_is_infinite_and_below_0_there_is_no_root(backend, dtype):
    x = tn.Tensor(np.array([4, 0, -1], dtype), requires_grad=True)
    y = tn.sqrt(x)
    y.sum().backward()
    assert y.dtype == dtype
    assert np.array_equal(y.numpy(), [2, 0, np.nan], equal_nan=True)
    assert np.array_equal(on_host(x.grad), [0.25, np.inf, np.nan], equal_nan=True)
