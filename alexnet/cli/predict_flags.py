"""The flags of alexnet.predict."""

import argparse

from alexnet.cli import flags
from alexnet.cli.ten_crop import add_ten_crop_flag
from alexnet.pictures.predictions import MOST


def parser() -> argparse.ArgumentParser:
    """The command's parser."""
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.predict",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Name the most probable classes of image files with a trained network.\n"
        "A file that cannot be read is named on stderr; the others are answered, and the exit code "
        "is 3.",
        epilog="examples:\n"
        "  python -m alexnet.predict runs/first cat.jpg\n"
        "  python -m alexnet.predict runs/first/best.npz photos --topk 1\n"
        "  find photos -name '*.jpg' | python -m alexnet.predict runs/first - --csv > answers.csv\n"
        "  find photos -name '*.jpg' -print0 | python -m alexnet.predict runs/first - -0 --topk 1\n"
        "  python -m alexnet.predict runs/wnids photos --words words.txt --json\n"
        "  python -m alexnet.predict runs/first photos/val --plot answers.png\n"
        "  python -m alexnet.predict runs/first cat.jpg --neighbours photos --plot nearest.png\n"
        "  python -m alexnet.predict runs/first photos --features relu7 --out features.npz\n"
        "    data = np.load('features.npz'); x, y = data['features'], data['labels']\n"
        "    classifier.fit(x.reshape(len(x), -1), y); data['classes'][y] are the names",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "images", nargs="+", type=flags.path, metavar="IMAGE",
        help="image files; folders, with all images in them at any depth; - for a list of paths on "
        "standard input, one a line",
    )  # fmt: skip
    parser.add_argument(
        "-0", "--null", action="store_true",
        help="in the list on standard input each path ends in a zero byte, as find -print0 writes "
        "them: a name may then hold any other byte, line breaks too",
    )  # fmt: skip
    add_ten_crop_flag(parser)
    parser.add_argument(
        "--topk", type=flags.count, default=5, metavar="K",
        help="classes of each image (5); 1 prints a line for each image: path, class, probability, "
        "with tabs between",
    )  # fmt: skip
    flags.add_words_flag(parser)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="print one JSON list")
    group.add_argument(
        "--csv", action="store_true",
        help="print a line for each image: image, class, probability, class_2, probability_2, ...",
    )  # fmt: skip
    _add_looks(parser.add_argument_group("look into the network"))
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    flags.add_precision_flag(parser)
    return parser


def _add_looks(group):
    group.add_argument(
        "--plot", type=flags.new_file_ending(".png", ".pdf", ".svg"), metavar="FILE",
        help="draw each image over its five most probable classes, as in the paper's figure 4; "
        f"with --neighbours, beside its neighbours: .png, .pdf or .svg, the first {MOST} "
        "images. The class of an image is known if its folder has the name of a class; it stands "
        "above the image, and its bar is red",
    )  # fmt: skip
    group.add_argument(
        "--neighbours", type=flags.data, metavar="DATA",
        help="find the six training images whose activations in the last hidden layer have the "
        "smallest Euclidean distance: synthetic, cifar10:FOLDER, FOLDER. The file of the image "
        "itself does not count. DATA takes memory for N x 4,096 float32 numbers (the width of "
        "that layer)",
    )  # fmt: skip
    group.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, default=0, metavar="N",
        help="leave out up to N broken files of --neighbours (0)",
    )  # fmt: skip
    group.add_argument(
        "--features", type=flags.not_empty, metavar="LAYER",
        help="write this layer's activations of all images to --out, and name no classes: conv5, "
        "pool5, relu7, ..., as alexnet.summary names them. Later layers are not computed",
    )  # fmt: skip
    group.add_argument(
        "--out", type=flags.new_file_ending(".npz"), metavar="FILE.npz",
        help="of --features, for np.load: features, float32 (N, ...); paths, text (N,); labels, "
        "int64 (N,); classes, text: the sorted names of the folders that the images lie in, "
        "classes[labels] is each image's folder. An image that cannot be read is left out",
    )  # fmt: skip
