"""Receptive fields against the pixels that really change an output."""

import numpy as np
import pytest

import tinynet as tn
from alexnet.network.plan import plan
from alexnet.network.receptive_fields import field, pixels_seen
from alexnet.network.specs import SPECS
from alexnet.network.variants import changed
from tinynet import nn


def test_the_papers_fields_are_the_published_ones():
    """Araujo, Norris and Sim (2019), table 1: AlexNet's convolutions at 11, 51, 99, 131, 163 and
    its last pool at 195, with steps of 4, 8, 16, 16, 16 and 32."""
    layers = plan(SPECS["paper"], 1000, 227)
    fields = {name: field(layers, name) for name in "conv1 conv2 conv3 conv4 conv5 pool5".split()}
    assert [each.size for each in fields.values()] == [11, 51, 99, 131, 163, 195]
    assert [each.step for each in fields.values()] == [4, 8, 16, 16, 16, 32]
    assert [each.start for each in fields.values()] == [0, -16, -32, -48, -64, -64]


def test_a_fully_connected_layer_sees_the_whole_image():
    layers = plan(SPECS["paper"], 1000, 227)
    assert pixels_seen(layers, "fc6", 0, 0) == (slice(0, 227), slice(0, 227))


def test_without_conv4_an_output_of_conv5_sees_two_steps_less_of_its_map():
    """conv4 added 2 cells of its 3 x 3 kernel, 16 pixels apart."""
    layers = plan(changed(SPECS["paper"], without="conv4"), 1000, 227)
    assert field(layers, "conv5").size == 163 - 2 * 16
    assert field(layers, "conv3") == field(plan(SPECS["paper"], 1000, 227), "conv3")


def positive_network(spec, size):
    """The network's windows with weights of 1, and no layer that could hide a pixel."""
    layers, row = [], changed(SPECS[spec], dropout=0)
    for layer in plan(row, 1, size):
        match layer.kind:
            case "Conv2d":
                arguments = layer.arguments | {"in_channels": 1, "out_channels": 1, "groups": 1}
                made = nn.Conv2d(**arguments, dtype=np.float64)
                made.weight.data = np.ones_like(made.weight.numpy())
            case "MaxPool2d" | "AvgPool2d":
                arguments = layer.arguments
                made = nn.AvgPool2d(
                    arguments["window"], arguments["stride"], 0, arguments["ceil_mode"]
                )
            case "AdaptiveAvgPool2d":
                made = nn.AdaptiveAvgPool2d(**layer.arguments)
            case "SameMapNorm":
                side = layer.arguments["size"]
                made = nn.AvgPool2d(side, 1, side // 2)
            case "Flatten":
                break
            case _:
                continue
        layers.append((layer.name, made))
    return nn.Sequential(layers)


@pytest.mark.parametrize("spec", SPECS)
def test_the_pixels_seen_are_those_with_a_gradient(spec):
    size = {"cifar10": 32, "code-2012": 64}.get(spec, 99)
    layers = plan(SPECS[spec], 10, size)
    x = tn.Tensor(np.ones((1, 1, size, size)), requires_grad=True)
    y = x
    for name, layer in positive_network(spec, size):
        y = layer(y)
        side = y.shape[2]
        for row, column in {(0, 0), (side // 2, side - 1), (side - 1, 0)}:
            wanted = np.zeros(y.shape)
            wanted[0, 0, row, column] = 1
            x.grad = None
            y.backward(wanted, retain_graph=True)
            rows, columns = np.nonzero(x.grad[0, 0])
            seen = pixels_seen(layers, name, row, column)
            assert seen == (
                slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
            ), (name, row, column)  # fmt: skip


def test_names_and_places_that_do_not_exist_are_errors():
    layers = plan(SPECS["paper"], 10, 67)
    with pytest.raises(ValueError, match="there is no layer 'conv9'; there are conv1, relu1"):
        field(layers, "conv9")
    with pytest.raises(
        ValueError, match=r"no output of conv1 at \(15, 0\); its maps are \(15, 15\)"
    ):
        pixels_seen(layers, "conv1", 15, 0)
