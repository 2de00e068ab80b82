"""python -m alexnet.explore CHECKPOINT IMAGE... --out FOLDER: a page to walk through a network.

The page opens from the disk: no server, no network (inside/page_files.py). It shows every layer's
maps, filters and figures, and behind every number its arithmetic, back to the photo; and a layer of
several networks on several photos beside each other.
"""

import argparse
import base64
import contextlib
import io
import os
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

import tinynet as tn
from alexnet.cli import ending, flags
from alexnet.cli.checked_trace import checked_trace
from alexnet.cli.counting import counted
from alexnet.cli.image_arguments import Faults, image_paths
from alexnet.cli.machine import use_machine
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError, writing
from alexnet.evaluation.metrics import log_probabilities
from alexnet.inside.kernel_sources import kernel_sources
from alexnet.inside.page_files import layer_facts, output_files, parameter_files, script, spread
from alexnet.training.run_folder import RunFolder
from alexnet.weights import checkpoint

MOST = 12  # photos
PROGRAM = ("index.html", "page.js", "page.css")


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.explore")


def _command(args):
    use_machine(args.backend, args.threads)
    folder = Path(args.out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"--out {printable(folder)} exists and is not an empty folder")
    paths, opened = _networks(args)
    first = checkpoint.load(paths[0])
    _check_alike(first, paths[1:])
    faults = Faults("alexnet.explore")
    photos = list(_photos(args, first, faults))
    if not photos:
        faults.raise_if_any()
        raise UsageError("no image was given")
    with writing(folder), _whole(folder) as new:
        _write(new, first, paths, opened, photos)
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(
        f"{printable(folder / 'index.html')}: photos {len(photos)}, networks {len(paths)}, "
        f"{total / 1e6:.1f} MB; open it in a browser"
    )
    faults.raise_if_any()
    return 0


def _networks(args):
    """(the paths of the checkpoints in the page's order, the number of CHECKPOINT among them)."""
    given, former = Path(args.checkpoint), []
    if args.kept:
        run = given if given.is_dir() else given.parent
        former = list(RunFolder(run).kept().values())
        if not former:
            raise UsageError(
                f"--kept: {printable(run)} has no former checkpoint such as step-000500.npz; "
                "alexnet.train --keep 10 leaves the newest ten"
            )
    paths = former if given in former else [*former, given]
    return [*paths, *args.beside], paths.index(given)


def _check_alike(first, paths):
    """Raise DataError for a checkpoint that cannot be read, and UsageError for one that cannot
    stand beside the first, before there is work to lose. Each is read again when its turn comes, so
    that memory holds few of them."""
    for path in paths:
        other = checkpoint.load(path)
        if other.classes != first.classes or other.layers() != first.layers():
            raise UsageError(
                f"{printable(other.path)} has other layers or classes than "
                f"{printable(first.path)}; only checkpoints of one network stand beside each other"
            )


def _photos(args, saved, faults):
    """(path, pixels uint8 (1, 3, S, S)) of each image that can be read."""
    for number, path in enumerate(image_paths(args.images, faults)):
        if number == MOST:
            ending.say(f"alexnet.explore: the page has the first {MOST} images")
            return
        try:
            yield (
                path,
                centre_crop(read_image(path, saved.stored_size)[None], saved.build["image_size"]),
            )
        except DataError as error:
            faults.add(path, error)


