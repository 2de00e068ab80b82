"""The options and the position of a training, as a checkpoint holds them: checked before use."""

from dataclasses import MISSING, fields

from alexnet.data.augment import AUGMENTATIONS
from alexnet.data.principal_colours import PrincipalColours
from alexnet.errors import DataError
from alexnet.network.specs import SPECS
from alexnet.training.durations import save_interval, seconds_of
from alexnet.training.frozen import bias_rate, frozen_layers, rate_factors
from alexnet.training.options import NAMES_IN_FILES, Options
from alexnet.training.recipes import PUBLISHED
from alexnet.training.run_inputs import MEANS
from alexnet.training.schedules import SCHEDULES, milestone_epochs
from alexnet.weights.checkpoint import Checkpoint, naming
from alexnet.weights.record import (
    CHANGES_KINDS,
    LARGEST_IMAGE,
    MOST_THREADS,
    OBJECT,
    SHARE,
    TEXT,
    TRUTH,
    check,
    check_fields,
    one_of,
    optional,
    planned,
    real,
    short,
    whole,
)
from tinynet import backends, gpu


def _text(words, parse):
    """The kind of texts that parse() takes without a ValueError."""

    def fits(value):
        try:
            return isinstance(value, str) and parse(value) is not None
        except ValueError:
            return False

    return words, fits


SEED = whole(0, (1 << 64) - 1)
OPTION_KINDS = {
    "data": TEXT,
    "spec": one_of(SPECS),
    "image_size": whole(1, LARGEST_IMAGE),
    **CHANGES_KINDS,
    "batch_size": whole(1),
    "epochs": whole(1),
    "max_steps": optional(whole(1)),
    "augment": one_of(AUGMENTATIONS),
    "lr": real(0, above=True),
    "schedule": one_of(SCHEDULES),
    "momentum": real(0, below=1),
    "weight_decay": real(0),
    "rule": one_of(("paper", "pytorch")),
    "dead_start_steps": whole(1),
    "seed": SEED,
    "backend": one_of(backends.NAMES),
    "threads": optional(whole(1, MOST_THREADS)),
    "workers": whole(0, MOST_THREADS),
    "skip_bad_images": whole(0),
    "precision": one_of(gpu.PRECISIONS),
    NAMES_IN_FILES["cuda_graph"]: TRUTH,
    "freeze": optional(TEXT),
    "lr_scale": optional(TEXT),
    "pretrained": optional(TEXT),
    "keep_features": TRUTH,
    "sync_batch_norm": TRUTH,
    "recipe": optional(one_of(PUBLISHED)),
    "milestones": optional(_text("rising numbers of epochs, such as 25,51,79", milestone_epochs)),
    "warmup": real(0),
    "bias_lr": _text("a factor, such as 2x, or a rate", bias_rate),
    "decay_biases": TRUTH,
    "mean": optional(one_of(MEANS)),
    "balance": TRUTH,
    "save_interval": _text("a number of steps, or a time such as 10m", save_interval),
    "keep": whole(0),
    "max_time": optional(_text("a time, such as 2h", seconds_of)),
}
POSITION_KINDS = {
    "epoch": whole(0),
    "batch": whole(0),
    "step": whole(0),
    "sums": OBJECT,
    "best": optional(OBJECT),
    "images": whole(1),
    "random": OBJECT,
    "schedule": ("[name, state]", lambda value: isinstance(value, list) and len(value) == 2),
}


def _is_image_list(value):
    return (
        isinstance(value, dict)
        and value.keys() == {"fingerprint", "images"}
        and isinstance(value["fingerprint"], str)
        and isinstance(value["images"], list)
        and all(whole(0)[1](count) for count in value["images"])
    )


