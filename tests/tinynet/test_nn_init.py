"""Initial weights: what layers start with, and what nn.init draws."""

import math

import numpy as np
import pytest

import tinynet as tn
from tinynet import nn, random


def layers(dtype=np.float32):
    return [
        nn.Conv2d(6, 40, (3, 5), groups=2, dtype=dtype),
        nn.Linear(45, 300, dtype=dtype),
        nn.Linear(45, 300, dtype=dtype),
    ]


def weights(seed):
    tn.seed(seed)
    return [p.numpy().tobytes() for layer in layers() for p in layer.parameters()]


def test_layers_start_uniform_with_bound_1_over_sqrt_fan_in_biases_too(dtype):
    for layer in layers(dtype):
        bound = 1 / math.sqrt(3 * 3 * 5)  # 45 inputs an output in all three
        for parameter in layer.parameters():
            numbers = parameter.numpy()
            assert numbers.dtype == dtype and abs(numbers).max() <= bound
            spread = 5 / math.sqrt(numbers.size)
            assert abs(numbers.std() * math.sqrt(3) / bound - 1) <= spread
            assert abs(numbers.mean()) <= spread * bound / math.sqrt(3)


def test_each_layer_starts_with_numbers_of_its_own_that_follow_from_the_seed(backend):
    first = weights(1)
    assert len(set(first)) == 6
    assert weights(1) == first and not set(weights(2)) & set(first)
    with tn.use_backend("numpy"):
        assert weights(1) == first


def test_layers_share_no_number_with_parameters_that_have_an_index():
    tn.seed(1)
    single, indexed = nn.Linear(3, 2).weight, nn.Parameter(np.zeros((2, 3), np.float32))
    nn.init.uniform(indexed, 1 / math.sqrt(3), index=0)
    assert not set(single.numpy().flat) & set(indexed.numpy().flat)


def test_layers_go_on_from_a_random_state():
    tn.seed(5)
    nn.Linear(3, 2)
    random.next_dropout_draw()
    state = random.get_state()
    assert state == {"seed": 5, "dropout_draws": 1, "layer_draws": 2}
    unbroken = nn.Linear(3, 2).weight.numpy()
    tn.seed(6)
    random.set_state(state)
    assert np.array_equal(nn.Linear(3, 2).weight.numpy(), unbroken)
    random.set_state({"seed": 5, "dropout_draws": 1})  # of a file without the count
    assert np.array_equal(nn.Linear(3, 2).weight.numpy(), first_weight(5))


def first_weight(seed):
    tn.seed(seed)
    return nn.Linear(3, 2).weight.numpy()


def test_layers_whose_weights_are_not_drawn_are_0_and_count_nothing():
    tn.seed(5)
    for layer in (nn.Linear(3, 2, draw=False), nn.Conv2d(3, 2, 1, draw=False)):
        assert not layer.weight.numpy().any() and not layer.bias.numpy().any()
    assert random.get_state() == {"seed": 5, "dropout_draws": 0}
    assert np.array_equal(nn.Linear(3, 2).weight.numpy(), first_weight(5))


def test_layers_without_inputs_or_bias_can_be_made():
    assert nn.Linear(0, 2).weight.shape == (2, 0)
    assert nn.Linear(3, 2, bias=False).weight.numpy().any()


def bars(count, generator):
    """Noisy images (count, 1, 28, 28) of one bar, and its direction: -, |, \\ or /."""
    labels = generator.integers(0, 4, count)
    images = generator.normal(0, 0.5, (count, 1, 28, 28)).astype(np.float32)
    along = np.arange(16)
    for image, label in zip(images[:, 0], labels, strict=True):
        row, column = generator.integers(0, 12, 2)
        rows = row + along * (label != 0)
        columns = column + (0 if label == 1 else 15 - along if label == 3 else along)
        image[rows, columns] += 3
        image[rows + 1, columns + 1] += 3
    return images, labels


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_lenet_learns_from_the_weights_that_it_starts_with(activation):
    tn.seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), activation(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), activation(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, 4),
    )  # fmt: skip
    sgd = tn.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    generator = np.random.default_rng(0)
    for _ in range(75):
        images, labels = bars(32, generator)
        loss = tn.softmax_cross_entropy(model(tn.Tensor(images)), tn.Labels(labels, 4))
        sgd.zero_grad()
        loss.backward()
        sgd.step()
    images, labels = bars(200, generator)
    chosen = model.eval()(tn.Tensor(images)).numpy().argmax(axis=1)
    assert (chosen == labels).mean() > 0.9


# --- nn.init --------------------------------------------------------------------------------------


def test_initial_weights_depend_on_the_seed_and_the_index_alone(backend):
    def weights(seed, index, dtype=np.float32):
        tn.seed(seed)
        parameter = nn.Parameter(np.zeros((20, 30), dtype))
        nn.init.normal(parameter, 0.01, index=index)
        return parameter.numpy()

    first = weights(1, 0)
    random.next_dropout_draw()
    assert np.array_equal(weights(1, 0), first)
    assert not np.array_equal(weights(2, 0), first)
    assert not np.array_equal(weights(1, 1), first)
    assert np.allclose(weights(1, 0, np.float64), first, rtol=1e-6)


def test_initial_weights_have_the_requested_spread(dtype):
    parameter = nn.Parameter(np.zeros((100, 100), dtype))
    nn.init.normal(parameter, 0.02, 1.0, index=0)
    assert parameter.dtype == dtype
    assert parameter.numpy().mean() == pytest.approx(1.0, abs=1e-3)
    assert parameter.numpy().std() == pytest.approx(0.02, rel=0.05)
    nn.init.uniform(parameter, 0.5, index=0)
    assert -0.5 <= parameter.numpy().min() < -0.49 and 0.49 < parameter.numpy().max() <= 0.5
    nn.init.constant(parameter, 0.1)
    assert (parameter.numpy() == dtype.type(0.1)).all()


def test_fans_are_the_inputs_an_output_reads_and_the_outputs_an_input_feeds():
    assert nn.init.fans(nn.Conv2d(6, 8, (3, 2), groups=2).weight) == (3 * 6, 8 * 6)
    assert nn.init.fans(nn.Linear(7, 5).weight) == (7, 5)


def test_drawing_weights_counts_as_a_change():
    layer = nn.Linear(3, 2)
    loss = layer(tn.Tensor(np.ones((1, 3), np.float32))).sum()
    nn.init.constant(layer.weight, 1.0)
    with pytest.raises(RuntimeError, match="was changed"):
        loss.backward()
