"""The lines of a kernel that ran, with the numbers that they made."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from alexnet.inside import trace
from alexnet.inside.line_by_line import KERNELS, lines
from tinynet import nn


@pytest.fixture
def seen():
    tn.seed(0)
    model = nn.Sequential(
        [
            ("conv1", nn.Conv2d(3, 4, 3, padding=1)),
            ("relu1", nn.ReLU()),
            ("norm1", nn.LocalResponseNorm()),
            ("flatten", nn.Flatten()),
            ("fc2", nn.Linear(4 * 25, 2)),
        ]
    )
    x = np.random.default_rng(0).standard_normal((2, 3, 5, 5)).astype(np.float32)
    return trace(model, tn.Tensor(x))


def test_every_line_is_the_source_at_its_number(seen):
    for layer in ("conv1", "relu1", "norm1", "fc2"):
        ran = lines(seen[layer], (0,) * (seen[layer].y.ndim - 1), image=1)
        assert ran
        for line in ran:
            source = (KERNELS / line.file).read_text().splitlines()
            assert line.source == source[line.number - 1]


def test_the_number_appears_where_the_kernel_makes_it(seen):
    (line,) = [
        line for line in lines(seen["relu1"], (2, 3, 4), image=1) if "np.maximum" in line.source
    ]
    assert f"at [0, 2, 3, 4] {seen['relu1'].y[1, 2, 3, 4]:.9g}" in line.changed["y"]


def test_loops_count_their_turns(seen):
    ran = [line for line in lines(seen["conv1"], (0, 0, 0)) if "columns[:, u, v] =" in line.source]
    assert [line.turn for line in ran] == list(range(1, 10))  # 3 x 3 places of the kernel


def test_functions_that_the_kernel_calls_are_walked_too(seen):
    functions = {line.function for line in lines(seen["norm1"], (0, 0, 0))}
    assert functions == {"local_response_norm", "_scale", "_window_sum"}


def test_a_layer_without_a_kernel_has_no_lines(seen):
    assert lines(seen["flatten"], (0,)) == []


def test_pythons_own_trace_function_is_back_afterwards(seen):
    def other(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(other)
    try:
        lines(seen["relu1"], (0, 0, 0))
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)


def test_the_kernels_lie_where_the_numpy_backend_is():
    assert Path(tn.get_backend("numpy").__file__).parent == KERNELS
