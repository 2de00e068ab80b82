"""python -m alexnet.prepare FOLDER OUT: read the images of a folder once, resize them, and store
them in a pack, a folder of plain files that training maps into memory.

An image of FOLDER is decoded and resized in every epoch, one of a pack is copied. The images are
those that alexnet.train reads from FOLDER: the shorter side is resized to 256 pixels, and the
middle square is stored.

Source: the paper, section 2.
"""

import argparse
import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path

from alexnet.cli import ending, flags
from alexnet.cli.counting import counted
from alexnet.cli.interrupts import Interrupted, Interrupts
from alexnet.data.manifest import blocks, check_files, is_pack, read_manifest
from alexnet.data.names import printable
from alexnet.data.pack import Pack
from alexnet.data.pack_format import PackOptions
from alexnet.data.packing import Packing
from alexnet.data.unfinished import GO_ON, state_of
from alexnet.errors import DataError, DiskError, UsageError, writing
from alexnet.training.folder_lock import locked
from alexnet.training.progress import clock
from alexnet.training.run_folder import is_inside


def main(argv=None) -> int:
    """The command; returns its exit code (alexnet/cli/ending.py)."""
    return ending.run(lambda: _command(_parser().parse_args(argv)), "alexnet.prepare")


def _command(args):
    if args.check:
        if args.output is not None:
            raise UsageError("--check reads one pack: python -m alexnet.prepare --check OUT")
        return _check(args.folder)
    if args.output is None:
        raise UsageError("name the folder of the pack: python -m alexnet.prepare FOLDER OUT")
    source, out = _source(args.folder), Path(args.output)
    if is_inside(out, source):
        raise UsageError(
            f"{printable(out)} lies inside {printable(source)}, where it would be read as images; "
            "name a folder outside"
        )
    state_of(out)  # before anything is written into it
    is_new = not out.exists()
    try:
        with writing(out, GO_ON):
            out.mkdir(parents=True, exist_ok=True)
        with locked(out, "or name another folder", GO_ON):
            return _pack(args, source, out)
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # it holds the work
                out.rmdir()


def _source(argument):
    kind = argument.partition(":")[0]
    if argument == "synthetic" or (kind == "cifar10" and ":" in argument):
        raise UsageError(
            f"{argument} is in memory as it is, so a pack would make nothing faster; FOLDER holds "
            "image files: train/<class>/* and val/<class>/*, or <class>/*"
        )
    source = os.path.abspath(argument)
    if not os.path.isdir(source):
        raise DataError(f"{printable(source)} is not there, or no folder")
    if is_pack(source):
        raise UsageError(f"{printable(source)} is a pack already; --check compares its checksums")
    return source


def _pack(args, source, out):
    options = PackOptions(args.size, args.jpeg, args.keep_aspect)
    print(f"source    {printable(source)}", flush=True)
    packing = Packing(
        source, out, options, skip_bad_images=args.skip_bad_images,
        workers=args.workers or os.cpu_count() or 1,
    )  # fmt: skip
    if packing.plan is None:
        print(f"{printable(out)} holds this pack already, whole")
        return 0
    _print_plan(packing)
    with Interrupts() as interrupts:
        steps = counted(packing.pack(), packing.listed, "images packed", packing.done)
        try:
            for _ in interrupts.between(steps):
                pass
        except Interrupted:
            packing.save()
            code, how = ending.stopped(interrupts.cause)
            ending.say(
                f"alexnet.prepare: {how} after {packing.done:,} of {packing.listed:,} files, which "
                "are kept; the same command goes on from there"
            )
            return code
    _print_end(out)
    return 0


def _print_plan(packing):
    """What will be packed, and what that takes. Raises DiskError if the disk has no room for it."""
    plan, out = packing.plan, packing.out
    counts = ", ".join(f"{split} {record['listed']:,}" for split, record in plan.splits.items())
    print(f"images    {counts}; {len(plan.classes):,} classes")
    for remark in dict.fromkeys(r for record in plan.splits.values() for r in record["remarks"]):
        print(f"          {printable(remark)}")
    print(f"pack      {printable(out)}: {packing.options}")
    if packing.remark:
        print(f"changed   {packing.remark}")
    if packing.done:
        print(
            f"going on  {packing.done:,} of {packing.listed:,} files are done; they are read again "
            "for the checksum"
        )
    expected, seconds = packing.expected()
    room, needed = shutil.disk_usage(out).free, expected - packing.written
    exact = packing.options.image_bytes is not None
    print(
        f"expected  {'' if exact else 'about '}{expected:,} bytes, about {clock(seconds)} with "
        f"{packing.workers} threads; the disk has {room:,} bytes free",
        flush=True,
    )
    if needed > room:
        message = f"{printable(out)} needs {needed:,} bytes more, its disk has {room:,} free"
        if exact:
            raise DiskError(
                f"{message}; {GO_ON}, or name a folder on another disk; --jpeg 90 takes a tenth"
            )
        print(f"          {message}: it may become full; the work so far would be kept", flush=True)


