"""The claims that alexnet.study tries: each a few trainings that differ in one thing.

    CLAIMS["lrn"] = Claim(..., measure="validation error", arms=(Arm("no normalisation", ...),
                                                                 Arm("across maps", ...)))

The first arm of a claim is the one that the others are compared with. An arm is a training: the
flags of alexnet.train that its claim's arms share, and its own. Two claims that have an arm in
common share its training.

The networks are small, so that a claim takes minutes to hours on a processor:

    SMALL     the four-layer network of the paper's figure 1 at half its width, on crops of 24 x 24
              pixels, as the authors' program cut them from CIFAR-10's 32 x 32
    UNSCALED  the same with the authors' initial weights, on inputs from 0 to 255: only at this
              scale are the sums of squares that normalisation across maps divides by large
    DEEP      the paper's network at a quarter of its width, on 67 x 67 pixels, the fewest it takes

Source: docs/facts.md, section 7, for the published figures; each claim names its own.
"""

from dataclasses import dataclass

SMALL = (
    "--spec cifar10 --image-size 24 --width 0.5 --norm none --init he --augment crop "
    "--batch-size 64 --lr 0.03 --schedule cosine --epochs 5"
)
UNSCALED = (
    "--spec cifar10 --image-size 24 --width 0.5 --init published --augment crop "
    "--batch-size 64 --lr 0.003 --schedule cosine --epochs 5"
)
DEEP = (
    "--spec paper --image-size 67 --width 0.25 --init he --augment crop "
    "--batch-size 64 --lr 0.02 --schedule cosine --epochs 5"
)


@dataclass(frozen=True)
class Arm:
    """A training of a claim.

    name       in tables and pictures
    flags      of alexnet.train; they win over the claim's
    expected   1 or -1: the measure is claimed to be above or below the first arm's; 0: the source
               claims no order, or this is the first arm
    published  the source's figure of the difference, in its words; "" where it has none
    pretrain   flags of alexnet.pretrain, whose file the training starts from; None: no pretraining
    """

    name: str
    flags: str = ""
    expected: int = 0
    published: str = ""
    pretrain: str | None = None


@dataclass(frozen=True)
class Claim:
    """A claim and the trainings that try it.

    says     the claim, a sentence
    source   where it is made
    shared   flags of alexnet.train that all arms share
    measure  a name of measures.MEASURES
    arms     at least two
    """

    says: str
    source: str
    shared: str
    measure: str
    arms: tuple[Arm, ...]


CLAIMS = {
    "relu-vs-tanh": Claim(
        "A network of ReLUs reaches 25 % training error several times faster than one of tanh.",
        "the paper, section 3.1 and figure 1: no regularisation, a rate for each network",
        "--spec cifar10 --image-size 24 --norm none --init he --augment none --weight-decay 0 "
        "--batch-size 64 --lr 0.01 --schedule constant",
        "epochs to 25 % training error",
        (
            Arm("relu", "--epochs 12"),
            Arm("tanh", "--activation tanh --epochs 16", 1, "six times the epochs"),
        ),
    ),
    "initialisation": Claim(
        "With the published weights a small AlexNet stands still at ln(classes); weights that "
        "keep the size of the signal start at once.",
        "docs/facts.md, section 3 (BVLC/caffe#401, theano_alexnet#33); He and others (2015); "
        "Glorot and Bengio (2010)",
        "--spec paper --image-size 67 --width 0.25 --augment crop --batch-size 64 --lr 0.01 "
        "--schedule constant --epochs 1",
        "steps at ln(classes)",
        (
            Arm("published", "--init published"),
            Arm("he", "--init he", -1),
            Arm("glorot", "--init glorot", -1),
            Arm("published with batch norm", "--init published --norm batch", -1),
        ),
    ),
    "lrn": Claim(
        "Local response normalisation lowers the error of a four-layer network on CIFAR-10.",
        "the paper, section 3.3",
        UNSCALED,
        "validation error",
        (
            Arm("no normalisation", "--norm none"),
            Arm("across maps", "--norm lrn", -1, "-2 points (13 % without, 11 % with)"),
            Arm("within each map", "--norm same-map", -1),
        ),
    ),
    "batch-norm-vs-lrn": Claim(
        "Batch normalisation learns faster than local response normalisation, which it replaced.",
        "Ioffe and Szegedy, Batch normalization (2015), section 4.2; docs/facts.md, section 1",
        SMALL,
        "validation error",
        (
            Arm("across maps", "--norm lrn"),
            Arm("batch norm", "--norm batch", -1),
            Arm("no normalisation"),
        ),
    ),
    "overlapping-pooling": Claim(
        "Pools whose windows overlap (3 x 3, two apart) give a lower error than 2 x 2, two apart.",
        "the paper, section 3.4",
        SMALL,
        "validation error",
        (Arm("3 over 2"), Arm("2 over 2", "--pool 2 2", 1, "+0.4 points")),
    ),
    "augmentation": Claim(
        "Crops and mirrors hold back overfitting, and the change of colour lowers the error more.",
        "the paper, section 4.1",
        SMALL,
        "validation error",
        (
            Arm("crops and mirrors"),
            Arm("none", "--augment none", 1, "substantial overfitting"),
            Arm("and colour", "--augment alexnet", -1, "more than -1 point"),
        ),
    ),
    "weight-decay": Claim(
        "A little weight decay is not only a regulariser: it lowers the training error.",
        "the paper, section 5",
        SMALL,
        "training error",
        (
            Arm("0.0005"),
            Arm("0", "--weight-decay 0", 1),
        ),
    ),
    "dropout": Claim(
        "Without dropout the network overfits substantially.",
        "the paper, section 4.2",
        DEEP,
        "validation error",
        (
            Arm("dropout 0.5"),
            Arm("no dropout", "--dropout 0", 1, "substantial overfitting"),
        ),
    ),
    "single-tower": Claim(
        "Two towers give a lower error than one tower with half the kernels.",
        "the paper, section 3.2",
        DEEP,
        "validation error",
        (
            Arm("two towers"),
            Arm("one tower, half the kernels", "--spec one-gpu", 1, "+1.7 points"),
        ),
    ),
    "towers": Claim(
        "Towers that see each other's maps in conv3 give a lower error than towers that never do.",
        "the authors' logs: docs/facts.md, section 7",
        DEEP,
        "validation error",
        (
            Arm("two towers"),
            Arm("two towers apart", "--apart", 1, "+1.2 points (41.83 and 40.66 %)"),
            Arm("no groups", "--groups 1"),
        ),
    ),
    "depth": Claim(
        "The network needs its depth: without one of the middle convolutions the error is higher.",
        "the paper, section 7",
        DEEP,
        "validation error",
        (
            Arm("five convolutions"),
            Arm("without conv3", "--without conv3", 1, "about +2 points"),
            Arm("without conv4", "--without conv4", 1, "about +2 points"),
        ),
    ),
    "pretraining": Claim(
        "Convolutions that were trained as auto-encoders, without labels, give a lower error.",
        "the theory page of docs/facts.md, section 1; Masci and others, Stacked convolutional "
        "auto-encoders (2011)",
        SMALL,
        "validation error",
        (
            Arm("random weights"),
            Arm("auto-encoders first", "", -1, pretrain="--epochs 2"),
        ),
    ),
}
