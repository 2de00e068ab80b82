"""Why a training fails: the layer at fault, the share of dead ReLUs, and what to change.

A dead start is a network that only guesses. Its best guess is each class by its frequency f among
the training images, and the loss of that is the entropy of the frequencies,

    guessing loss = - sum of f ln f,   which is ln(classes) if the classes are equally frequent

It is the most common complaint about AlexNet. It has two causes: in small images signals fade with
the published initial weights, and a learning rate that is too large makes ReLUs 0 for every image,
for good.

Source: BVLC/caffe#401, theano_alexnet#33; Glorot, Bengio (2010) for signals that fade. The numbers
are our choice.
"""

import math
import shlex

import numpy as np

import tinynet as tn
from alexnet.evaluation.metrics import Metrics, in_test_mode

STEPS = 200  # the default of --dead-start-steps
EPOCHS = 5  # the start is judged after these epochs at the latest
# A start is dead if its loss is not lower than the loss of guessing by more than this share of it:
DISTANCE = 0.005
DISTANCE_IN_ONE_CLASS = 0.05  # if all validation images get one class
MANY = 0.5  # with this share of dead ReLUs in a layer the rate is the cause, not a fading signal


def guessing_loss(labels: np.ndarray, classes: int) -> float:
    """The loss of guessing each class by its frequency among these labels: -sum of f ln f.

    labels  int64 (N,), from 0 to classes - 1
    """
    frequencies = np.bincount(labels, minlength=classes) / len(labels)
    frequencies = frequencies[frequencies > 0]  # f ln f goes to 0 with f
    return float(-(frequencies * np.log(frequencies)).sum())


def is_dead_start(loss: float, guessing: float, validation: Metrics | None = None) -> bool:
    """Whether a network with this mean training loss only guesses: loss > (1 - distance) guessing.

    guessing    guessing_loss of the training labels
    validation  the network's Metrics on the validation images, if they are known
    """
    one_class = validation is not None and answers_one_class(validation)
    distance = DISTANCE_IN_ONE_CLASS if one_class else DISTANCE
    return loss > (1 - distance) * guessing


def answers_one_class(validation: Metrics) -> bool:
    """Whether the network may put all images into one class: it has all images of that class right,
    or there are none, and no image of another class."""
    right = validation.correct > 0
    all_right = (validation.correct == validation.images)[right].all()
    return bool(right.sum() <= 1 and all_right)


def is_step_to_judge(step: int, steps: int, steps_per_epoch: int) -> bool:
    """Whether to look for a dead start after this step: the first step, then after twice as many
    steps, four times, ..., so that it is said rarely. The first step is `steps`, or the last step
    of EPOCHS epochs if that is earlier."""
    first = min(steps, EPOCHS * steps_per_epoch)
    return step % first == 0 and (step // first).bit_count() == 1


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


def describe_dead_start(run, x: tn.Tensor, loss: float, usual_lr: float) -> str:
    """The report: the losses, each ReLU layer's share of dead ReLUs, and what to change.

    run       of which the start is dead
    x         (N, 3, S, S), normalised: a batch
    loss      the mean training loss
    usual_lr  the rate of the recipe for this data
    """
    classes, lr = len(run.classes), run.options.lr
    lines = [
        f"dead start: after {run.step} steps the loss is {loss:.4f}; the loss of guessing the "
        f"classes by their frequency is {run.guessing_loss:.4f}, and ln({classes}) = "
        f"{math.log(classes):.4f}"
    ]
    if run.validated and answers_one_class(run.validated):
        lines.append("  all validation images get one class")
    shares = dead_relus(run.head, x)
    if shares:
        listed = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        lines.append(f"  ReLUs that are 0 for the whole batch: {listed}")
    he = run.model.spec.weights.rule == "he"
    remedies = [] if he else ["--init he"]
    trained = _relus_that_training_changes(run.head)
    if max((shares[name] for name in trained), default=0) >= MANY:
        remedies.append(f"a smaller rate, --lr {min(lr / 10, usual_lr):g}")
    elif he or lr < usual_lr:
        remedies.append(f"a larger rate, --lr {max(lr * 2, usual_lr):g}")
    if not all(parameter.requires_grad for parameter in run.model.parameters()):
        remedies.append("fewer layers in --freeze")
    lines.append(f"  what to change, in a new run: {', or '.join(remedies)}")
    return "\n".join(lines)


def _relus_that_training_changes(model):
    """The names of the ReLU layers above the first trained layer: no rate changes the others."""
    names, trained = [], False
    for name, layer in model:
        trained = trained or any(parameter.requires_grad for parameter in layer.parameters())
        if trained and isinstance(layer, tn.nn.ReLU):
            names.append(name)
    return names


def known_not_finite(loss: tn.Tensor) -> bool:
    """Whether the loss is known not to be finite. False on a GPU, where reading the loss would wait
    for the step."""
    kernels = tn.get_backend(loss.backend)
    return not kernels.asynchronous and not math.isfinite(loss.item())


def describe_not_finite(run, loss: float, x: tn.Tensor) -> str:
    """The report of a step whose loss is not finite: the layer at fault, and what to do.

    x  (N, 3, S, S), normalised: the batch of the step
    """
    if tn.get_backend().asynchronous:
        where = (
            "the weights have changed since, so the layer cannot be told; "
            f"--resume {shlex.quote(str(run.folder.path))} --backend numba names it at that step"
        )
    else:
        where = first_not_finite(run.head, x, run.random_state)
    return f"the loss of step {run.step + 1} is {loss}: {where}; {remedy(run)}"


def remedy(run) -> str:
    """What to do about a loss that is not finite."""
    return f"try a smaller rate, --lr {run.options.lr / 10:g}; {run.last_good()}"


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
