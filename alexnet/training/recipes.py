"""Recipes: what a training does where no flag says otherwise.

Each kind of data has one (RECIPES). The recipe for a folder of photos follows their number: a batch
is the largest power of two from 8 to 128 that leaves STEPS steps an epoch, and the epochs, from 20
to 90, show IMAGES images in all. Initial weights are `he` and inputs are divided by their
deviation: with the published weights the loss can stay at the loss of guessing for thousands of
steps. The rate falls by a cosine, because the error on a few validation images is too noisy to
steer it. torchvision's network has neither response nor batch normalisation: He's weights are too
large for it, and it starts with Glorot's. Layers that --pretrained has nothing for start with the
spec's own weights: their inputs have the scale of the published network's activations.

A published procedure has a name (PUBLISHED, --recipe paper): its network with its own initial
weights, its rates, decay, schedule, augmentation and mean, whatever the data.

Source: PUBLISHED, momentum, weight decay and rule: docs/facts.md, sections 3, 4 and 6; the rest is
our measurement.
"""

import textwrap
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Recipe:
    """Defaults. norm and init are arguments of alexnet.build. None keeps the spec's value, or for
    batch_size and epochs follows the number of images. The other fields are options of the same
    names (options.py)."""

    spec: str
    image_size: int | None
    norm: str | None
    init: str | None
    batch_size: int | None
    epochs: int | None
    lr: float
    schedule: str
    augment: str
    milestones: str | None = None
    warmup: float = 0.0
    bias_lr: str = "1x"
    decay_biases: bool = True
    momentum: float = 0.9
    weight_decay: float = 5e-4
    rule: str = "paper"
    mean: str | None = None


RECIPES = {
    "synthetic": Recipe("paper", 67, None, "he", 64, 4, 0.02, "cosine", "none"),
    "cifar10": Recipe("cifar10", 32, "batch", "he", 128, 20, 0.05, "cosine", "crop"),
    "folder": Recipe("paper", None, None, "he", None, None, 0.01, "cosine", "crop"),
}
STEPS, BATCHES = 24, (8, 16, 32, 64, 128)
IMAGES, EPOCHS = 60_000, (20, 90)
MANY = 1_000_000  # images, where their number is not known: the largest batch, the fewest epochs

_PAPER = Recipe(
    "paper", None, None, "published", 128, 90, 0.01, "plateau", "alexnet", mean="image"
)  # fmt: skip
PUBLISHED = {
    "paper": _PAPER,
    # Rates were changed by hand after these epochs of 91; the rate of biases was not.
    "code-2012": replace(
        _PAPER, spec="code-2012", epochs=91, schedule="multistep", milestones="25,51,79",
        bias_lr="0.02", decay_biases=False,
    ),
    # 100,000 of 450,000 steps, as 20 of 90 epochs
    "caffe": replace(
        _PAPER, spec="caffe", batch_size=256, schedule="multistep", milestones="20,40,60,80",
        augment="crop", bias_lr="2x", decay_biases=False,
    ),
    # Random resized crops are not among ours: its crops are those of "crop".
    "torchvision": replace(
        _PAPER, spec="torchvision", batch_size=256, schedule="step", augment="crop",
        weight_decay=1e-4, rule="pytorch", mean="imagenet",
    ),
}  # fmt: skip


def recipe_for(
    kind: str,
    images: int,
    name: str | None = None,
    *,
    pretrained: bool = False,
    spec: str | None = None,
) -> Recipe:
    """The recipe for this kind of data ("synthetic", "cifar10" or "folder").

    images      the number of training images
    name        of a published recipe, or None
    pretrained  whether layers start from a file
    spec        the flag --spec, or None
    """
    recipe = RECIPES[kind]
    if name:  # image sizes follow the data: no published procedure is for images of 32 x 32
        recipe = replace(PUBLISHED[name], image_size=recipe.image_size)
    elif pretrained:  # new layers read what the published layers below make
        recipe = replace(recipe, init=None)
    elif kind == "folder" and spec == "torchvision":
        recipe = replace(recipe, init="glorot")
    batch_size = max([BATCHES[0], *(size for size in BATCHES if size * STEPS <= images)])
    epochs = min(max(IMAGES // images, EPOCHS[0]), EPOCHS[1])
    return replace(
        recipe, batch_size=recipe.batch_size or batch_size, epochs=recipe.epochs or epochs
    )


def recipe_table() -> str:
    """The recipes as tables of text, for --help."""
    names = "spec image_size norm init batch_size epochs lr schedule augment".split()
    ranges = {"batch_size": BATCHES, "epochs": EPOCHS}
    lines = ["by data:     " + " ".join(f"{name.replace('_', '-'):>10}" for name in names)]
    for kind, recipe in RECIPES.items():
        values = {name: getattr(recipe, name) for name in names}
        for name, numbers in ranges.items():
            if values[name] is None:
                values[name] = f"{numbers[0]} to {numbers[-1]}"
        shown = ("spec's" if value is None else value for value in values.values())
        lines.append(f"  {kind:11}" + " ".join(f"{value:>10}" for value in shown))
    lines += [
        "  folder with --spec torchvision: init glorot; with --pretrained: init spec's",
        f"  folder: the largest batch that leaves {STEPS} steps an epoch, epochs that show "
        f"{IMAGES:,} images",
        "",
        "by --recipe:",
    ]
    plain = RECIPES["folder"]
    for name, recipe in PUBLISHED.items():
        words = [
            _flag(field.name, getattr(recipe, field.name))
            for field in fields(Recipe)
            if getattr(recipe, field.name) not in (None, getattr(plain, field.name))
        ]
        lines += textwrap.wrap(
            " ".join(words), 98, initial_indent=f"  {name:12}", subsequent_indent=" " * 14,
            break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)


def _flag(name, value):
    """The flag of alexnet.train that sets this option."""
    flag = name.replace("_", "-")
    return f"--no-{flag}" if value is False else f"--{flag} {value}"
