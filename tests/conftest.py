"""What many tests share: a backend, a dtype, and random numbers left as they were found."""

import numpy as np
import pytest

import tinynet as tn
from tinynet import random


@pytest.fixture(params=tn.available_backends())
def backend(request):
    """Each backend that can be used here, as the default while the test runs."""
    with tn.use_backend(request.param):
        yield request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Both dtypes that layers compute in."""
    return np.dtype(request.param)


@pytest.fixture(autouse=True)
def random_state_as_before():
    """A test may call tn.seed; the next one does not see it."""
    state = random.get_state()
    yield
    random.set_state(state)
