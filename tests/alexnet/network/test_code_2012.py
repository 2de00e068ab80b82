"""The network that the authors' program of 2012 trained, against plain loops over numbers."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import tinynet as tn
from alexnet import build
from alexnet.network.build import make
from alexnet.network.plan import array_shapes, plan
from alexnet.network.variants import changed
from tests.alexnet.network.small_networks import plan_of
from tests.oracles.cases import relative_error

SIZE, WIDTH, CLASSES = 50, 0.08, 4  # conv1: 8 maps of 11 x 11, its last window hangs over by 1
END_OF_BLOCK_2 = "pool2"


# --- the arithmetic, number by number -------------------------------------------------------------


def maps(shape, number_at):
    y = np.empty(shape)
    for position in np.ndindex(shape):
        y[position] = number_at(*position)
    return y


def convolution(x, weight, bias, stride, padding, groups):
    """1 + ceil((size + 2 padding - kernel) / stride) outputs an axis; pixels outside are 0."""
    kernel, size = weight.shape[-1], x.shape[-1]
    outputs = 1 + math.ceil((size + 2 * padding - kernel) / stride)

    def number(n, o, i, j):
        total = bias[o]
        first = o // (len(weight) // groups) * weight.shape[1]
        for c, u, v in np.ndindex(weight.shape[1:]):
            h, w = i * stride + u - padding, j * stride + v - padding
            if 0 <= h < size and 0 <= w < size:
                total += weight[o, c, u, v] * x[n, first + c, h, w]
        return total

    return maps((len(x), len(weight), outputs, outputs), number)


def across_maps(x):
    """k 2, alpha 1e-4 / 5, beta 3/4; the window of five maps never leaves its tower."""
    tower = x.shape[1] // 2

    def number(n, c, i, j):
        near = [d for d in range(x.shape[1]) if abs(d - c) <= 2 and d // tower == c // tower]
        return x[n, c, i, j] / (2 + 1e-4 / 5 * sum(x[n, d, i, j] ** 2 for d in near)) ** 0.75

    return maps(x.shape, number)


def within_a_map(x):
    """k 1, alpha 1e-3 / 25, beta 3/4; a window of 5 x 5 pixels."""
    size = x.shape[-1]

    def number(n, c, i, j):
        near = [
            (h, w) for h, w in product(range(size), repeat=2) if max(abs(h - i), abs(w - j)) < 3
        ]
        return x[n, c, i, j] / (1 + 1e-3 / 25 * sum(x[n, c, h, w] ** 2 for h, w in near)) ** 0.75

    return maps(x.shape, number)


def largest_of_3_over_2(x):
    outputs, size = 1 + math.ceil((x.shape[-1] - 3) / 2), x.shape[-1]

    def number(n, c, i, j):
        cells = product(range(2 * i, 2 * i + 3), range(2 * j, 2 * j + 3))
        return max(x[n, c, h, w] for h, w in cells if h < size and w < size)

    return maps((*x.shape[:2], outputs, outputs), number)


def blocks_1_and_2(x, state):
    x = convolution(x, state["conv1.weight"], state["conv1.bias"], 4, 0, 1)
    x = np.maximum(largest_of_3_over_2(across_maps(x)), 0)
    x = convolution(x, state["conv2.weight"], state["conv2.bias"], 1, 2, 2)
    return largest_of_3_over_2(within_a_map(across_maps(np.maximum(x, 0))))


# --- the tests ------------------------------------------------------------------------------------


def loud_state(model):
    """Weights at which each normalisation divides by far more than its k."""
    random = np.random.default_rng(3)
    deviations = {"conv1.weight": 0.01, "conv1.bias": 10, "conv2.weight": 1, "conv2.bias": 50}
    state = model.state_dict()
    for name, deviation in deviations.items():
        state[name] = deviation * random.standard_normal(state[name].shape)
    return state


def first_blocks(model, images):
    x = tn.Tensor(images)
    for name, layer in model:
        x = layer(x)
        if name == END_OF_BLOCK_2:
            return x.numpy()


def test_blocks_1_and_2_are_the_published_arithmetic(backend):
    model = build("code-2012", CLASSES, SIZE, "float64", width=WIDTH)
    state = loud_state(model)
    model.load_state_dict(state)
    images = 5000 * np.random.default_rng(4).standard_normal((1, 3, SIZE, SIZE))
    y = first_blocks(model, images)
    assert y.shape == (1, 20, 2, 2)
    assert relative_error(y, blocks_1_and_2(images, state)) < 1e-12


def with_first_block(row, block):
    return replace(row, blocks=(block, *row.blocks[1:]))


def rounded_down(row):
    first, *others = row.convolutions
    return replace(row, convolutions=(replace(first, ceil_mode=False), *others))


OTHERS = {
    "LRN across the towers": lambda row: replace(row, lrn=replace(row.lrn, groups=1)),
    "the paper's alpha": lambda row: replace(row, lrn=replace(row.lrn, divide_by_size=False)),
    "Caffe's k": lambda row: replace(row, lrn=replace(row.lrn, k=1.0)),
    "a window of 3 x 3": lambda row: replace(row, same_map=replace(row.same_map, size=3)),
    "same-map k 2": lambda row: replace(row, same_map=replace(row.same_map, k=2.0)),
    "no same-map": lambda row: changed(row, norm="lrn"),
    "LRN after the pool": lambda row: with_first_block(row, "conv maxpool lrn relu"),
    "LRN after relu": lambda row: with_first_block(row, "conv relu lrn maxpool"),
    "conv1 rounded down": rounded_down,
}


@pytest.mark.parametrize("other", OTHERS)
def test_each_published_difference_shows_in_these_numbers(other):
    """So the test above would see each of them."""
    model = build("code-2012", CLASSES, SIZE, "float64", width=WIDTH)
    state = loud_state(model)
    model.load_state_dict(state)
    another = make(plan(OTHERS[other](model.spec), CLASSES, SIZE), np.float64)
    arrays = {name: array for name, array in state.items() if name.startswith("conv")}
    another.load_state_dict(arrays, strict=False)
    images = 5000 * np.random.default_rng(4).standard_normal((1, 3, SIZE, SIZE))
    assert relative_error(first_blocks(another, images), first_blocks(model, images)) > 1e-3


def test_the_maps_and_the_parameters_are_the_papers_at_224():
    layers = {layer.name: layer for layer in plan_of("code-2012")}
    names = "conv1 pool1 conv2 pool2 conv3 conv4 conv5 pool5 fc6 fc8".split()
    assert [layers[name].outputs for name in names] == [
        (96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13),
        (256, 13, 13), (256, 6, 6), (4096,), (1000,),
    ]  # fmt: skip
    shapes, _ = array_shapes(list(layers.values()))
    assert sum(map(math.prod, shapes.values())) == 60_965_224


def test_the_initial_weights_have_the_published_deviations_and_biases():
    state = build("code-2012", 10, width=0.25).state_dict()
    for number in range(1, 9):
        name = f"conv{number}" if number < 6 else f"fc{number}"
        deviation = 0.03 if number in (3, 4, 5) else 0.01
        assert state[f"{name}.weight"].std() == pytest.approx(deviation, rel=0.05)
        assert (state[f"{name}.bias"] == (number in (2, 4, 5, 6, 7))).all()


def test_dropout_masks_in_training_and_halves_in_test():
    model = build("code-2012", 10, 67, width=0.05)
    x = tn.Tensor(np.ones((1, 100), np.float32))
    assert set(model["dropout6"](x).numpy().ravel()) == {0.0, 1.0}
    assert set(model.eval()["dropout6"](x).numpy().ravel()) == {0.5}
