"""Checkpoints of small networks, which the tests of several formats share."""

import numpy as np

import alexnet
from alexnet import formats
from alexnet.data.normalization import Normalization
from alexnet.weights.checkpoint import Checkpoint
from alexnet.weights.imported import to_checkpoint

CLASSES = ["n01440764", 'a "quoted" name', "\U0001f41f", "tab\there\x1b[31m", "ä", "\u202e", "0"]
WORDS = {"n01440764": "tench, Tinca tinca"}


def small(spec="caffe", image_size=67, mean_image=False, classes=CLASSES, width=0.03, **changes):
    """The Checkpoint of a random network; no array of it is constant."""
    model = alexnet.build(spec, len(classes), image_size, width=width, **changes)
    draw = np.random.default_rng(1)
    state = model.state_dict()
    for name, array in state.items():
        numbers = 0.2 * draw.standard_normal(array.shape)
        if array.ndim > 1:
            numbers *= 5 * (2 / np.prod(array.shape[1:])) ** 0.5
        if name.endswith("running_var"):
            numbers = 1 + numbers**2
        state[name] = numbers.astype(array.dtype)
    side = model.image_size if mean_image else 1
    return Checkpoint(
        build=model.options,
        classes=list(classes),
        stored_size=model.image_size + 9,
        normalization=Normalization(draw.uniform(90, 130, (3, side, side)), draw.uniform(
            50, 60, (3, 1, 1)
        )),
        model=state,
        velocities=None,
        options={},
        training={},
        words=WORDS,
        origin="drawn at random",
    )  # fmt: skip


def assert_same(one, other):
    """Both checkpoints hold the same network, classes and preparation of images, bit for bit."""
    for name in ("build", "classes", "words", "stored_size"):
        assert getattr(one, name) == getattr(other, name), name
    for name, array in one.normalization.arrays().items():
        assert array.tobytes() == other.normalization.arrays()[name].tobytes(), name
    assert one.model.keys() == other.model.keys()
    for name, array in one.model.items():
        assert array.dtype == other.model[name].dtype, name
        assert array.tobytes() == other.model[name].tobytes(), name


def back(path):
    """The Checkpoint of a file of any format."""
    return to_checkpoint(formats.read(path), path)
