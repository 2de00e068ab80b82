"""python -m alexnet.explain CHECKPOINT IMAGE --layer conv2 --at 17,4,9: one number of a network,
explained.

The image goes through the network in test mode; then the number is computed again from the inputs
that its layer read, in exact arithmetic (inside/arithmetic.py), and by every backend
(inside/backends_beside.py). --backward adds where its gradient goes, --step walks the numpy kernel
line by line, --html writes the same tables beside the photo.
"""

import sys

import numpy as np

from alexnet.cli import ending, explain_flags
from alexnet.cli.checked_trace import checked_trace
from alexnet.cli.explain_output import print_json, print_lines, print_text
from alexnet.cli.machine import use_machine
from alexnet.cli.output_file import keep_inputs, written_whole
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.data.names import printable
from alexnet.errors import UsageError
from alexnet.evaluation.metrics import log_probabilities
from alexnet.inside import explain
from alexnet.inside.line_by_line import lines
from alexnet.pictures.explanation_page import page
from alexnet.weights import checkpoint


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(explain_flags.parser().parse_args(argv)), "alexnet.explain")


def _command(args):
    given = [f"--{name}" for name in ("backward", "label", "html", "json") if getattr(args, name)]
    if args.step and given:
        raise UsageError(f"--step prints the kernel's lines alone; leave out {', '.join(given)}")
    use_machine(args.backend, args.threads, "float32", args.json)
    saved = checkpoint.load(args.checkpoint)
    if args.html:
        keep_inputs(args.html, [saved.path, args.image])
    pixels = centre_crop(read_image(args.image, saved.stored_size)[None], saved.build["image_size"])
    seen = checked_trace(saved, saved.make_model(), pixels)
    traced = _layer(seen, args.layer)
    at = args.at or tuple(
        int(i) for i in np.unravel_index(np.argmax(traced.y[0]), traced.y[0].shape)
    )
    if args.step:
        print_lines(lines(traced, _inside(traced, at)), traced)
        return 0
    label = _label(args, saved.classes, seen) if args.backward or args.label else None
    explained = explain(seen, args.layer, _inside(traced, at), label=label)
    before = _before(seen, args.layer)
    title = f"{printable(args.image)} in {printable(saved.path)}"
    if label is not None:
        title += f", the loss of class {printable(saved.classes[label])}"
    if args.html:
        text = page(title, explained, before, pixels[0].transpose(1, 2, 0))
        with written_whole(args.html) as file:
            file.write(text.encode())
    if args.json:
        print_json(title, explained, before)
    else:
        print_text(title, explained, before, pixels.shape[2])
    if args.html:
        ending.say(f"{printable(args.html)}: {len(text.encode()):,} bytes")
    return 0


def _layer(seen, name):
    if name not in [traced.name for traced in seen]:
        names = ", ".join(traced.name for traced in seen)
        raise UsageError(f"--layer {printable(name)}: the layers of this network are {names}")
    return seen[name]


def _inside(traced, at):
    """The place, checked."""
    shape = traced.y.shape[1:]
    if len(at) != len(shape) or any(place >= size for place, size in zip(at, shape, strict=True)):
        form = "CHANNEL,ROW,COLUMN" if len(shape) == 3 else "UNIT"
        largest = ",".join(str(size - 1) for size in shape)
        raise UsageError(
            f"--at {','.join(map(str, at))}: the outputs of {traced.name} are "
            f"{' x '.join(map(str, shape))}; {form} counts from 0, up to {largest}"
        )
    return at


def _label(args, classes, seen):
    """The label whose loss is explained: --label, or the class that the network sees."""
    if args.label is None:
        return int(np.argmax(log_probabilities(seen.layers[-1].y)[0]))
    if args.label not in classes:
        raise UsageError(f"--label {printable(args.label)}: this network knows no such class")
    return classes.index(args.label)


def _before(seen, name):
    """The name of the layer that the named one reads, or "the image"."""
    names = ["the image", *(traced.name for traced in seen)]
    return names[names.index(name) - 1]


if __name__ == "__main__":
    sys.exit(main())
