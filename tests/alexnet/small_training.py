"""A data set and a network so small that a training takes a second."""

import json

import numpy as np
from PIL import Image, ImageDraw

from alexnet.cli.train_flags import train_parser
from alexnet.training.options import resolve
from alexnet.training.run_folder import RunFolder
from alexnet.training.run_state import Run

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 40, 50)}
# 36 training images make 4 full batches an epoch; the network has LRN, dropout and two towers.
FLAGS = (
    "--image-size 67 --width 0.03 --batch-size 8 --epochs 3 --init he --lr 0.02 "
    "--schedule plateau --backend numpy --threads 1 --workers 1"
).split()
SHORT = [*FLAGS, "--batch-size", "16", "--epochs", "2"]  # 2 epochs of 2 steps


def make_images(folder, train=12, val=4, size=72):
    """train/<class>/*.png and val/<class>/*.png: noisy images of one colour a class."""
    generator = np.random.default_rng(0)
    for split, count in (("train", train), ("val", val)):
        for name, colour in COLOURS.items():
            (folder / split / name).mkdir(parents=True)
            for index in range(count):
                image = np.array(colour) + generator.normal(0, 30, (size, size, 3))
                image = Image.fromarray(image.clip(0, 255).astype(np.uint8))
                image.save(folder / split / name / f"{index:02}.png")
    return folder


def make_photos(folder, count=40):
    """<class>/*.jpg of two classes: a red or a blue disc somewhere on grain of any brightness, in
    photos of different sizes."""
    generator = np.random.default_rng(0)
    for name in ("blue", "red"):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            rows, columns = generator.integers(80, 140, 2)
            grain = generator.normal(generator.integers(90, 170), 30, (rows, columns, 3))
            image = Image.fromarray(grain.clip(0, 255).astype(np.uint8))
            radius = int(generator.integers(16, 30))
            y = int(generator.integers(radius, rows - radius))
            x = int(generator.integers(radius, columns - radius))
            disc = (x - radius, y - radius, x + radius, y + radius)
            ImageDraw.Draw(image).ellipse(disc, fill=COLOURS[name])
            image.save(folder / name / f"{index:02}.jpg")
    return folder


def make_run(images, folder, *flags):
    """A Run on NumPy with a folder of its own inside this one; no step of it is done."""
    args = train_parser().parse_args([images, *FLAGS, *flags])
    return Run(resolve(args, "numpy"), RunFolder.create(folder / "run", "any"))


def lines(folder):
    """The lines of log.jsonl."""
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def last_line(capsys):
    """The last line on stderr."""
    return capsys.readouterr().err.splitlines()[-1]


def log(folder):
    """The lines of log.jsonl without the speed, which no two runs share."""
    return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines(folder)]


def assert_same_run(one, other):
    """Two run folders hold the same, bit for bit."""
    for name in ("last.npz", "best.npz", "options.json", "classes.json"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert log(one) == log(other)
