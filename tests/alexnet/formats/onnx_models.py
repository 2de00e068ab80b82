"""Small ONNX models, which the tests of writing and reading share."""

import numpy as np

import alexnet
import tinynet as tn
from alexnet.formats import onnx_write
from alexnet.network.plan import plan

CLASSES = 7
RECORD = {
    "build": {"spec": "paper", "num_classes": CLASSES},
    "classes": ["a", "é", "\u202e", "d", "e", "f", "g"],
    "stored_size": 256,
    "normalization": {"mean": [[[1.5]], [[2.0]], [[0.1]]], "divisor": [[[1.0]]] * 3},
    "words": {},
}


def network(spec, image_size=None, width=0.06, **changes):
    """(a network with weights at which no layer vanishes, its plan)."""
    model = alexnet.build(spec, CLASSES, image_size, width=width, **changes).eval()
    random = np.random.default_rng(1)
    state = model.state_dict()
    for name, array in state.items():
        if name.endswith("running_var") or (array.ndim == 1 and name.endswith("weight")):
            numbers = random.uniform(0.5, 2, array.shape)
        elif array.ndim == 1:
            numbers = 0.1 * random.normal(size=array.shape)
        else:
            numbers = random.normal(size=array.shape) * np.sqrt(2 / np.prod(array.shape[1:]))
        state[name] = numbers.astype(array.dtype)
    model.load_state_dict(state)
    return model, plan(model.spec, CLASSES, model.image_size)


def written(path, spec, image_size=None, record=RECORD, **changes):
    """A network, and its ONNX model at this path."""
    model, layers = network(spec, image_size, **changes)
    onnx_write.write(path, layers, model.state_dict(), record)
    return model, layers


def images(model, count):
    size = model.image_size
    numbers = 50 * np.random.default_rng(count).normal(size=(count, 3, size, size))
    return numbers.astype(model.build_arguments["dtype"])


def logits(model, x):
    with tn.no_grad():
        return model(tn.Tensor(x)).numpy()


def distance(y, expected):
    """The largest difference as a share of the largest number."""
    return np.abs(y - expected).max() / np.abs(expected).max()
