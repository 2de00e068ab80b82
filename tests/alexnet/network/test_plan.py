"""plan: the sizes of every network's maps, and its smallest image."""

import pytest

from alexnet import SPECS, build
from alexnet.network.plan import _layers, array_shapes, smallest_image_size
from alexnet.network.variants import changed
from tests.alexnet.network.small_networks import NAMES, plan_of, small
from tinynet.ops.windows import output_size


@pytest.mark.parametrize(
    "name, smallest",
    [
        ("paper", 67),
        ("one-gpu", 67),
        ("single-tower", 67),
        ("batch-norm", 67),
        ("code-2012", 36),
        ("caffe", 39),
        ("onnx-zoo", 51),
        ("caffenet", 39),
        ("one-weird-trick", 39),
        ("torchvision", 63),
        ("cifar10", 8),
    ],
)
def test_the_smallest_image_works_and_one_less_is_an_error_that_names_it(name, smallest):
    assert smallest_image_size(SPECS[name]) == smallest
    assert min(plan_of(name, 10, smallest)[-3].outputs) >= 1
    words = f"image_size {smallest - 1} leaves .* smallest .* {name} is {smallest}$"
    with pytest.raises(ValueError, match=words):
        build(name, image_size=smallest - 1)


def test_the_smallest_image_follows_the_pools():
    assert smallest_image_size(changed(SPECS["paper"], pool=(2, 2))) == 39


@pytest.mark.parametrize(
    "size, window, stride, down, up",
    [(55, 3, 2, 27, 27), (54, 3, 2, 26, 27), (2, 3, 2, 0, 1), (5, 1, 3, 2, 2), (4, 1, 3, 2, 2)],
)
def test_a_pools_last_window_starts_inside_the_map(size, window, stride, down, up):
    assert output_size(size, window, stride, 0, ceil_mode=False) == down
    assert output_size(size, window, stride, 0, ceil_mode=True) == up


@pytest.mark.parametrize(
    "size, maps", [(224, 55), (227, 55), (225, 55), (228, 56), (11, 1), (8, 1)]
)
def test_the_first_convolution_of_2012_rounds_up(size, maps):
    """1 + ceil((size - 11) / 4)"""
    first = _layers(SPECS["code-2012"], 10, size)[0]
    assert first.outputs == (96, maps, maps)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("norm", [None, "batch"])
def test_the_shapes_of_a_plan_are_the_shapes_of_the_network(name, norm):
    model = small(name, norm=norm)
    layers = plan_of(name, 10, model.image_size, width=0.125, norm=norm)
    parameters, buffers = array_shapes(layers)
    assert list(parameters.items()) == [(n, p.shape) for n, p in model.named_parameters()]
    state = model.state_dict()
    assert parameters | buffers == {name: array.shape for name, array in state.items()}
