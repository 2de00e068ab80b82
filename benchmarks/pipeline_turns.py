"""tinynet's side of benchmarks/pipeline.py: the work, the turns of the data path and of training.

The data path runs stage by stage, and whole; training is alexnet.train's own loop, left after each
turn and continued in the next. The work is a run as alexnet.train begins it; the other programs get
its first batch, normalised.
"""

import argparse
import contextlib
import io
import itertools
import math
import os
import statistics
import time
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

import tinynet as tn
from alexnet.cli.interrupts import Interrupts
from alexnet.data import crops
from alexnet.data.folder import ImageFolder
from alexnet.data.prefetch import prefetch
from alexnet.data.synthetic import Synthetic
from alexnet.errors import UsageError
from alexnet.train import take_step, train_epoch
from alexnet.training.options import resolve
from alexnet.training.progress import Progress
from alexnet.training.run_folder import RunFolder
from alexnet.training.run_state import Run
from benchmarks.programs.process import ProgramError, say
from benchmarks.programs.workload import LR, write_batch, write_workload

PHOTO_SIZE = 256
# A drawn scene is smoother than a photo. With this grain, at this quality, a file has about 22 kB,
# as photos of this size have, and takes as long to decode: that time depends on the bytes.
GRAIN, QUALITY = 6.0, 90
UNTIMED = 2  # steps of a training's turn, in which the workers get ahead
TOLERANCE = 1e-5  # relative, of the same loss from the same kernels in another process
STAGE_RUNS = 5  # of each stage in a turn


# --- photos ---------------------------------------------------------------------------------------