def _print_end(out):
    manifest = read_manifest(out)
    counts = ", ".join(f"{split} {record['images']:,}" for split, record in manifest.splits.items())
    size = sum(file["bytes"] for file in manifest.files.values())
    skipped = [path for record in manifest.splits.values() for path in record["skipped"]]
    if skipped:
        shown = ", ".join(map(printable, skipped[:5])) + (", ..." if len(skipped) > 5 else "")
        print(f"left out  {len(skipped):,} broken files, which the manifest lists: {shown}")
    print(f"written   {printable(out)}: {counts}; {size:,} bytes")
    if "train" in manifest.splits:
        mean_image = Pack(out, "train").pixel_sums.mean_image
        colour = ", ".join(f"{mean:.1f}" for mean in mean_image.mean(axis=(1, 2)))
        print(f"          the training images' mean colour is ({colour})")
    print(f"to train  python -m alexnet.train {shlex.quote(str(out))}")


def _check(folder):
    manifest = read_manifest(folder)
    total = sum(file["bytes"] for file in manifest.files.values())
    for split in manifest.splits:
        print(printable(Pack(folder, split).description), flush=True)
    for _ in counted(check_files(folder, manifest), blocks(manifest), "blocks of 4 MiB checked"):
        pass
    print(
        f"{printable(folder)}: {len(manifest.files)} files, {total:,} bytes, as the manifest says"
    )
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m alexnet.prepare",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Pack the images of a folder: each is read and resized once, and stored in "
        "plain files that training\nmaps into memory. OUT is then DATA of alexnet.train, evaluate "
        "and predict --neighbours.\nThe command may be stopped, or killed: given again it goes on, "
        "and ends with the same bytes.",
        epilog="examples:\n"
        "  python -m alexnet.prepare photos packs/photos\n"
        "  python -m alexnet.prepare ILSVRC2012 packs/imagenet --skip-bad-images 5\n"
        "  python -m alexnet.prepare photos packs/small --size 76      for --image-size 67\n"
        "  python -m alexnet.prepare photos packs/photos --jpeg 90     a tenth of the bytes\n"
        "  python -m alexnet.prepare --check packs/photos\n"
        "\nexit codes: 0 done, 2 usage, 3 data, 6 disk, 130 interrupted (Ctrl-C)",
    )
    parser.add_argument(
        "folder", type=flags.data, metavar="FOLDER",
        help="train/<class>/* and val/<class>/*, or <class>/* alone; ImageNet's and Tiny "
        "ImageNet's folders with the labels file of their validation images; with --check the pack",
    )  # fmt: skip
    parser.add_argument(
        "output", nargs="?", type=flags.path, metavar="OUT",
        help="a new folder, or one of the same pack that is not finished; outside FOLDER",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true",
        help="read all files of a pack and compare their SHA-256 with the manifest",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=flags.image_size, default=256, metavar="N",
        help="pixels of the shorter side: 256/227 of the network's --image-size, so that random "
        "crops have room (256)",
    )  # fmt: skip
    parser.add_argument(
        "--keep-aspect", action="store_true",
        help="store whole images: training reads their middle square all the same, a program of "
        "your own reads the rest by alexnet.data.pack.Pack.read_whole (the middle square alone)",
    )  # fmt: skip
    parser.add_argument(
        "--jpeg", type=_quality, metavar="QUALITY",
        help="store JPEGs of this quality, 1 to 95: about a tenth of the bytes at 90, and each is "
        "decoded when it is read (raw pixels)",
    )  # fmt: skip
    parser.add_argument(
        "--skip-bad-images", type=flags.count_or_zero, default=0, metavar="N",
        help="leave out up to N broken files, which the manifest lists with the reasons (0)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=flags.threads, metavar="N", help="threads that read images (all cores)"
    )
    flags.add_version_flag(parser)
    return parser


def _quality(text):
    quality = flags.count(text)
    if quality > 95:
        raise argparse.ArgumentTypeError(f"{text!r} does not fit; a whole number from 1 to 95 does")
    return quality


if __name__ == "__main__":
    sys.exit(main())
