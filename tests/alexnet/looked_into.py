"""A small network and photos for the tests that look into one."""

import numpy as np
from PIL import Image

import alexnet
import tinynet as tn
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.data.normalization import Normalization
from alexnet.weights import checkpoint

NUMPY = ["--backend", "numpy", "--threads", "1"]
CLASSES = ["ant", "bee", "cat", "dog", "eel", "fly", "gnu"]


def save(path, classes=CLASSES, spec="paper", size=67, width=0.05, options=None, **changes):
    """A checkpoint of an untrained network with lively weights. changes: arguments of build"""
    tn.seed(3)
    model = alexnet.build(spec, len(classes), size, width=width, init="he", **changes)
    saved = checkpoint.Checkpoint(
        build=model.build_arguments, classes=list(classes), stored_size=size + 5,
        normalization=Normalization(np.full((3, 1, 1), 120.0), np.full((3, 1, 1), 60.0)),
        model=model.state_dict(), velocities=None, options=options or {}, training={},
    )  # fmt: skip
    saved.save(path)
    return saved


def make_photo(path, seed, rows=80, columns=90):
    """A smooth photo of random colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((columns, rows), Image.Resampling.BICUBIC).save(path)
    return str(path)


def by_hand(saved, paths, last):
    """The output of the layer `last` for these images, layer by layer."""
    with tn.use_backend("numpy"):
        model = saved.make_model()
        images = np.stack([read_image(path, saved.stored_size) for path in paths])
        x = tn.Tensor(saved.normalization(centre_crop(images, saved.build["image_size"])))
        for name, layer in model:
            x = layer(x)
            if name == last:
                return x.numpy()
