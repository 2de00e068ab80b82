"""tinynet's side of benchmarks/pipeline.py: the work, the turns of the data path and of training.

The data path runs stage by stage, and whole; training is alexnet.train's own loop, left after each
turn and taken up in the next. The work is a run as alexnet.train begins it, and its first batch,
ready, for the programs that know no images.
"""

import argparse
import contextlib
import gc
import io
import itertools
import math
import os
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

import tinynet as tn
from alexnet import recipes
from alexnet.commands import Interrupts, UsageError
from alexnet.data import transforms
from alexnet.data.synthetic import Synthetic
from alexnet.progress import Progress
from alexnet.run import Run
from alexnet.run_folder import RunFolder
from alexnet.train import train
from benchmarks.programs import LR, ProgramError, write_work
from benchmarks.step import say

PHOTO_SIZE = 256
# A drawn scene is smoother than a photo. With this grain, at this quality, a file has about 22 kB,
# as photos of this size have, and takes as long to decode, which goes by the bytes.
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


def prepare(given, folder) -> Run:
    """A training of the given data, at its beginning, its normalisation measured.

    given   the flags, with data, threads and workers
    folder  where the run's files go, and the photos
    """
    if given.data == "jpeg":
        say("drawing photos ...")
        given.data = str(Path(folder, "photos"))
        draw_photos(given.data)
    endless = {"epochs": 1 << 40, "schedule": "constant", "lr": LR, "dead_start_steps": 1 << 40}
    values = argparse.Namespace(**vars(given), **endless)
    run = Run(recipes.decide(values, given.backend), RunFolder(Path(folder, "run")))
    run.folder.path.mkdir()
    if len(run.batches) < UNTIMED + 2:
        raise UsageError(
            f"{given.data} has {len(run.batches)} batches of {run.options.batch_size} images, and "
            f"a turn takes {UNTIMED + 2} at least; a smaller --batch-size fits"
        )
    say("measuring what to normalise the images with ...")
    run.measure_normalization()
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
    paths = getattr(run.train_set, "paths", None)
    if paths:
        some = paths[:: math.ceil(len(paths) / 1000)]
        text += f", {statistics.mean(map(os.path.getsize, some)) / 1000:.0f} kB a file"
    return text


def write_ready_batch(run: Run, folder, threads) -> tuple[np.ndarray, np.ndarray]:
    """Write the work of benchmarks/programs.py: the run's network and initial weights, and the
    pipeline's first batch, ready. Returns that batch, uint8 images and labels."""
    given = run.options
    batches = run.batches.epoch(0)
    images, labels = next(batches)
    batches.close()
    write_work(
        folder, given.spec, given.batch_size, threads, num_classes=len(run.classes),
        image_size=given.image_size, **given.changes(),
    )  # fmt: skip
    np.savez(
        Path(folder, "batch.npz"),
        photos=images, labels=labels, images=run.normalization(images),
        **run.normalization.arrays(),
    )  # fmt: skip
    return images, labels


# --- the data path alone --------------------------------------------------------------------------


def stages_turn(run: Run) -> dict[str, float]:
    """{"read", "crop", "normalise"}: the median seconds of a batch, on this thread alone.

    read       from file or memory, decoded and resized: uint8 (N, H, W, 3)
    crop       border, crop and mirror, and planes: uint8 (N, 3, S, S)
    normalise  float32
    """
    dataset, batches = run.train_set, run.batches
    spare = batches.stored_size + 2 * batches.border - batches.image_size
    if batches.augment == "crop":
        offsets, mirrored = transforms.random_offsets(len(dataset), spare, seed=0, epoch=0)
    else:
        offsets, mirrored = transforms.centre_offsets(len(dataset), spare)
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
        images = transforms.add_border(images, batches.border)
        crops = transforms.crop(images, offsets[indices], mirrored[indices], batches.image_size)
        times.append(time.perf_counter())
        run.normalization(crops)
        times.append(time.perf_counter())
        for stage, (start, end) in zip(seconds, itertools.pairwise(times), strict=True):
            seconds[stage].append(end - start)
    return {stage: statistics.median(times) for stage, times in seconds.items()}


def pipeline_turn(run: Run, least: float) -> float:
    """Seconds a batch that the whole data path takes when nothing else runs: the workers prepare,
    this thread normalises, for at least so many seconds. One batch is taken before."""
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
    """Raises ProgramError where the run's first loss is not that of tinynet's program."""
    ours, theirs = first_loss(run, images, labels), program.ask("numbers", steps=1)["losses"][0]
    if not math.isclose(ours, theirs, rel_tol=TOLERANCE):  # NaN is close to nothing
        raise ProgramError(
            f"the training's first loss is {ours}, that of the network alone {theirs}; "
            "nothing is compared"
        )
    program.ask("restart")


class _TurnOver(Exception):
    """Training has had its steps; it goes on, in its next turn, where it left off."""


class _Turn(Progress):
    """Keeps (time, seconds waited for images so far) at the end of each step, and ends the turn
    after `steps` of them. Those before a validation do not count."""

    def __init__(self, run, steps):
        super().__init__(run, Console(file=io.StringIO()))
        self.run, self.steps, self.ends = run, steps, []

    def step(self, loss, rank, lr):
        super().step(loss, rank, lr)
        self.ends.append((time.perf_counter(), self.run.batches.waited))
        if len(self.ends) == self.steps:
            raise _TurnOver

    def validated(self, scores):
        super().validated(scores)
        self.ends.clear()


def training_turn(run: Run, steps: int) -> dict[str, float]:
    """{"seconds", "waited"} of a step of alexnet.train's own loop, its means over so many steps;
    waited: for images."""
    turn = _Turn(run, UNTIMED + steps)
    silence = contextlib.redirect_stdout(io.StringIO())
    with silence, contextlib.suppress(_TurnOver), turn:
        train(run, turn, Interrupts())  # not entered: Ctrl-C ends the benchmark at once
    gc.collect()  # the loop that was left ends its workers
    (start, waited), (end, waited_then) = turn.ends[UNTIMED - 1], turn.ends[-1]
    return {"seconds": (end - start) / steps, "waited": (waited_then - waited) / steps}
