"""The files of the page: arrays come back as they were, and a unit's largest products are named."""

import base64

import numpy as np
import pytest

import tinynet as tn
from alexnet.inside import trace
from alexnet.inside.page_files import (
    LARGEST,
    encoded,
    largest_terms,
    layer_facts,
    output_files,
    parameter_files,
    script,
)
from tinynet import nn


def decoded(array):
    (name,) = set(array) - {"shape"}
    return np.frombuffer(base64.b64decode(array[name]), f"<{np.dtype(name).str[1:]}").reshape(
        array["shape"]
    )


@pytest.fixture
def seen():
    tn.seed(0)
    model = nn.Sequential(
        [
            ("conv1", nn.Conv2d(3, 4, 3)),
            ("relu1", nn.ReLU()),
            ("flatten", nn.Flatten()),
            ("fc2", nn.Linear(4 * 25, 6)),
        ]
    )
    x = np.random.default_rng(0).standard_normal((2, 3, 7, 7)).astype(np.float32)
    return trace(model, tn.Tensor(x))


def test_arrays_keep_their_bits_shape_and_dtype():
    generator = np.random.default_rng(0)
    for dtype in (np.float32, np.uint16, np.int32, np.uint8):
        array = (100 * generator.random((2, 3, 4))).astype(dtype)
        for layout in (
            array,
            array.transpose(2, 0, 1),
            array[:, ::2],
            array.astype(array.dtype.newbyteorder(">")),
        ):
            back = decoded(encoded(layout))
            assert back.dtype == dtype and np.array_equal(back, layout)


def test_every_output_travels_as_the_trace_has_it(seen):
    files = dict(output_files(seen, 1))
    assert list(files) == ["image", "conv1", "relu1", "flatten", "fc2", "fc2-terms"]
    assert np.array_equal(decoded(files["image"]), seen["conv1"].x[1])
    for layer in seen:
        assert np.array_equal(decoded(files[layer.name]), layer.y[1])


def test_dense_weights_stay_at_home(seen):
    files = dict(parameter_files(seen))
    assert set(files["fc2"]) == {"bias"} and set(files["conv1"]) == {"weight", "bias"}
    assert np.array_equal(decoded(files["conv1"]["weight"]), seen["conv1"].arrays["weight"])


def test_the_largest_products_of_each_unit(seen):
    layer = seen["fc2"]
    found = {name: decoded(array) for name, array in largest_terms(layer, 1).items()}
    assert found["places"].shape == (6, LARGEST)
    for unit, weight in enumerate(layer.arrays["weight"].astype(np.float64)):
        products = weight * layer.x[1]
        order = np.argsort(-np.abs(products), kind="stable")[:LARGEST]
        assert found["places"][unit].tolist() == order.tolist()
        assert np.allclose(found["products"][unit], products[order], rtol=1e-6)
        in_order = products[np.argsort(-np.abs(products), kind="stable")]
        for count, total in zip(found["counts"], found["sums"][unit], strict=True):
            assert total == pytest.approx(in_order[:count].sum(), rel=1e-6, abs=1e-7)
    assert found["counts"].tolist() == [1, 4, 16, 64, 100]


def test_a_unit_of_few_inputs_has_all_its_products():
    traced = trace(
        nn.Sequential([("fc1", nn.Linear(3, 2))]),
        tn.Tensor(np.array([[1, -2, 0]], np.float32)),
    )["fc1"]
    found = {name: decoded(array) for name, array in largest_terms(traced).items()}
    assert found["places"].shape == (2, 3) and found["counts"].tolist() == [1, 3]
    assert found["sums"][:, -1] == pytest.approx(found["products"].sum(axis=1))


def test_facts_count_zeros_and_silent_maps(seen):
    layer = seen["relu1"]
    y = layer.y[1].copy()
    y[2] = 0
    layer.y[1] = y
    facts = layer_facts(layer, 1)
    assert facts["zero"] == pytest.approx((y == 0).mean()) and facts["silent"] == 1
    assert sum(facts["histogram"]) == y.size
    assert (facts["low"], facts["high"], facts["change"]) == (y.min(), y.max(), None)
    above = y.copy()
    above[1, 2, 3] += 100
    assert layer_facts(layer, 1, above)["change"] == pytest.approx(100)


def test_facts_name_the_algorithm_of_a_convolution(seen):
    assert layer_facts(seen["conv1"])["algorithm"] == "im2col"
    assert layer_facts(seen["relu1"])["algorithm"] is None
    with tn.conv_algorithm("winograd"):
        assert layer_facts(seen["conv1"])["algorithm"] == "winograd"


def test_a_script_hands_over_its_value_whatever_is_in_it():
    assert script("c0/a", {"b": 'quote " and </script>'}) == (
        'explore.receive("c0/a", {"b": "quote \\" and </script>"});\n'
    )
