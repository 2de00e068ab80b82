"""The fields of a row of SPECS (specs.py): a published network as data.

A row lists blocks, read from left to right and from top to bottom. Each word is a layer and takes
its block's number: the first block of `paper`, "conv relu lrn maxpool", becomes conv1, relu1,
norm1, pool1. A "conv" takes the next row of `convolutions`, an "fc" the next width of `hidden`, the
last "fc" the number of classes. plan.py follows these rules.
"""

from dataclasses import dataclass, replace

WORDS = "conv fc relu tanh lrn samemap batchnorm maxpool avgpool adaptive dropout".split()
POOLS = ("maxpool", "avgpool", "adaptive")


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
