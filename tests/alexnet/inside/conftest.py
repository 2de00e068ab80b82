"""Pages of alexnet.explore, and the browser that opens them."""

import pytest

import tinynet as tn
from alexnet.data.crops import centre_crop
from alexnet.data.folder import read_image
from alexnet.explore import main
from alexnet.inside import trace
from alexnet.weights import checkpoint
from tests.alexnet.looked_into import NUMPY, make_photo, save

NETWORKS = {  # together they have every kind of layer
    "paper": {"spec": "paper", "size": 67},
    "torchvision": {"spec": "torchvision", "size": 67, "norm": "batch"},
    "cifar10": {"spec": "cifar10", "size": 32, "norm": "same-map", "activation": "tanh"},
}


@pytest.fixture(scope="package")
def browser():
    from tests.alexnet.inside.page_in_browser import started  # skips where there is none

    driver = started()
    yield driver
    driver.quit()


@pytest.fixture(scope="package")
def pages(tmp_path_factory):
    """{network: (the page's folder, the trace of its second photo)}; two networks beside each
    other in the first."""
    folder, made = tmp_path_factory.mktemp("pages"), {}
    photos = [make_photo(folder / "photos" / f"{seed}.png", seed) for seed in (0, 1)]
    with tn.use_backend("numpy"):
        for name, changes in NETWORKS.items():
            saved = save(folder / f"{name}.npz", width=0.1, **changes)
            words = [str(folder / f"{name}.npz"), *photos, "--out", str(folder / name), *NUMPY]
            if name == "paper":
                saved.model = {key: 1.5 * array + 0.01 for key, array in saved.model.items()}
                saved.save(folder / "later.npz")
                words += ["--beside", str(folder / "later.npz")]
            assert main(words) == 0
            made[name] = folder / name, traced(folder / f"{name}.npz", photos[1])
    return made


@pytest.fixture(scope="package")
def traces(pages):
    """{(network, photo): trace} of the page with two networks, in the order of its cells."""
    above = pages["paper"][0].parent
    networks, photos = ("paper.npz", "later.npz"), ("0.png", "1.png")
    return {
        (c, p): traced(above / network, above / "photos" / photo)
        for c, network in enumerate(networks)
        for p, photo in enumerate(photos)
    }


def traced(file, photo):
    saved = checkpoint.load(file)
    pixels = centre_crop(read_image(photo, saved.stored_size)[None], saved.build["image_size"])
    with tn.use_backend("numpy"):
        return trace(saved.make_model(), tn.Tensor(saved.normalization(pixels)))
