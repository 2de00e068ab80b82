"""The options of a training, and the recipe for each kind of data.

An option has the value of its flag, else the recipe's, else the spec's.

The recipe for a folder of photos follows their number. A batch is the largest power of two from 8
to 128 that leaves STEPS steps an epoch, and the epochs, from 20 to 90, show IMAGES images in all.
Initial weights are `he` and inputs are divided by their deviation: with the published weights the
loss can stay at the loss of guessing for thousands of steps. The rate falls by a cosine, because
the error on a few validation images is too noisy to steer it.

torchvision's network has neither response nor batch normalisation: He's weights are too large for
it, and it starts with Glorot's.

Layers that --pretrained has nothing for start with the spec's own weights: their inputs have the
scale of the published network's activations.

With --init published a folder is trained on as in the paper: batch 128, 90 epochs, the rate divided
by 10 when the validation error stops falling.

Source: the paper, section 5, for published, momentum, weight decay and rule; our measurements for
the others.
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

MOMENTUM, WEIGHT_DECAY, RULE = 0.9, 5e-4, "paper"


@dataclass(frozen=True)
class Recipe:
    """Defaults for one kind of data. norm and init are arguments of alexnet.build. None keeps the
    spec's value, or for batch_size and epochs follows the number of images."""

    spec: str
    image_size: int | None
    norm: str | None
    init: str | None
    batch_size: int | None
    epochs: int | None
    lr: float
    schedule: str
    augment: str


RECIPES = {
    "synthetic": Recipe("paper", 67, None, "he", 64, 4, 0.02, "cosine", "none"),
    "cifar10": Recipe("cifar10", 32, "batch", "he", 128, 20, 0.05, "cosine", "crop"),
    "folder": Recipe("paper", None, None, "he", None, None, 0.01, "cosine", "crop"),
    "published": Recipe("paper", None, None, None, 128, 90, 0.01, "plateau", "crop"),
}
STEPS, BATCHES = 24, (8, 16, 32, 64, 128)
IMAGES, EPOCHS = 60_000, (20, 90)
MANY = 1_000_000  # images, where their number is not known: the largest batch, the fewest epochs


def recipe_for(
    data: str, init: str | None, images: int, pretrained: bool = False, spec: str | None = None
) -> Recipe:
    """The recipe for this DATA.

    init        the flag --init, or None
    images      the number of training images
    pretrained  whether layers start from a file
    spec        the flag --spec, or None
    """
    kind = kind_of(data)
    if kind == "folder" and init == "published" and not pretrained:
        return RECIPES["published"]
    recipe = RECIPES[kind]
    if pretrained:  # new layers read what the published layers below make
        recipe = replace(recipe, init=None)
    elif kind == "folder" and spec == "torchvision":
        recipe = replace(recipe, init="glorot")
    batch_size = max([BATCHES[0], *(size for size in BATCHES if size * STEPS <= images)])
    epochs = min(max(IMAGES // images, EPOCHS[0]), EPOCHS[1])
    return replace(
        recipe, batch_size=recipe.batch_size or batch_size, epochs=recipe.epochs or epochs
    )


_USUALLY_NONE = ("max_steps", "threads", "freeze", "lr_scale", "pretrained")

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
    "epochs max_steps lr schedule momentum weight_decay rule dead_start_steps backend threads "
    "workers precision cuda_graph skip_bad_images lr_scale".split()
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
    recipe = recipe_for(data, flags.get("init"), images, "pretrained" in flags, flags.get("spec"))
    spec = flags.get("spec", recipe.spec)
    values = {
        **{name: None for name in (*CHANGES, *_USUALLY_NONE)},
        **{field.name: getattr(recipe, field.name) for field in fields(recipe)},
        **{"width": 1.0, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY, "rule": RULE},
        **{"seed": 0, "workers": 2, "skip_bad_images": 0, "dead_start_steps": diagnosis.STEPS},
        **{"keep_features": False},
        # The network of a file has the norm that it was trained with.
        **{"norm": recipe.norm if spec == recipe.spec and not flags.get("pretrained") else None},
        **{
            "precision": "float32",
            "cuda_graph": tn.gpu.device() is not None and not flags.get("keep_features"),
        },
        **flags,
        **{"data": data, "backend": backend},
    }
    options = Options(**{field.name: values[field.name] for field in fields(Options)})
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
    return Options(**new)


def flags_of(options: Options, images: int = MANY) -> str:
    """DATA and the flags that give these options with this number of training images. Options with
    the recipe's value need no flag, unless a pretrained network could bring another."""
    if not options.pretrained:
        # Photos had no init in older files: the spec's own, and today's recipe has another.
        options = replace(options, init=options.init or "published")
    published = options.init if options.init == "published" else None
    plain = Namespace(
        data=options.data, spec=options.spec, init=published, pretrained=options.pretrained
    )
    usual = replace(resolve(plain, "numba", images), spec=RECIPES[kind_of(options.data)].spec)
    names = ("pretrained", "spec", "image_size", *(n for n in CHANGES if n != "init"))
    brought = names if options.pretrained else ()
    words = [options.data]
    for name, value in asdict(options).items():
        common = None if name in brought else getattr(usual, name)
        if name == "init" and published or value not in (None, common):
            words.append(f"--{'no-' if value is False else ''}{name.replace('_', '-')}")
            if not isinstance(value, bool):
                words += map(str, value if isinstance(value, (list, tuple)) else [value])
    return shlex.join(words)


def recipe_table() -> str:
    """The recipes as a table of text, for --help."""
    names = "spec image_size norm init batch_size epochs lr schedule augment".split()
    ranges = {"batch_size": BATCHES, "epochs": EPOCHS}
    lines = ["by data:   " + " ".join(f"{name.replace('_', '-'):>10}" for name in names)]
    for kind, recipe in RECIPES.items():
        values = {name: getattr(recipe, name) for name in names}
        for name, numbers in ranges.items():
            if values[name] is None:
                values[name] = f"{numbers[0]} to {numbers[-1]}"
        shown = ("spec's" if value is None else value for value in values.values())
        lines.append(f"  {kind:9}" + " ".join(f"{value:>10}" for value in shown))
    return "\n".join(
        [
            *lines,
            "  folder with --spec torchvision: init glorot; with --pretrained: init spec's",
            f"  folder: the largest batch that leaves {STEPS} steps an epoch, epochs that show "
            f"{IMAGES:,} images",
            "  published: a folder with --init published, as the paper trained",
        ]
    )
