"""Steps of a small network in one process, and the same steps on several ranks."""

from functools import cache
from typing import NamedTuple

import numpy as np

import alexnet
import tinynet as tn
from alexnet.network.plan import smallest_image_size

STEPS, IMAGES, CLASSES = 3, 8, 5  # classes that no number of ranks divides


class Steps(NamedTuple):
    """losses, logits   of each step
    state, velocities   after the last one, by name
    gradients           of the last step, by name
    sent                {name: bytes} of each step
    """

    losses: list
    logits: list
    state: dict
    velocities: dict
    gradients: dict
    sent: dict


def network(name, **arguments):
    """The network with a sixteenth of its widths, its smallest image, and He's weights."""
    tn.seed(3)
    arguments = {"width": 0.0625, "init": "he", "num_classes": CLASSES, **arguments}
    size = smallest_image_size(alexnet.SPECS[name])
    return alexnet.build(name, image_size=size, dtype=np.float64, **arguments)


def batch(step, size):
    """images (IMAGES, 3, size, size), labels (IMAGES,), of a step."""
    random = np.random.default_rng(step)
    return random.standard_normal((IMAGES, 3, size, size)), random.integers(0, CLASSES, IMAGES)


def take_steps(model, size, gradients, own=slice(None), ranks=None):
    """STEPS steps of SGD with momentum.

    gradients  (images, labels) -> (loss, logits): leaves the gradients in the model's parameters
    own        the images that it is called with
    """
    optimizer = tn.optim.SGD(model.parameters(), 0.02, momentum=0.9, weight_decay=5e-4)
    ranks = ranks or tn.parallel.Single()
    ranks.traffic.bytes_by_name.clear()
    tn.seed(7)
    losses, logits = [], []
    for step in range(STEPS):
        images, labels = batch(step, size)
        loss, each = gradients(tn.Tensor(images[own]), labels[own])
        losses.append(loss.item())
        logits.append(each.numpy())
        optimizer.step()
    names = [name for name, _ in model.named_parameters()]
    velocities = dict(zip(names, optimizer.state_dict().values(), strict=True))
    last = {name: parameter.grad for name, parameter in model.named_parameters()}
    sent = {name: count / STEPS for name, count in ranks.traffic.bytes_by_name.items()}
    return Steps(losses, logits, model.state_dict(), velocities, last, sent)


@cache
def in_one_process(name, **arguments):
    """The Steps of the network as it is."""
    with tn.use_backend("numpy"):
        model = network(name, **arguments)

        def gradients(images, labels):
            logits = model(images)
            loss = tn.softmax_cross_entropy(logits, labels)
            model.zero_grad()
            loss.backward()
            return loss, logits

        return take_steps(model, model.image_size, gradients)


def check_equal(whole, joined):
    """The two must be equal to rounding: {name: array}."""
    assert list(joined) == list(whole)
    for name, array in whole.items():
        assert joined[name].dtype == np.float64 and joined[name].shape == array.shape, name
        assert np.allclose(joined[name], array, rtol=0, atol=1e-9), name
