"""One weird trick on 2 and 4 ranks, by each of its schemes, against one process."""

from itertools import product

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.network import one_weird_trick
from alexnet.network.one_weird_trick import OneWeirdTrick, Pass, passes
from alexnet.network.plan import plan
from tests.alexnet.network.parallel_steps import (
    CLASSES,
    IMAGES,
    check_equal,
    in_one_process,
    network,
    take_steps,
)
from tests.ranks import needs_mpi, on_ranks
from tinynet import nn
from tinynet.parallel import Single, share_of

mpi = needs_mpi()

# Two towers, dropout after fc6 and fc7; one tower, dropout before them, and hidden widths that 2
# and 4 ranks do not divide; no hidden layer, and no dropout.
ON_RANKS = [
    (size, *network)
    for size, network in product((2, 4), [("paper", {}), ("torchvision", {"width": 0.03})])
] + [(2, "cifar10", {})]


def steps(ranks, name, arguments, scheme):
    """The Steps of this rank, and whether join gives split's initial weights back."""
    tn.use_backend("numpy")
    whole = network(name, **arguments)
    part = OneWeirdTrick(whole, ranks, scheme)
    joined = part.join(ranks.share(part.state_dict()))
    same = all(joined[key].tobytes() == a.tobytes() for key, a in whole.state_dict().items())
    own = share_of(IMAGES, ranks.rank, ranks.size)
    done = take_steps(part, whole.image_size, part.gradients, own, ranks)
    parts = {}
    for field in ("state", "velocities", "gradients"):
        everyone = ranks.share(getattr(done, field))
        parts[field] = part.join(everyone)
        for key in part.whole & parts[field].keys():  # every rank has the same bits
            same = same and all(
                each[key].tobytes() == everyone[0][key].tobytes() for each in everyone
            )
    return done._replace(**parts), same and list(joined) == list(whole.state_dict())


@mpi
@pytest.mark.parametrize("scheme", ["a", "b", "c"])
@pytest.mark.parametrize("size, name, arguments", ON_RANKS)
def test_ranks_train_as_one_process_does(size, name, arguments, scheme):
    model, whole = network(name, **arguments), in_one_process(name, **arguments)
    formula = one_weird_trick.sent_bytes(
        plan(model.spec, CLASSES, model.image_size), IMAGES, size, itemsize=8
    )
    results = on_ranks(size, steps, name, arguments, scheme)
    for each, same_bits in results:
        assert same_bits
        assert np.allclose(each.losses, whole.losses, rtol=0, atol=1e-9)
        check_equal(whole.gradients, each.gradients)
        check_equal(whole.velocities, each.velocities)
        check_equal(whole.state, each.state)
    logits = np.concatenate([each.logits for each, _ in results], axis=1)
    assert np.allclose(logits, whole.logits, rtol=0, atol=1e-9)
    sent = {key: np.mean([each.sent[key] for each, _ in results]) for key in results[0][0].sent}
    gradients = formula.pop("gradients")
    assert {key: sent.pop(key) for key in formula} == formula
    assert sum(sent.values()) == pytest.approx(gradients, rel=1e-12)  # of the buckets


def test_one_process_is_one_rank():
    for scheme in ("a", "b", "c"):
        each, _ = steps(Single(), "torchvision", {"width": 0.03}, scheme)
        check_equal(in_one_process("torchvision", width=0.03).state, each.state)


def test_passes():
    """2 ranks with 5 images each: rank 0 has rows 0-4 of the batch, rank 1 rows 5-9."""
    every = slice(0, 5)
    assert passes("a", 5, 2) == [Pass(every, None, ((0, 10),))]
    assert passes("b", 5, 2) == [Pass(every, 0, ((0, 5),)), Pass(every, 1, ((5, 5),))]
    assert passes("c", 5, 2) == [
        Pass(slice(0, 2), None, ((0, 2), (5, 2))), Pass(slice(2, 5), None, ((2, 3), (7, 3)))
    ]  # fmt: skip
    assert len(passes("c", 1, 2)) == 1


