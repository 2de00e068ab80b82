"""python -m alexnet: what there is. alexnet COMMAND ... is python -m alexnet.COMMAND ..."""

import argparse
import importlib
import sys

from alexnet.cli import flags

COMMANDS = {
    "prepare": "pack a folder's images, read and resized once, for training",
    "train": "train an AlexNet on photos, CIFAR-10 or drawn images",
    "evaluate": "the accuracy of a trained network, and of each class",
    "predict": "the most probable classes of image files",
    "convert": "weights from other programs' files to this one's, and back",
    "pretrain": "convolutions from images without labels, by auto-encoders",
    "transfer": "from scratch, fine-tuning and feature extraction, side by side",
    "study": "claims about AlexNet, each tried by small trainings",
    "explore": "a page to walk through a network, down to each number",
    "explain": "one number of a network: what it read, its arithmetic, its gradient",
    "saliency": "which pixels of an image count for a class, by six methods",
    "dream": "images that units of a network answer strongly",
    "preview": "what a network gets of a photo: crops, mirrors, changes of colour",
    "filters": "the first convolution's kernels as colours",
    "summary": "every layer's shape, parameters, multiply-adds and memory",
}


def main(argv=None) -> int:
    """The command; returns its exit code. Without a command: prints what there is. A command that
    does not exist exits with 2."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    parser = _parser()
    command = parser.parse_args(arguments[:1]).command
    if command is None:
        parser.print_help()
        return 0
    return importlib.import_module(f"alexnet.{command}").main(arguments[1:])


def _parser():
    lines = [f"  {name:10}{what}" for name, what in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m alexnet",
        usage="alexnet COMMAND ..., or python -m alexnet.COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="AlexNet (Krizhevsky, Sutskever and Hinton, 2012) and its published variants.\n"
        "\ncommands (each has --help):\n" + "\n".join(lines),
    )
    parser.add_argument("command", nargs="?", choices=COMMANDS, help=argparse.SUPPRESS)
    flags.add_version_flag(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
