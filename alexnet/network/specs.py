"""Every published AlexNet as data: SPECS["paper"], SPECS["caffe"], ... and the fields of a row.

A row lists blocks, read from left to right and from top to bottom. Each word is a layer and takes
its block's number: the first block of `paper`, "conv relu lrn maxpool", becomes conv1, relu1,
norm1, pool1. A "conv" takes the next row of `convolutions`, an "fc" the next width of `hidden`, the
last "fc" the number of classes. Published AlexNets differ in their rows only. variants.py changes a
row on request, build.py makes a network from it.

Source: each row names its own. The numbers of all rows were compared with Krizhevsky, Sutskever,
Hinton, ImageNet classification with deep convolutional neural networks (NIPS 2012), called the
paper below, and its authors' program, computerhistory/AlexNet-Source-Code.
"""

from dataclasses import dataclass, replace

WORDS = "conv fc relu tanh lrn samemap batchnorm maxpool avgpool adaptive dropout".split()


@dataclass(frozen=True)
class Convolution:
    """`out` kernels of kernel x kernel pixels; each sees 1 / groups of the input channels.
    ceil_mode rounds the output size up: the last window may hang over the edge, over zeros."""

    out: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    ceil_mode: bool = False


@dataclass(frozen=True)
class LRN:
    """Local response normalisation: x / (k + a * sum of size squares) ** beta. a is alpha, as in
    the paper; with divide_by_size a is alpha / size, as in Caffe, the authors' program and PyTorch.
    The window stays within one of `groups` equal parts of the maps, such as a tower.
    """

    size: int
    alpha: float
    beta: float
    k: float
    divide_by_size: bool
    groups: int = 1


@dataclass(frozen=True)
class SameMap:
    """Normalisation within a map: x / (k + alpha / size^2 * sum of size x size squares) ** beta."""

    size: int
    alpha: float
    beta: float
    k: float


@dataclass(frozen=True)
class BatchNorm:
    """eps is added to the variance; momentum is the new batch's share in the running statistics."""

    eps: float
    momentum: float


@dataclass(frozen=True)
class Pool:
    """Window and stride of every pool; ceil_mode rounds the output size up: one answer for all
    pools, or one for each in their order (a network that was cut short needs only the first)."""

    window: int
    stride: int
    ceil_mode: bool | tuple[bool, ...]

    def each(self, count: int) -> "list[Pool]":
        """`count` pools, each with its own ceil_mode; fewer where the row has no more answers."""
        modes = self.ceil_mode
        modes = modes if isinstance(modes, tuple) else (modes,) * count
        return [replace(self, ceil_mode=mode) for mode in modes[:count]]


@dataclass(frozen=True)
class Dropout:
    """drop is the probability to drop. scale: "train" divides by 1 - drop in training (inverted
    dropout), "test" multiplies by 1 - drop in test mode (the paper)."""

    drop: float
    scale: str


@dataclass(frozen=True)
class InitialWeights:
    """The initial weights and biases.

    rule                 "normal", "he", "glorot" or "pytorch": initial_weights.py
    deviations, biases   for "normal": a number for each conv and fc, in the order of the layers
    """

    rule: str
    deviations: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()


@dataclass(frozen=True)
class Input:
    """The network sees (pixel - mean) / divisor, pixels from 0 to 255, channels R, G, B.

    mean     "image" (the training set's mean image), "channel" (its mean colour) or three numbers
    divisor  three numbers
    colour_divisor  training images with a change of colour are also divided by it
    """

    mean: str | tuple[float, float, float]
    divisor: tuple[float, float, float] = (1.0, 1.0, 1.0)
    colour_divisor: float = 1.0


# torchvision's, published on 0..1: mean 0.485, 0.456, 0.406, deviation 0.229, 0.224, 0.225
IMAGENET = Input(
    mean=(255 * 0.485, 255 * 0.456, 255 * 0.406),
    divisor=(255 * 0.229, 255 * 0.224, 255 * 0.225),
)


