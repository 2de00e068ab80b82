"""The tests of test_layers.py that take a dtype, in float32."""

import numpy as np
import pytest

from tests.tinynet.ops.test_layers import (  # noqa: F401
    test_a_number_that_is_not_finite_goes_through_as_in_pytorch,
    test_output_and_gradients_are_pytorchs,
    test_output_and_gradients_are_the_formulas,
    test_the_same_call_gives_the_same_bits_and_leaves_its_inputs_alone,
)


@pytest.fixture
def dtype():
    return np.dtype(np.float32)
