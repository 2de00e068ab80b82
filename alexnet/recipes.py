"""What a training does when nobody says otherwise: a recipe for each kind of data, as data.

An option is the flag's value where a flag is given, else the recipe's, else the spec's own. folder
trains as the paper did: rate 0.01 divided by 10 when the validation error stops falling, batch 128,
about 90 epochs, crops and mirrors, the published initial weights and image size. Small images need
other initial weights (`he`) and the inputs divided by their deviation: with the published ones
training can sit at ln(classes) for thousands of steps.

Source: the paper, section 5, for folder, momentum, weight decay and rule; measured here for
synthetic and cifar10.
"""

import shlex
from argparse import Namespace
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from alexnet import diagnosis
from alexnet.changes import changed
from alexnet.commands import UsageError
from alexnet.model import find_spec, smallest_image_size

MOMENTUM, WEIGHT_DECAY, RULE = 0.9, 5e-4, "paper"


@dataclass(frozen=True)
class Recipe:
    """norm and init as alexnet.build has them; image_size and what is None: the spec's own."""

    spec: str
    image_size: int | None
    norm: str | None
    init: str | None
    batch_size: int
    epochs: int
    lr: float
    schedule: str
    augment: str


RECIPES = {
    "synthetic": Recipe("paper", 67, None, "he", 64, 4, 0.02, "cosine", "none"),
    "cifar10": Recipe("cifar10", 32, "batch", "he", 128, 20, 0.05, "cosine", "crop"),
    "folder": Recipe("paper", None, None, None, 128, 90, 0.01, "plateau", "crop"),
}


@dataclass(frozen=True)
class Options:
    """A training's options, all decided: what options.json and checkpoints keep. Names are those
    of the flags; None for a change of the network leaves it as the spec has it."""

    data: str
    spec: str
    image_size: int
    activation: str | None
    norm: str | None
    pool: list[int] | None
    dropout: float | None
    groups: int | None
    width: float
    init: str | None
    batch_size: int
    epochs: int
    max_steps: int | None
    augment: str
    lr: float
    schedule: str
    momentum: float
    weight_decay: float
    rule: str
    dead_start_steps: int
    seed: int
    backend: str
    threads: int | None  # None: all
    workers: int
    skip_bad_images: int
    # With a default, since runs begun before there were GPUs do not say it.
    precision: str = "float32"
    capture: bool = False

    def changes(self) -> dict:
        """The changes of the spec, as alexnet.build takes them."""
        return {name: getattr(self, name) for name in CHANGES}


CHANGES = ("activation", "norm", "pool", "dropout", "groups", "width", "init")
# What may differ between a run and its continuation: what neither the network nor the place inside
# an epoch depends on.
CHANGEABLE = (
    "epochs max_steps lr schedule momentum weight_decay rule dead_start_steps backend threads "
    "workers precision capture".split()
)


def kind_of(data: str) -> str:
    """Which of RECIPES fits this DATA."""
    return data if data == "synthetic" else "cifar10" if data.startswith("cifar10:") else "folder"


def absolute(data: str) -> str:
    """DATA so that it means the same in every folder."""
    if data == "synthetic":
        return data
    if data.startswith("cifar10:"):
        return f"cifar10:{Path(data.removeprefix('cifar10:')).absolute()}"
    return str(Path(data).absolute())


def decide(given: Namespace, backend: str) -> Options:
    """The options of a new run.

    given    the flags; None for each that was not given
    backend  the backend in use
    Raises UsageError where the spec, its changes or the image size do not fit together.
    """
    data = absolute(given.data or "synthetic")
    recipe = RECIPES[kind_of(data)]
    flags = {name: value for name, value in vars(given).items() if value is not None}
    spec = flags.get("spec", recipe.spec)
    values = {
        **{name: None for name in (*CHANGES, "max_steps", "threads")},
        **{field.name: getattr(recipe, field.name) for field in fields(recipe)},
        **{"width": 1.0, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY, "rule": RULE},
        **{"seed": 0, "workers": 2, "skip_bad_images": 0, "dead_start_steps": diagnosis.STEPS},
        **{"norm": recipe.norm if spec == recipe.spec else None},
        **{"precision": "float32", "capture": False},
        **flags,
        **{"data": data, "backend": backend},
    }
    options = Options(**{field.name: values[field.name] for field in fields(Options)})
    if "image_size" not in flags:
        options = replace(options, image_size=_usual_size(options, recipe))
    return options


def _usual_size(options, recipe):
    """The recipe's image size, or the smallest that another spec takes."""
    try:
        spec = find_spec(options.spec)
        if recipe.image_size is None:
            return spec.image_size
        return max(recipe.image_size, smallest_image_size(changed(spec, **options.changes())))
    except ValueError as error:
        raise UsageError(str(error)) from error


def decide_again(begun: Options, given: Namespace, backend: str) -> Options:
    """The options of a run that goes on: those it began with, but for flags given now. Raises
    UsageError for a flag that would make it another run."""
    flags = {name: value for name, value in vars(given).items() if value is not None}
    if "data" in flags:
        flags["data"] = absolute(flags["data"])
    new = {field.name: flags.get(field.name, getattr(begun, field.name)) for field in fields(begun)}
    new |= {"backend": backend}
    # Data may have moved: Run compares its classes and size.
    for name, value in new.items():
        if value != getattr(begun, name) and name not in (*CHANGEABLE, "data"):
            raise UsageError(
                f"--{name.replace('_', '-')} {value} does not fit: this run began with "
                f"{getattr(begun, name)}; leave it out to go on, or start another run"
            )
    return Options(**new)


def flags_of(options: Options) -> str:
    """DATA and the flags that make these options: those that differ from the recipe's."""
    plain = Namespace(data=options.data, spec=options.spec)
    usual = replace(decide(plain, "numba"), spec=RECIPES[kind_of(options.data)].spec)
    words = [options.data]
    for name, value in asdict(options).items():
        if value not in (None, getattr(usual, name)):
            words.append(f"--{name.replace('_', '-')}")
            if value is not True:
                words += map(str, value if isinstance(value, (list, tuple)) else [value])
    return shlex.join(words)


def table() -> str:
    """The recipes in lines, for --help."""
    names = "spec image_size norm init batch_size epochs lr schedule augment".split()
    lines = ["by data:   " + " ".join(f"{name.replace('_', '-'):>10}" for name in names)]
    for kind, recipe in RECIPES.items():
        values = (getattr(recipe, name) for name in names)
        shown = ("spec's" if value is None else value for value in values)
        lines.append(f"  {kind:9}" + " ".join(f"{value:>10}" for value in shown))
    return "\n".join(lines)