@contextlib.contextmanager
def _whole(folder):
    """A new folder beside this one, which takes its name at the end of the block; if the block
    raises, nothing stays."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new.chmod(0o755)
        yield new
        os.replace(new, folder)  # an empty folder of this name goes
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _write(folder, first, paths, opened, photos):
    """The page's files.

    first   the Checkpoint of paths[0]
    opened  the number of the network that the page opens with
    """
    data = folder / "data"
    data.mkdir()
    index = {
        "classes": first.classes, "backend": tn.get_backend().name, "opened": opened,
        "photos": [
            {"name": printable(Path(path).name), "picture": _png(pixels[0].transpose(1, 2, 0))}
            for path, pixels in photos
        ],
        "checkpoints": [], "answers": [],
        "sources": kernel_sources({layer.kind for layer in first.layers()}),
    }  # fmt: skip
    above = {}  # (photo, layer) -> the output of the network before this one
    passes = counted(_passes(first, paths, photos), len(paths) * len(photos), "networks x photos")
    for c, saved, p, seen in passes:
        if p == 0:
            index["checkpoints"].append(_described(saved))
            _write_all(data / f"c{c}", parameter_files(seen), f"c{c}")
        x = seen.layers[0].x[0]
        image = spread(x, above.get((p, "image")))
        same_input = f"c{c - 1}/p{p}/image" if image["change"] == 0 else None
        _write_all(data / f"c{c}/p{p}", output_files(seen, 0, same_input), f"c{c}/p{p}")
        answer = {"checkpoint": c, "photo": p, "top": _most_probable(seen), "image": image}
        answer["layers"] = [layer_facts(t, above=above.get((p, t.name))) for t in seen]
        index["answers"].append(answer)
        above |= {(p, "image"): x} | {(p, traced.name): traced.y[0] for traced in seen}
    (data / "index.js").write_text(script("index", index))
    page = resources.files("alexnet.inside") / "page"
    for name in PROGRAM:
        (folder / name).write_bytes((page / name).read_bytes())


def _passes(first, paths, photos):
    """(number of the network, its Checkpoint, number of the photo, Trace) of every pair."""
    for c, path in enumerate(paths):
        saved = checkpoint.load(path) if c else first
        model = saved.make_model()
        if c == 0:  # the first pass compiles kernels, which would count as the layers' time
            checked_trace(saved, model, photos[0][1])
        for p, (_, pixels) in enumerate(photos):
            yield c, saved, p, checked_trace(saved, model, pixels)


def _most_probable(seen):
    """[label, probability] of five classes."""
    probabilities = np.exp(log_probabilities(seen.layers[-1].y)[0])
    order = np.argsort(-probabilities, kind="stable")[:5]
    return [[int(label), float(probabilities[label])] for label in order]


def _write_all(folder, files, prefix):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files:
        (folder / f"{name}.js").write_text(script(f"{prefix}/{name}", value))


def _described(saved):
    options, training = saved.options or {}, saved.training or {}
    return {
        "path": printable(saved.path),
        "spec": saved.build["spec"],
        "epoch": training.get("epoch"),
        "step": training.get("step"),
        "data": printable(str(options.get("data", ""))),
        "image_size": saved.build["image_size"],
    }


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.explore",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Write a page that shows every layer of a network at work on your photos: its "
        "maps, its filters, and\nbehind each number the products that made it. It opens by double "
        "click and needs no server.",
        epilog="examples:\n"
        "  python -m alexnet.explore runs/first cat.jpg --out page\n"
        "  python -m alexnet.explore runs/first/best.npz photos/val --out page\n"
        "  python -m alexnet.explore runs/first cat.jpg --beside runs/second --out page\n"
        "  python -m alexnet.explore runs/first cat.jpg --kept --out page   # as training went on",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "images", nargs="+", type=flags.path, metavar="IMAGE",
        help=f"image files and folders, {MOST} photos at most; - for a list on standard input",
    )  # fmt: skip
    parser.add_argument(
        "--beside", nargs="+", action="extend", type=flags.path, default=[], metavar="CHECKPOINT",
        help="more checkpoints of the same network; of AlexNet's size, each adds 13 MB, and 8 MB "
        "for each photo",
    )  # fmt: skip
    parser.add_argument(
        "--kept", action="store_true",
        help="also the former checkpoints in the run's folder (train --keep), oldest first",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=flags.path, required=True, metavar="FOLDER", help="a new or empty folder"
    )
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