@dataclass(frozen=True)
class Spec:
    """One published network: a row of SPECS."""

    name: str
    source: str
    image_size: int
    num_classes: int  # as published; alexnet.build makes any number
    input: Input
    convolutions: tuple[Convolution, ...]
    hidden: tuple[int, ...]  # widths of the fully connected layers before the last
    blocks: tuple[str, ...]
    pool: Pool
    weights: InitialWeights
    lrn: LRN | None = None
    same_map: SameMap | None = None
    batch_norm: BatchNorm | None = None
    dropout: Dropout | None = None
    adaptive_size: int | None = None  # rows and columns of the maps after "adaptive"
    last_name: str | None = None  # of the last layer; None: "fc" and its block's number

    def __post_init__(self):
        words = " ".join(self.blocks).split()
        unknown = sorted(set(words) - set(WORDS))
        if unknown:
            raise ValueError(f"spec {self.name}: no layer is called {unknown}; there are {WORDS}")
        convs, fcs = words.count("conv"), words.count("fc")
        if (convs, fcs) != (len(self.convolutions), len(self.hidden) + 1):
            raise ValueError(
                f"spec {self.name}: its blocks have {convs} conv and {fcs} fc, which need {convs} "
                f"convolutions and {max(fcs - 1, 0)} hidden widths; it has "
                f"{len(self.convolutions)} and {len(self.hidden)}"
            )
        numbers = len(self.weights.deviations), len(self.weights.biases)
        if self.weights.rule == "normal" and numbers != (convs + fcs, convs + fcs):
            raise ValueError(
                f"spec {self.name}: {convs + fcs} conv and fc need as many deviations and as many "
                f"biases, got {numbers[0]} and {numbers[1]}"
            )
        pools = words.count("maxpool") + words.count("avgpool")
        if len(self.pool.each(pools)) != pools:
            raise ValueError(
                f"spec {self.name}: its blocks have {pools} pools, which need one ceil_mode or "
                f"{pools}; it has {len(self.pool.ceil_mode)}"
            )
        settings = {
            "lrn": self.lrn,
            "samemap": self.same_map,
            "batchnorm": self.batch_norm,
            "dropout": self.dropout,
            "adaptive": self.adaptive_size,
        }
        for word, setting in settings.items():
            if word in words and setting is None:
                raise ValueError(
                    f"spec {self.name}: its blocks have {word}, but the row sets no numbers for it"
                )


# --- the rows: the paper's in full, most others as changes of another row -------------------------

PAPER = Spec(
    name="paper",
    source="the paper: two towers, one on each of two GPUs",
    # The paper says 224, but maps of 55 x 55 need 227, or a last window that hangs over the edge.
    image_size=227,
    num_classes=1000,
    input=Input(mean="image"),
    convolutions=(
        Convolution(96, 11, stride=4),
        # groups 2: the kernels of layers 2, 4 and 5 see only the maps of their own GPU
        Convolution(256, 5, padding=2, groups=2),
        Convolution(384, 3, padding=1),
        Convolution(384, 3, padding=1, groups=2),
        Convolution(256, 3, padding=1, groups=2),
    ),
    hidden=(4096, 4096),
    blocks=(
        "conv relu lrn maxpool",
        "conv relu lrn maxpool",
        "conv relu",
        "conv relu",
        "conv relu maxpool",
        "fc relu dropout",
        "fc relu dropout",
        "fc",
    ),
    lrn=LRN(size=5, alpha=1e-4, beta=0.75, k=2.0, divide_by_size=False),
    pool=Pool(window=3, stride=2, ceil_mode=False),
    dropout=Dropout(0.5, scale="test"),
    weights=InitialWeights(
        "normal",
        #           conv1 conv2 conv3 conv4 conv5  fc6   fc7   fc8
        deviations=(0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01),
        biases=(0, 1, 0, 1, 1, 1, 1, 0),
    ),
)

