"""Every published AlexNet as data: SPECS["paper"], SPECS["caffe"], ...

spec_row.py says how a row is read. Published AlexNets differ in their rows only. variants.py
changes a row on request, build.py makes a network from it.

Source: each row names its own. The numbers of all rows were compared with Krizhevsky, Sutskever,
Hinton, ImageNet classification with deep convolutional neural networks (NIPS 2012), called the
paper below, and its authors' program, computerhistory/AlexNet-Source-Code.
"""

from dataclasses import replace

from alexnet.network.spec_row import (
    LRN,
    BatchNorm,
    Convolution,
    Dropout,
    InitialWeights,
    Input,
    Pool,
    SameMap,
    Spec,
)

# torchvision's, published on 0..1: mean 0.485, 0.456, 0.406, deviation 0.229, 0.224, 0.225
IMAGENET = Input(
    mean=(255 * 0.485, 255 * 0.456, 255 * 0.406),
    divisor=(255 * 0.229, 255 * 0.224, 255 * 0.225),
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
