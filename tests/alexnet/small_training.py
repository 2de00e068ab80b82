"""A data set and a network so small that a training takes a second."""

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (210, 40, 50)}
# 36 training images make 4 full batches an epoch; the network has LRN, dropout and two towers.
FLAGS = (
    "--image-size 67 --width 0.03 --batch-size 8 --epochs 3 --init he --lr 0.02 --backend numpy "
    "--threads 1 --workers 1"
).split()


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