CODE_2012 = replace(
    PAPER,
    name="code-2012",
    source="the authors' program of 2012, run 145: what trained the paper's network",
    image_size=224,
    input=Input(mean="image", colour_divisor=1.1),
    # The last window hangs over the edge, so that 224 gives the paper's maps of 55 x 55.
    convolutions=(replace(PAPER.convolutions[0], ceil_mode=True), *PAPER.convolutions[1:]),
    blocks=(
        "conv lrn maxpool relu",
        "conv relu lrn samemap maxpool",
        "conv relu",
        "conv relu",
        "conv maxpool relu",
        "fc relu dropout",
        "fc relu dropout",
        "fc",
    ),
    # groups 2: each GPU normalises its own maps
    lrn=LRN(size=5, alpha=1e-4, beta=0.75, k=2.0, divide_by_size=True, groups=2),
    same_map=SameMap(size=5, alpha=1e-3, beta=0.75, k=1.0),
    pool=Pool(window=3, stride=2, ceil_mode=True),
    weights=InitialWeights(
        "normal",
        deviations=(0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01),
        biases=PAPER.weights.biases,
    ),
)

ONE_GPU = replace(
    PAPER,
    name="one-gpu",
    source="the paper, section 3.2 and its footnote: half the kernels, but all of conv5's",
    convolutions=(
        Convolution(48, 11, stride=4),
        Convolution(128, 5, padding=2),
        Convolution(192, 3, padding=1),
        Convolution(192, 3, padding=1),
        Convolution(256, 3, padding=1),
    ),
)

CAFFE = replace(
    PAPER,
    name="caffe",
    source="BVLC/caffe, models/bvlc_alexnet",
    lrn=LRN(size=5, alpha=1e-4, beta=0.75, k=1.0, divide_by_size=True),
    pool=Pool(window=3, stride=2, ceil_mode=True),
    dropout=Dropout(0.5, scale="train"),
    weights=InitialWeights(
        "normal",
        deviations=(0.01, 0.01, 0.01, 0.01, 0.01, 0.005, 0.005, 0.01),
        # 0.1 where the paper has 1, which "gave flat loss" in the words of the model's readme
        biases=(0, 0.1, 0, 0.1, 0.1, 0.1, 0.1, 0),
    ),
)

ONNX_ZOO = replace(
    CAFFE,
    name="onnx-zoo",
    source="ONNX Model Zoo, bvlcalexnet: bvlc_alexnet as Caffe2's converter made it",
    image_size=224,
    # At 224 the converter gave pool5 a border below and to the right, but not pool1 and pool2, so
    # maps are 26, 12 and 6 where Caffe's are 27, 13 and 6.
    pool=Pool(window=3, stride=2, ceil_mode=(False, False, True)),
)

CAFFENET = replace(
    CAFFE,
    name="caffenet",
    source="BVLC/caffe, models/bvlc_reference_caffenet: pools before the normalisation",
    blocks=(
        "conv relu maxpool lrn",
        "conv relu maxpool lrn",
        "conv relu",
        "conv relu",
        "conv relu maxpool",
        "fc relu dropout",
        "fc relu dropout",
        "fc",
    ),
    weights=replace(CAFFE.weights, biases=(0, 1, 0, 1, 1, 1, 1, 0)),
)

SINGLE_TOWER = replace(
    CAFFENET,  # its initial weights too: the texts name none
    name="single-tower",
    source="most texts about AlexNet: one tower as wide as the paper's two",
    convolutions=tuple(replace(convolution, groups=1) for convolution in PAPER.convolutions),
    blocks=(
        "conv relu maxpool lrn",
        "conv relu maxpool lrn",
        "conv relu",
        "conv relu",
        "conv relu maxpool",
        "dropout fc relu",
        "dropout fc relu",
        "fc",
    ),
    pool=PAPER.pool,
)

ONE_WEIRD_TRICK = replace(
    PAPER,
    name="one-weird-trick",
    source="Krizhevsky, One weird trick (2014): cuda-convnet2's net for one GPU",
    convolutions=(
        Convolution(64, 11, stride=4),
        Convolution(192, 5, padding=2),
        Convolution(384, 3, padding=1),
        Convolution(256, 3, padding=1),
        Convolution(256, 3, padding=1),
    ),
    blocks=(
        "conv lrn maxpool relu",
        "conv relu lrn maxpool",
        "conv relu",
        "conv relu",
        "conv maxpool relu",
        "fc relu dropout",
        "fc relu dropout",
        "fc",
    ),
    lrn=LRN(size=5, alpha=1e-4, beta=0.75, k=2.0, divide_by_size=True),
    pool=Pool(window=3, stride=2, ceil_mode=True),  # cuda-convnet rounds up
    weights=InitialWeights(
        "normal",
        deviations=(0.01, 0.01, 0.03, 0.03, 0.03, 0.01, 0.01, 0.01),
        # -7 for every class changes no probability: the softmax cancels it
        biases=(0, 1, 0, 1, 1, 1, 1, -7),
    ),
)

