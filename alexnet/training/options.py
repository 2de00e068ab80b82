"""The options of a training.

An option has the value of its flag, else the recipe's (recipes.py), else the spec's.
"""

import shlex
from argparse import Namespace
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import tinynet as tn
from alexnet.errors import UsageError
from alexnet.network.plan import smallest_image_size
from alexnet.network.specs import find_spec
from alexnet.network.variants import CHANGES, changed
from alexnet.training import diagnosis
from alexnet.training.durations import SAVE_INTERVAL
from alexnet.training.recipes import MANY, PUBLISHED, RECIPES, recipe_for

_USUALLY_NONE = ("max_steps", "max_time", "threads", "freeze", "lr_scale", "pretrained", "recipe")

# Options with another name in files: checkpoints keep an option's first name.
NAMES_IN_FILES = {"cuda_graph": "capture"}


@dataclass(frozen=True)
class Options:
    """All options of a training, resolved. They are named like the flags. None for a change of the
    network keeps the spec's value. options.json and checkpoints hold saved()."""

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
    # Older checkpoints lack these: they need defaults.
    precision: str = "float32"
    cuda_graph: bool = False
    freeze: str | None = None  # layers, as in network/layer_names.py
    lr_scale: str | None = None
    pretrained: str | None = None  # the file's absolute path
    keep_features: bool = False
    recipe: str | None = None  # the published procedure that the other options come from
    milestones: str | None = None  # numbers of epochs, as in schedules.py
    warmup: float = 0.0  # epochs
    bias_lr: str = "1x"  # as in frozen.py
    decay_biases: bool = True
    mean: str | None = None  # as in network/spec_row.py, or "imagenet"; None: the spec's
    balance: bool = False
    save_interval: str = SAVE_INTERVAL  # steps or a time, as in durations.py
    keep: int = 0  # former checkpoints
    max_time: str | None = None
    apart: bool | None = None
    without: str | None = None
    sync_batch_norm: bool = False

    @classmethod
    def from_saved(cls, saved: dict) -> "Options":
        """The options from the dict of saved(), of this version or of an older one."""
        names = {in_files: name for name, in_files in NAMES_IN_FILES.items()}
        return cls(**{names.get(name, name): value for name, value in saved.items()})

    def saved(self) -> dict:
        """The options as checkpoints and options.json hold them."""
        return {NAMES_IN_FILES.get(name, name): value for name, value in asdict(self).items()}

    def changes(self) -> dict:
        """The changes of the spec, as arguments of alexnet.build."""
        return {name: getattr(self, name) for name in CHANGES}


# A resumed run may change these: the network and the position in an epoch do not depend on them.
CHANGEABLE = (
    "epochs max_steps lr schedule milestones warmup bias_lr decay_biases momentum weight_decay "
    "rule dead_start_steps backend threads workers precision cuda_graph skip_bad_images "
    "lr_scale save_interval keep max_time sync_batch_norm".split()
)


def kind_of(data: str) -> str:
    """The kind of this DATA: "synthetic", "cifar10" or "folder"."""
    return data if data == "synthetic" else "cifar10" if data.startswith("cifar10:") else "folder"


def absolute(data: str | None) -> str:
    """DATA with an absolute path, so that it means the same in every working folder. None: the
    default, synthetic."""
    data = "synthetic" if data is None else data
    folder = data_folder(data)
    if folder is None:
        return data
    return f"cifar10:{folder.absolute()}" if kind_of(data) == "cifar10" else str(folder.absolute())


def data_folder(data: str) -> Path | None:
    """The folder that DATA names; None for synthetic, and for DATA without a name of a folder,
    which open_dataset refuses."""
    name = "" if data == "synthetic" else data.removeprefix("cifar10:")
    return Path(name) if name else None