def _lists(classes):
    """The kind of the lists of images: {"train", "val"} of resuming.image_list."""
    return (
        f"fingerprints and {classes} counts of images, for train and val",
        lambda v: (
            isinstance(v, dict)
            and v.keys() == {"train", "val"}
            and all(_is_image_list(each) and len(each["images"]) == classes for each in v.values())
        ),
    )


def saved_options(saved: Checkpoint) -> Options:
    """The options of the run that wrote this checkpoint. Raises DataError that names the file and
    the option if one is missing, unknown, of a wrong kind, or does not fit the saved network."""
    with naming(saved.path):
        known = {NAMES_IN_FILES.get(field.name, field.name): field for field in fields(Options)}
        needed = [name for name, field in known.items() if field.default is MISSING]
        check_fields("options", saved.options, OPTION_KINDS, needed, known)
        for name in ("spec", "image_size", *CHANGES_KINDS):
            option, built = saved.options.get(name), saved.build.get(name)
            if option != built and name in saved.build:
                raise DataError(f"options.{name} is {option!r}, build.{name} is {built!r}")
        options = Options.from_saved(saved.options)
        _check_layers(options, saved)
        return options


def _check_layers(options, saved):
    """Check that the options freeze and lr_scale fit the saved network and its frozen layers."""
    layers, name = planned(saved.build), "freeze"
    try:
        frozen = frozen_layers(options, layers)
        name = "lr_scale"
        rate_factors(options, layers)
    except ValueError as error:
        text = short(getattr(options, name))
        raise DataError(f"options.{name} is {text}, for the saved network: {error}") from error
    if frozen != saved.frozen:
        raise DataError(
            f"options.freeze is {short(options.freeze)}, frozen is {short(saved.frozen)}"
        )


def check_training(saved: Checkpoint) -> None:
    """Check the record `training`: that it has its fields, each of its kind, and that position,
    step and sums fit one another. Raises DataError that names the file and the field."""
    training = saved.training
    with naming(saved.path):
        check_fields("options", saved.options, OPTION_KINDS, needed=("batch_size",))
        check_fields("training", training, POSITION_KINDS, POSITION_KINDS)
        if "lists" in training:  # older versions kept none
            check("training.lists", training["lists"], _lists(len(saved.classes)))
        batch_size = min(saved.options["batch_size"], training["images"])
        batches = training["images"] // batch_size  # of an epoch
        check("training.batch", training["batch"], whole(0, batches))
        step = training["epoch"] * batches + training["batch"]
        check("training.step", training["step"], whole(step, step))
        images = training["batch"] * batch_size
        kinds = {"images": whole(images, images), "loss": real(0), "top1": whole(0, images)}
        check_fields("training.sums", training["sums"], kinds, kinds, kinds)
        if training["best"] is not None:
            kinds = {"top1": SHARE, "epoch": whole(1)}
            check_fields("training.best", training["best"], kinds, kinds, kinds)
        kinds = {"seed": SEED, "dropout_draws": whole(0), "layer_draws": whole(0)}
        needed = ("seed", "dropout_draws")
        check_fields("training.random", training["random"], kinds, needed, kinds)
        _check_schedule(*training["schedule"])
        _check_colours(training.get("colours"), saved.options.get("augment"))


def _check_schedule(name, state):
    check("training.schedule[0]", name, one_of(SCHEDULES))
    number = {int: whole(0), float: real(0)}
    example = SCHEDULES[name](1.0, 1, 1).state()
    kinds = {field: number[type(value)] for field, value in example.items()}
    check_fields("training.schedule[1]", state, kinds, kinds, kinds)


def _check_colours(colours, augment):
    """The change of colour is there if, and only if, images are changed."""
    if (colours is not None) != (augment == "alexnet"):
        raise DataError(
            f"options.augment is {short(augment)}, training.colours is {short(colours)}"
        )
    if colours is not None:
        try:
            PrincipalColours.from_saved(colours)
        except (TypeError, ValueError) as error:
            raise DataError(f"training.colours is {short(colours)}: {error}") from error