TORCHVISION = replace(
    ONE_WEIRD_TRICK,
    name="torchvision",
    source="torchvision, models/alexnet.py and its training reference",
    image_size=224,
    input=IMAGENET,
    convolutions=(
        Convolution(64, 11, stride=4, padding=2),
        *ONE_WEIRD_TRICK.convolutions[1:],
    ),
    blocks=(
        "conv relu maxpool",
        "conv relu maxpool",
        "conv relu",
        "conv relu",
        "conv relu maxpool adaptive",
        "dropout fc relu",
        "dropout fc relu",
        "fc",
    ),
    lrn=None,
    pool=Pool(window=3, stride=2, ceil_mode=False),
    adaptive_size=6,
    dropout=Dropout(0.5, scale="train"),
    weights=InitialWeights("pytorch"),
)

BATCH_NORM = replace(
    SINGLE_TOWER,
    name="batch-norm",
    source="Keras posts about AlexNet: batch normalisation after every convolution's ReLU",
    blocks=(
        "conv relu batchnorm maxpool",
        "conv relu batchnorm maxpool",
        "conv relu batchnorm",
        "conv relu batchnorm",
        "conv relu batchnorm maxpool",
        "fc relu dropout",
        "fc relu dropout",
        "fc",
    ),
    lrn=None,
    batch_norm=BatchNorm(eps=1e-3, momentum=0.01),  # Keras' defaults
    weights=InitialWeights("glorot"),
)

CIFAR10 = Spec(
    name="cifar10",
    source="the paper's figure 1: cuda-convnet's layers-18pct.cfg, without normalisation",
    image_size=32,
    num_classes=10,
    input=Input(mean="image"),
    convolutions=(
        Convolution(32, 5, padding=2),
        Convolution(32, 5, padding=2),
        Convolution(64, 5, padding=2),
    ),
    hidden=(),
    blocks=(
        "conv maxpool relu",
        "conv relu avgpool",
        "conv relu avgpool",
        "fc",
    ),
    # as published at the end of blocks 1 and 2; build("cifar10", norm="same-map") puts it there
    same_map=SameMap(size=3, alpha=5e-5, beta=0.75, k=1.0),
    pool=Pool(window=3, stride=2, ceil_mode=True),
    weights=InitialWeights("normal", deviations=(0.0001, 0.01, 0.01, 0.01), biases=(0, 0, 0, 0)),
    last_name="fc10",
)

_ROWS = (
    PAPER,
    CODE_2012,
    CAFFE,
    ONNX_ZOO,
    CAFFENET,
    SINGLE_TOWER,
    ONE_GPU,
    ONE_WEIRD_TRICK,
    TORCHVISION,
    BATCH_NORM,
    CIFAR10,
)

SPECS = {row.name: row for row in _ROWS}


def find_spec(spec) -> Spec:
    """The row of SPECS with this name, or this row itself. Raises ValueError for a row that SPECS
    does not hold."""
    name = spec.name if isinstance(spec, Spec) else spec
    if not isinstance(name, str) or name not in SPECS:
        raise ValueError(
            f"build: there is no spec {name!r}; there are {', '.join(SPECS)} (a row of your own "
            "goes into SPECS under its name, so that a checkpoint can find it again)"
        )
    if isinstance(spec, Spec) and spec != SPECS[name]:
        raise ValueError(
            f"build: this row differs from SPECS[{name!r}]; give it a name of its own and put it "
            "into SPECS, so that a checkpoint can find it again"
        )
    return SPECS[name]