def draw_photos(folder, scenes: int = 160, copies: int = 16) -> None:
    """Fill a folder with JPEGs of 256 x 256: train/<class>/* and val/<class>/*.

    scenes  how many different ones are drawn for training, the classes in turn; half as many for
            validation
    copies  files of each training scene, so that an epoch is long while drawing is short
    """
    grain = np.random.default_rng(0)
    for split, count, files in (("train", scenes, copies), ("val", scenes // 2, 1)):
        dataset = Synthetic(split, count=count)
        for index, label in enumerate(dataset.labels.tolist()):
            pixels = dataset.read(index, PHOTO_SIZE)
            noise = grain.normal(0, GRAIN, (PHOTO_SIZE, PHOTO_SIZE, 1))
            photo = np.clip(pixels + noise, 0, 255).astype(np.uint8)
            encoded = io.BytesIO()
            Image.fromarray(photo).save(encoded, "JPEG", quality=QUALITY)
            place = Path(folder, split, dataset.classes[label])
            place.mkdir(parents=True, exist_ok=True)
            for copy in range(files):
                (place / f"{index}-{copy}.jpg").write_bytes(encoded.getvalue())


# --- the work -------------------------------------------------------------------------------------


def prepare(args, folder) -> Run:
    """A training at its beginning, its normalisation measured.

    args    the flags, with data, threads and workers
    folder  where the run's files go, and the photos
    """
    if args.data == "jpeg":
        say("drawing photos ...")
        args.data = str(Path(folder, "photos"))
        draw_photos(args.data)
    endless = {"epochs": 1 << 40, "schedule": "constant", "lr": LR, "dead_start_steps": 1 << 40}
    values = argparse.Namespace(**vars(args), **endless)
    run = Run(resolve(values, args.backend), RunFolder(Path(folder, "run")))
    run.folder.path.mkdir()
    if len(run.batches) < UNTIMED + 2:
        raise UsageError(
            f"{args.data} has {len(run.batches)} batches of {run.options.batch_size} images, and "
            f"a turn takes {UNTIMED + 2} at least; a smaller --batch-size fits"
        )
    say("measuring what to normalise the images with ...")
    run.choose_inputs()
    return run


def describe(run: Run, kind: str) -> str:
    """The training images in a line, without the path where they lie.

    kind  "cifar10", "folder", "synthetic" or "jpeg"
    """
    words = {
        "cifar10": "CIFAR-10", "folder": "a folder of images", "synthetic": "synthetic",
        "jpeg": f"drawn JPEGs of {PHOTO_SIZE} x {PHOTO_SIZE}",
    }  # fmt: skip
    text = f"{words[kind]}: {len(run.classes)} classes, {len(run.train_set):,} images"
    if isinstance(run.train_set, ImageFolder):
        paths = run.train_set.paths
        some = paths[:: math.ceil(len(paths) / 1000)]
        text += f", {statistics.mean(map(os.path.getsize, some)) / 1000:.0f} kB a file"
    return text


def write_ready_batch(run: Run, folder, threads) -> tuple[np.ndarray, np.ndarray]:
    """Write what the programs get (benchmarks/programs/workload.py): the run's network and initial
    weights, and the pipeline's first batch. Returns that batch, uint8 images and labels."""
    options = run.options
    batches = run.batches.epoch(0)
    images, labels = next(batches)
    batches.close()
    write_workload(
        folder, run.model.spec, options.batch_size, threads, len(run.classes), options.image_size
    )
    write_batch(folder, images, labels, run.normalization)
    return images, labels


# --- the data path alone --------------------------------------------------------------------------


def stages_turn(run: Run) -> dict[str, float]:
    """{"read", "crop", "normalise"}: the median seconds of a batch, on this thread alone.

    read       from file or memory, decoded and resized: uint8 (N, H, W, 3)
    crop       border, crop and mirror, and planes: uint8 (N, 3, S, S)
    normalise  float32
    """
    dataset, batches = run.train_set, run.batches
    draws = batches.draws(0)
    draw = np.random.default_rng(0)

    def read(indices):
        if hasattr(dataset, "read_batch"):
            return dataset.read_batch(indices, batches.stored_size)
        return np.stack([dataset.read(index, batches.stored_size) for index in indices.tolist()])

    seconds = {"read": [], "crop": [], "normalise": []}
    for _ in range(STAGE_RUNS):
        indices = draw.permutation(len(dataset))[: batches.batch_size]
        times = [time.perf_counter()]
        images = read(indices)
        times.append(time.perf_counter())
        images = crops.add_border(images, batches.border)
        cut = crops.crop(images, draws[indices], batches.image_size)
        times.append(time.perf_counter())
        run.normalization(cut)
        times.append(time.perf_counter())
        for stage, (start, end) in zip(seconds, itertools.pairwise(times), strict=True):
            seconds[stage].append(end - start)
    return {stage: statistics.median(times) for stage, times in seconds.items()}


def pipeline_turn(run: Run, least: float) -> float:
    """Seconds that the whole data path takes for a batch when nothing else runs: the workers
    prepare, this thread normalises. It runs for this many seconds at least, after a first batch."""
    count, start = 0, None
    for epoch in itertools.count():
        for images, _ in run.batches.epoch(epoch):
            run.normalization(images)
            if start is None:
                start = time.perf_counter()
                continue
            count += 1
            seconds = time.perf_counter() - start
            # The batches that were ahead when the clock started must not decide.
            if seconds >= least and count >= 4 * run.batches.workers:
                return seconds / count


# --- training -------------------------------------------------------------------------------------


def first_loss(run: Run, images, labels) -> float:
    """The loss of a batch of uint8 images without dropout."""
    x = tn.Tensor(run.normalization(images))
    with tn.no_grad():
        for _, layer in run.model:
            if not isinstance(layer, tn.nn.Dropout):
                x = layer(x)
        return tn.softmax_cross_entropy(x, labels).item()


def check_training(run: Run, program, images, labels) -> None:
    """Raises ProgramError where tinynet's program computes another first loss than the run."""
    ours, theirs = first_loss(run, images, labels), program.ask("numbers", steps=1)["losses"][0]
    if not math.isclose(ours, theirs, rel_tol=TOLERANCE):  # NaN is close to nothing
        raise ProgramError(
            f"the training's first loss is {ours}, the network alone computes {theirs}; nothing is "
            "compared"
        )
    program.ask("restart")


def training_turn(run: Run, steps: int) -> dict[str, float]:
    """{"seconds", "waited"} of a step of alexnet.train's own loop, means over this many steps of
    one epoch, after UNTIMED ones; waited: for images."""
    if run.batch + UNTIMED + steps > len(run.batches):
        run.epoch, run.batch = run.epoch + 1, 0
    batches = prefetch(run.batches, run.normalization, len(run.classes), run.colours)
    batches = batches.epoch(run.epoch, start_batch=run.batch)
    silence = contextlib.redirect_stdout(io.StringIO())
    progress = Progress(run, Console(file=io.StringIO()))
    with silence, contextlib.closing(batches), progress:
        times = []
        for count in (UNTIMED, steps):
            train_epoch(run, take_step, islice(batches, count), progress, Interrupts())
            times.append((time.perf_counter(), run.batches.waited))
    (start, waited), (end, waited_then) = times
    return {"seconds": (end - start) / steps, "waited": (waited_then - waited) / steps}
