"""python -m alexnet.explore CHECKPOINT IMAGE... --out FOLDER: a page to walk through a network.

The page opens from the disk: no server, no network (inside/page_files.py). It shows every layer's
maps, filters and figures, and behind every number its arithmetic, back to the photo.
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
from alexnet.inside.page_files import layer_facts, output_files, parameter_files, script
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
    networks = [checkpoint.load(path) for path in [args.checkpoint, *(args.beside or [])]]
    _check_alike(networks)
    faults = Faults("alexnet.explore")
    photos = list(_photos(args, networks[0], faults))
    if not photos:
        faults.raise_if_any()
        raise UsageError("no image was given")
    with writing(folder), _whole(folder) as new:
        _write(new, networks, photos)
    total = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(
        f"{printable(folder / 'index.html')}: {len(photos)} photos, {len(networks)} networks, "
        f"{total / 1e6:.1f} MB; open it in a browser"
    )
    faults.raise_if_any()
    return 0


def _check_alike(networks):
    """Raise UsageError for networks that cannot stand beside each other."""
    first = networks[0]
    for other in networks[1:]:
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


def _write(folder, networks, photos):
    data = folder / "data"
    data.mkdir()
    models = [saved.make_model() for saved in networks]
    index = {"classes": networks[0].classes, "checkpoints": [], "photos": [], "answers": []}
    work = counted(
        ((c, p) for c in range(len(networks)) for p in range(len(photos))),
        len(networks) * len(photos), "networks x photos",
    )  # fmt: skip
    for c, p in work:
        saved, (path, pixels) = networks[c], photos[p]
        seen = checked_trace(saved, models[c], pixels)
        if p == 0:
            index["checkpoints"].append(_described(saved))
            _write_all(data / f"c{c}", parameter_files(seen), f"c{c}")
        if c == 0:
            index["photos"].append(
                {"name": printable(Path(path).name), "picture": _png(pixels[0].transpose(1, 2, 0))}
            )
        _write_all(data / f"c{c}/p{p}", output_files(seen), f"c{c}/p{p}")
        probabilities = np.exp(log_probabilities(seen.layers[-1].y)[0])
        order = np.argsort(-probabilities, kind="stable")[:5]
        index["answers"].append(
            {
                "checkpoint": c,
                "photo": p,
                "top": [[int(label), float(probabilities[label])] for label in order],
                "layers": [layer_facts(traced) for traced in seen],
            }
        )
    index["sources"] = kernel_sources({layer.kind for layer in networks[0].layers()})
    (data / "index.js").write_text(script("index", index))
    page = resources.files("alexnet.inside") / "page"
    for name in PROGRAM:
        (folder / name).write_bytes((page / name).read_bytes())


def _write_all(folder, files, prefix):
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files:
        (folder / f"{name}.js").write_text(script(f"{prefix}/{name}", value))


def _described(saved):
    options = saved.options or {}
    epoch = saved.training.get("epoch") if saved.training else None
    return {
        "path": printable(saved.path),
        "spec": saved.build["spec"],
        "epoch": epoch,
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
        "  python -m alexnet.explore runs/first/step-000500.npz cat.jpg --beside runs/first "
        "--out page",
    )
    flags.add_checkpoint_argument(parser)
    parser.add_argument(
        "images", nargs="+", type=flags.path, metavar="IMAGE",
        help=f"image files and folders, {MOST} photos at most; - for a list on standard input",
    )  # fmt: skip
    parser.add_argument(
        "--beside", nargs="+", type=flags.path, metavar="CHECKPOINT",
        help="more checkpoints of the same network, such as earlier ones of the run (train --keep)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=flags.path, required=True, metavar="FOLDER", help="a new or empty folder"
    )
    flags.add_version_flag(parser)
    flags.add_backend_flags(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