def resolve(args: Namespace, backend: str, images: int = MANY) -> Options:
    """The options of a new run.

    args     the flags; None for each that the user left out
    backend  the backend in use
    images   the number of training images
    Without --image-size the changed spec decides the size: raises UsageError if a change does not
    fit the spec. Run checks the other options.
    """
    data, args = absolute(args.data), _with_absolute_file(args)
    flags = {name: value for name, value in vars(args).items() if value is not None}
    recipe = recipe_for(
        kind_of(data), images, flags.get("recipe"),
        pretrained="pretrained" in flags, spec=flags.get("spec"),
    )  # fmt: skip
    spec = flags.get("spec", recipe.spec)
    values = {
        **{name: None for name in (*CHANGES, *_USUALLY_NONE)},
        **{field.name: getattr(recipe, field.name) for field in fields(recipe)},
        **{"width": 1.0, "seed": 0, "workers": 2, "skip_bad_images": 0, "keep_features": False},
        **{"balance": False, "sync_batch_norm": False, "dead_start_steps": diagnosis.STEPS},
        **{"save_interval": SAVE_INTERVAL, "keep": 0},
        # The network of a file has the norm that it was trained with.
        **{"norm": recipe.norm if spec == recipe.spec and not flags.get("pretrained") else None},
        **{
            "precision": "float32",
            "cuda_graph": tn.gpu.device() is not None and not flags.get("keep_features"),
        },
        **flags,
        **{"data": data, "backend": backend},
    }
    options = _with_milestones(values, "milestones" in flags)
    if "image_size" not in flags:
        options = replace(options, image_size=_usual_size(options, recipe))
    return options


def _with_absolute_file(args):
    """The flags with an absolute path of --pretrained, so that it means the same in every working
    folder."""
    path = getattr(args, "pretrained", None)
    return Namespace(**vars(args) | {"pretrained": path and str(Path(path).absolute())})


def _usual_size(options, recipe):
    """The recipe's image size, or the smallest that the changed spec takes if that is larger. The
    spec's own if the recipe has none."""
    try:
        spec = find_spec(options.spec)
        if recipe.image_size is None:
            return spec.image_size
        return max(recipe.image_size, smallest_image_size(changed(spec, **options.changes())))
    except ValueError as error:
        raise UsageError(str(error)) from error


def resolve_resumed(saved: Options, args: Namespace, backend: str) -> Options:
    """The options of a resumed run: the saved ones, overridden by the flags of this command. Raises
    UsageError for a flag that would make it another run."""
    args = _with_absolute_file(args)
    flags = {name: value for name, value in vars(args).items() if value is not None}
    if "data" in flags:
        flags["data"] = absolute(flags["data"])
    new = {field.name: flags.get(field.name, getattr(saved, field.name)) for field in fields(saved)}
    new |= {"backend": backend}
    # Data may have moved: Run compares its classes and size.
    for name, value in new.items():
        before = getattr(saved, name)
        if value != before and name not in (*CHANGEABLE, "data"):
            flag = f"--{name.replace('_', '-')}{'' if value is True else f' {value}'}"
            began = "without" if before is None or before is False else f"with {before}"
            raise UsageError(
                f"{flag} does not fit: this run began {began}; leave it out to go on, or start "
                "another run"
            )
    return _with_milestones(new, "milestones" in flags)


def _with_milestones(values, is_flag):
    """The Options of these values: milestones belong to the schedule multistep, and to no other."""
    if values["schedule"] == "multistep":
        if not values["milestones"]:
            raise UsageError(
                "--schedule multistep needs --milestones, numbers of epochs such as 25,51,79"
            )
    elif is_flag:
        raise UsageError(
            f"--milestones goes with --schedule multistep, this run has {values['schedule']}"
        )
    else:
        values["milestones"] = None
    return Options(**{field.name: values[field.name] for field in fields(Options)})


def flags_of(options: Options, images: int = MANY) -> str:
    """DATA and the flags that give these options with this number of training images. Options with
    the recipe's value need no flag, unless a pretrained network could bring another."""
    if not options.pretrained:
        # Photos had no init in older files: the spec's own, and today's recipe has another.
        options = replace(options, init=options.init or "published")
    plain = Namespace(
        data=options.data, spec=options.spec, pretrained=options.pretrained, recipe=options.recipe
    )
    own = PUBLISHED[options.recipe] if options.recipe else RECIPES[kind_of(options.data)]
    usual = replace(resolve(plain, "numba", images), spec=own.spec, recipe=None)
    names = ("pretrained", "spec", "image_size", *(n for n in CHANGES if n != "init"))
    brought = names if options.pretrained else ()
    differing = {
        name: value
        for name, value in asdict(options).items()
        if value != (None if name in brought else getattr(usual, name))
    }
    return shlex.join([options.data, *words_of(differing)])


def words_of(values: dict) -> list[str]:
    """The flags of options, by name, as words of a command; None is no flag."""
    words = []
    for name, value in values.items():
        if value is not None and name != "data":
            words.append(f"--{'no-' if value is False else ''}{name.replace('_', '-')}")
            if not isinstance(value, bool):
                words += map(str, value if isinstance(value, (list, tuple)) else [value])
    return words
