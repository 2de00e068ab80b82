"""The paper's two towers on two ranks against the network of two groups in one process."""

from dataclasses import replace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.network import towers
from alexnet.network.plan import plan
from alexnet.network.towers import Towers
from tests.alexnet.network.parallel_steps import (
    CLASSES,
    IMAGES,
    check_equal,
    in_one_process,
    network,
    take_steps,
)
from tests.ranks import needs_mpi, on_ranks

mpi = needs_mpi()

# Normalisation across the towers' border; within each tower, and within maps; towers that meet in
# fc6 only; a batch normalisation, whose statistics are each tower's own; dropout before fc6 and
# fc7, of an odd number of units, and one border map, since conv1 has two kernels.
NETWORKS = [
    ("paper", {}),
    ("code-2012", {}),
    ("paper", {"apart": True}),
    ("caffe", {"norm": "batch", "without": "conv4"}),
    ("single-tower", {"groups": 2, "width": 0.03}),
]


def steps(ranks, name, arguments):
    """The Steps of this rank's tower, and what split and join make of the initial weights."""
    tn.use_backend("numpy")
    whole = network(name, **arguments)
    tower = Towers(whole, ranks)
    joined = tower.join(ranks.share(tower.state_dict()))
    same = all(joined[key].tobytes() == a.tobytes() for key, a in whole.state_dict().items())
    done = take_steps(tower, whole.image_size, tower.gradients, ranks=ranks)
    parts = {}
    for field in ("state", "velocities", "gradients"):
        parts[field] = tower.join(ranks.share(getattr(done, field)))
    return done._replace(**parts), same and list(joined) == list(whole.state_dict())


@mpi
@pytest.mark.parametrize("name, arguments", NETWORKS)
def test_two_ranks_train_as_one_process_does(name, arguments):
    model, whole = network(name, **arguments), in_one_process(name, **arguments)
    layers = plan(model.spec, CLASSES, model.image_size)
    for each, same_bits in on_ranks(2, steps, name, arguments):
        assert same_bits
        assert each.sent == towers.sent_bytes(layers, IMAGES, itemsize=8)
        assert np.allclose(each.losses, whole.losses, rtol=0, atol=1e-9)
        assert np.allclose(each.logits, whole.logits, rtol=0, atol=1e-9)
        check_equal(whole.gradients, each.gradients)
        check_equal(whole.velocities, each.velocities)
        check_equal(whole.state, each.state)


def test_bytes_of_the_paper():
    """Of one image in float32: half of what a layer reads, and as many gradients."""
    layers = plan(alexnet.SPECS["paper"], 1000, 227)
    assert towers.sent_bytes(layers, images=1) == {
        "norm1.border": 2 * 4 * 2 * 55 * 55,
        "norm2.border": 2 * 4 * 2 * 27 * 27,
        "conv3.input": 2 * 4 * 128 * 13 * 13,
        "fc6.input": 2 * 4 * 128 * 6 * 6,
        "fc7.input": 2 * 4 * 2048,
        "fc8.input": 2 * 4 * 2048,
        "logits": 2 * 4 * 500,
    }
    layers = plan(alexnet.SPECS["code-2012"], 1000, 224)
    assert "norm1.border" not in towers.sent_bytes(layers, images=1)


def in_test_mode(ranks):
    tn.use_backend("numpy")
    whole = network("paper")
    tower = Towers(whole, ranks).eval()
    images = tn.Tensor(np.random.default_rng(0).standard_normal((2, 3, 67, 67)))
    with tn.no_grad():
        return float(np.abs(tower(images).numpy() - whole.eval()(images).numpy()).max())


@mpi
def test_both_ranks_have_all_logits_in_test_mode():
    assert max(on_ranks(2, in_test_mode)) < 1e-12


class Ranks(tn.parallel.Single):
    """Rank 0 of two, for what sends nothing."""

    size = 2


def test_a_tower_is_half_of_every_layer():
    tower = Towers(network("paper", num_classes=1000), Ranks())
    shapes = {name: array.shape for name, array in tower.state_dict().items()}
    assert shapes["conv1.weight"] == (3, 3, 11, 11)
    assert shapes["conv2.weight"] == (8, 3, 5, 5)  # of its own tower's maps
    assert shapes["conv3.weight"] == (12, 16, 3, 3)  # of all maps
    assert shapes["fc6.weight"] == (128, 16)
    assert shapes["fc7.weight"] == (128, 256)
    assert shapes["fc8.weight"] == (500, 256)
    assert [name for name, _ in tower if name.startswith("gather")] == [
        "gather_conv3", "gather_fc6", "gather_fc7", "gather_fc8", "gather_logits"
    ]  # fmt: skip


# --- errors ---


@pytest.mark.parametrize("size", [1, 4])
def test_another_number_of_ranks_is_an_error(size):
    ranks = Ranks()
    ranks.size = size
    with pytest.raises(ValueError, match=f"{size} ranks; 2 ranks fit"):
        Towers(network("paper"), ranks)


@pytest.mark.parametrize("name", ["single-tower", "torchvision", "batch-norm", "cifar10"])
def test_one_tower_is_an_error(name):
    with pytest.raises(ValueError, match="one tower, no convolution in two groups; specs paper"):
        Towers(network(name), Ranks())


@pytest.mark.parametrize(
    "at, change, message",
    [
        (2, {"out": 7}, "conv3 has 7 kernels; an even number fits"),
        (4, {"groups": 4}, "conv5 has 4 groups; 1 or 2 fit"),
    ],
)
def test_kernels_that_are_not_two_halves_are_an_error(at, change, message):
    spec = alexnet.SPECS["paper"]
    rows = list(spec.convolutions)
    rows[3] = replace(rows[3], groups=1)
    rows[at] = replace(rows[at], **change)
    layers = plan(replace(spec, convolutions=tuple(rows)), 10, 67)
    with pytest.raises(ValueError, match=message):
        towers.check(layers, ranks=2)


def test_a_class_for_each_rank_is_needed():
    with pytest.raises(ValueError, match="fc8 has 1 units for 2 ranks; at most 1 ranks fit"):
        Towers(network("paper", num_classes=1), Ranks())
