"""Networks and images for the tests of alexnet.evaluate, and their predictions by hand."""

import json

import numpy as np

import alexnet
import tinynet as tn
from alexnet import evaluate
from alexnet.data.folder import read_image
from alexnet.data.normalization import Normalization
from alexnet.weights.checkpoint import Checkpoint
from tests.alexnet import looked_into
from tests.alexnet.data.test_ten_crops import by_hand
from tests.alexnet.looked_into import CLASSES, NUMPY, make_photo


def make_network(
    path, seed, paths=(), spec="paper", size=67, stored=72, classes=CLASSES, width=0.05
):
    """A converted network with a normalization of its own, which tells these images apart: each of
    its outputs has mean 0 over them."""
    tn.seed(seed)
    model = alexnet.build(spec, len(classes), size, width=width, init="he", dropout=0.0)
    mean = np.random.default_rng(seed).uniform(80, 160, (3, size, size))
    saved = Checkpoint(
        build=model.build_arguments, classes=list(classes), stored_size=stored,
        normalization=Normalization(mean, np.reshape([50.0 + seed, 60.0, 70.0], (3, 1, 1))),
        model=model.state_dict(), velocities=None, options={}, training={}, origin="a test",
    )  # fmt: skip
    last = list(model)[-1][0]
    if paths:
        mean = looked_into.by_hand(saved, paths, last).mean(axis=0)
        saved.model[f"{last}.weight"] *= 8
        saved.model[f"{last}.bias"][:] = -8 * mean
    saved.save(path)


def make_data(folder, counts=(3, 2, 3, 2, 1, 3, 2)):
    """train and val/<class>/*.png of 80 x 90."""
    for split in ("train", "val"):
        for label, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
            for number in range(count if split == "val" else 1):
                make_photo(folder / split / name / f"{number}.png", 100 * label + number)
    return folder


def run(*arguments, code=0):
    assert evaluate.main([*map(str, arguments), *NUMPY]) == code


def record_of(capsys, *arguments):
    capsys.readouterr()
    run(*arguments, "--json")
    return json.loads(capsys.readouterr().out)


def crops_by_hand(saved, path, border=0):
    """float32 (10, 3, S, S): the ten normalised crops of an image."""
    size = saved.build["image_size"]
    image = read_image(path, saved.stored_size)
    image = np.pad(image, ((border, border), (border, border), (0, 0)), mode="reflect")
    crops = np.stack(by_hand(image, size)).transpose(0, 3, 1, 2).astype(np.float32)
    return (crops - saved.normalization.mean) / saved.normalization.divisor


def softmaxes(torch, saved, paths, border=0):
    """float64 (N, 10, classes): PyTorch's softmax outputs, in the network's order of classes."""
    from tests.alexnet.network.test_pytorch import peer_model

    with tn.use_backend("numpy"):
        peer = peer_model(torch, saved.make_model(), "float32").eval()
    crops = np.stack([crops_by_hand(saved, path, border) for path in paths])
    with torch.no_grad():
        logits = peer(torch.tensor(crops.reshape(-1, *crops.shape[2:])))
        p = torch.softmax(logits.double(), dim=1).numpy()
    return p.reshape(len(paths), 10, -1)