def test_bytes_of_the_paper():
    """Of 128 images on each of 8 ranks, in float32."""
    layers = plan(alexnet.SPECS["one-weird-trick"], 1000, 224)
    assert one_weird_trick.sent_bytes(layers, batch=1024, ranks=8) == {
        "gradients": 2 * 7 / 8 * 4 * (23_296 + 307_392 + 663_936 + 884_992 + 590_080),
        "fc6.input": 2 * 7 * 4 * 128 * 9216,
        "fc7.input": 2 * 7 * 4 * 1024 * 512,
        "fc8.input": 2 * 7 * 4 * 1024 * 512,
        "logits": 2 * 7 * 4 * 1024 * 125,
    }


def synchronised_losses(ranks):
    """The losses of a batch normalisation over the images of all ranks."""
    tn.use_backend("numpy")
    part = OneWeirdTrick(network("batch-norm"), ranks, "b")
    for layer in part.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.ranks = ranks
    own = share_of(IMAGES, ranks.rank, ranks.size)
    return take_steps(part, 67, part.gradients, own).losses


@mpi
def test_batch_normalisation_over_all_ranks_is_one_process_too():
    losses = in_one_process("batch-norm").losses
    for each in on_ranks(2, synchronised_losses):
        assert np.allclose(each, losses, rtol=0, atol=1e-9)


def in_test_mode(ranks):
    """The largest difference of the own images' logits: 7 images, which 2 ranks do not divide."""
    tn.use_backend("numpy")
    whole = network("paper")
    part = OneWeirdTrick(whole, ranks, "b").eval()
    images = np.random.default_rng(0).standard_normal((7, 3, 67, 67))
    own = share_of(7, ranks.rank, ranks.size)
    with tn.no_grad():
        expected = whole.eval()(tn.Tensor(images)).numpy()[own]
        logits = part(tn.Tensor(images[own])).numpy()
    assert logits.shape == expected.shape
    return float(np.abs(logits - expected).max())


@mpi
def test_a_rank_has_the_logits_of_its_images_in_test_mode():
    assert max(on_ranks(2, in_test_mode)) < 1e-12


def frozen_steps(ranks, names):
    """Gradients of a network whose layers of these names are frozen, as {name: None or array}."""
    tn.use_backend("numpy")
    part = OneWeirdTrick(network("paper"), ranks, "c")
    for name in names:
        for parameter in part[name].parameters():
            parameter.requires_grad = False
    own = share_of(IMAGES, ranks.rank, ranks.size)
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((IMAGES, 3, 67, 67)), np.arange(IMAGES) % CLASSES
    part.gradients(tn.Tensor(images[own]), labels[own])
    return {name: parameter.grad is None for name, parameter in part.named_parameters()}


@mpi
@pytest.mark.parametrize("count", [2, 5])
def test_frozen_convolutions_have_no_gradient(count):
    frozen = [f"conv{number}" for number in range(1, count + 1)]
    for is_missing in on_ranks(2, frozen_steps, frozen):
        for name, missing in is_missing.items():
            assert missing == (name.split(".")[0] in frozen), name


# --- errors ---


def test_another_scheme_is_an_error():
    with pytest.raises(ValueError, match='scheme must be "a", "b" or "c", got \'d\''):
        OneWeirdTrick(network("paper"), Single(), "d")


def test_fewer_units_than_ranks_are_an_error():
    ranks = Single()
    ranks.size = 8
    with pytest.raises(ValueError, match="fc8 has 5 units for 8 ranks; at most 5 ranks fit"):
        OneWeirdTrick(network("paper"), ranks)


def unequal(ranks, train):
    """The error of ranks with 1 and 3 images."""
    tn.use_backend("numpy")
    part = OneWeirdTrick(network("paper"), ranks)
    count = 1 + 2 * ranks.rank
    images = tn.Tensor(np.zeros((count, 3, 67, 67)))
    try:
        part.gradients(images, np.zeros(count, int)) if train else part(images)
    except ValueError as error:
        return str(error)


@mpi
def test_unequal_shares_are_an_error_on_every_rank():
    for error in on_ranks(2, unequal, True):
        assert "have [1, 3] images; a batch that 2 ranks divide into equal shares fits" in error
    for error in on_ranks(2, unequal, False):
        assert "have [1, 3] images; each rank's share_of a batch fits" in error
