"""Why a training fails: the layer at fault, the share of dead ReLUs, and what to change.

A dead start is a loss that stays at ln(classes), the loss of a network that guesses. It is the most
common complaint about AlexNet. It has two causes: in small images signals fade with the published
initial weights, and a learning rate that is too large makes ReLUs 0 for every image, for good.

Source: BVLC/caffe#401, theano_alexnet#33; Glorot, Bengio (2010) for signals that fade.
"""

import math

import numpy as np

import tinynet as tn
from alexnet.evaluation.metrics import in_test_mode

STEPS = 200  # the default of --dead-start-steps
DISTANCE = 0.01  # a start is dead if its loss is closer to ln(classes) than this
MANY = 0.5  # with this share of dead ReLUs in a layer the rate is the cause, not a fading signal


def is_dead_start(loss: float, classes: int) -> bool:
    """Whether this mean loss is the loss of guessing: |loss - ln(classes)| < DISTANCE."""
    return abs(loss - math.log(classes)) < DISTANCE


def dead_relus(model, x: tn.Tensor) -> dict[str, float]:
    """{name of a ReLU layer: share of its outputs that are 0 for every image of a batch}.
    x: (N, 3, S, S), normalised. The model computes in test mode; its modes are restored."""
    shares = {}
    with in_test_mode(model):
        for name, layer in model:
            x = layer(x)
            if isinstance(layer, tn.nn.ReLU):
                shares[name] = float((x.numpy() == 0).all(axis=0).mean())
    return shares


def describe_dead_start(model, x: tn.Tensor, loss: float, step: int, options) -> str:
    """The report: the loss, each layer's share of dead ReLUs, and what to change."""
    classes = model.num_classes
    shares = dead_relus(model, x)
    lines = [
        f"dead start: after {step} steps the loss is {loss:.4f}, and ln({classes}) = "
        f"{math.log(classes):.4f} is the loss of guessing"
    ]
    if shares:
        listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        lines.append(f"  ReLUs that are 0 for the whole batch: {listed}")
    remedies = [] if options.init == "he" else ["--init he"]
    if max(shares.values(), default=0) >= MANY:
        remedies.append(f"a smaller rate, --lr {options.lr / 10:g}")
    elif options.init == "he":
        remedies.append(f"a larger rate, --lr {options.lr * 2:g}")
    lines.append("  what to change: " + ", or ".join(remedies))
    return "\n".join(lines)


def known_not_finite(loss: tn.Tensor) -> bool:
    """Whether the loss is known not to be finite. False on a GPU, where reading the loss would wait
    for the step."""
    kernels = tn.get_backend(loss.backend)
    return not kernels.asynchronous and not math.isfinite(loss.item())


def first_not_finite(model, x: tn.Tensor, random_state: dict) -> str:
    """A sentence that names the first layer with an output that is not finite.

    x             (N, 3, S, S), normalised: the batch of the step
    random_state  tinynet.random.get_state() from before the step, for the same dropout masks
    """
    if not np.isfinite(x.numpy()).all():
        return "the images themselves are not finite"
    tn.random.set_state(random_state)
    with tn.no_grad():
        for name, layer in model:
            x = layer(x)
            if not np.isfinite(x.numpy()).all():
                wrong = [w for w, p in layer.named_parameters() if not np.isfinite(p.numpy()).all()]
                cause = f", whose {' and '.join(wrong)} became infinite or NaN" if wrong else ""
                return f"the first layer whose output is not finite is {name}{cause}"
    return "every layer's output is finite, the loss alone is not"
