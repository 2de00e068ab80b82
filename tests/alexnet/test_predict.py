"""The prediction command: the classes of image files and their probabilities."""

import json

import numpy as np
import pytest
from PIL import Image

import alexnet
import tinynet as tn
from alexnet import predict
from alexnet.data.normalization import Normalization
from alexnet.weights import checkpoint

NUMPY = ["--backend", "numpy", "--threads", "1"]
CLASSES = ["ant", "bee", "cat", "dog", "eel", "fly", "gnu"]


@pytest.fixture(autouse=True)
def numpy_backend():
    with tn.use_backend("numpy"):
        yield


@pytest.fixture
def saved(tmp_path):
    """A checkpoint whose logits are the biases of fc8: 0 for ant, 1 for bee, ..."""
    model = alexnet.build("paper", len(CLASSES), 67, width=0.03, init="he")
    state = model.state_dict()
    state["fc8.weight"][:] = 0
    state["fc8.bias"][:] = np.arange(len(CLASSES))
    example = checkpoint.Checkpoint(
        build=model.options, classes=CLASSES, stored_size=76,
        normalization=Normalization(np.full((3, 1, 1), 100.0), np.ones((3, 1, 1))),
        model=state, velocities=None, options={}, training={},
    )  # fmt: skip
    example.save(tmp_path / "best.npz")
    return example


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_classes_come_with_their_softmax_most_probable_first(saved, photo, tmp_path, capsys):
    assert predict.main([str(tmp_path / "best.npz"), photo, "--json", *NUMPY]) == 0
    (record,) = json.loads(capsys.readouterr().out)
    assert record["image"] == photo
    assert [row["class"] for row in record["classes"]] == ["gnu", "fly", "eel", "dog", "cat"]
    powers = np.exp(np.arange(7))
    expected = (powers / powers.sum())[::-1][:5]
    assert [row["probability"] for row in record["classes"]] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("topk", "rows"), [("1", 1), ("3", 3), ("99", 7)])
def test_topk_is_at_most_the_number_of_classes(saved, photo, tmp_path, capsys, topk, rows):
    flags = ["--topk", topk, "--json", *NUMPY]
    assert predict.main([str(tmp_path / "best.npz"), photo, *flags]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["classes"]) == rows


def test_an_image_is_read_as_in_evaluation(saved, photo):
    """Its shorter side is resized to the stored size, the middle is cropped and normalised."""
    with Image.open(photo) as image:
        square = image.crop((20, 0, 110, 90)).resize((76, 76), Image.Resampling.BILINEAR)
        middle = np.asarray(square)[4:71, 4:71].transpose(2, 0, 1)
    saved.model["fc8.weight"] = 0.01 * tn.random.normal((7, 123), seed=0, stream=0, draw=99)
    model = saved.make_model()
    logits = model(tn.Tensor((middle - np.float32(100))[None].astype(np.float32)))
    probabilities = predict.probabilities(model, saved, [photo])
    assert probabilities == pytest.approx(tn.softmax(logits).numpy(), rel=1e-4)
    assert 0 < np.diff(np.sort(probabilities)).min()


def test_more_images_than_a_batch_come_back_in_order(saved, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predict, "BATCH", 2)
    paths = [str(tmp_path / f"{number}.png") for number in range(5)]
    for path in paths:
        Image.open(photo).save(path)
    assert predict.main([str(tmp_path / "best.npz"), *paths, "--json", *NUMPY]) == 0
    assert [row["image"] for row in json.loads(capsys.readouterr().out)] == paths


def test_plain_output_is_a_path_and_a_line_for_each_class(saved, photo, tmp_path, capsys):
    assert predict.main([str(tmp_path / "best.npz"), photo, "--topk", "2", *NUMPY]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == photo and len(lines) == 3
    assert lines[1].split() == ["63.27%", "gnu"]  # exp(6) / (exp(0) + ... + exp(6))


@pytest.mark.parametrize("content", [b"no image", None])
def test_an_image_that_cannot_be_read_ends_with_3_and_its_path(
    saved, photo, tmp_path, capsys, content
):
    bad = tmp_path / "bad.jpg"
    if content:
        bad.write_bytes(content)
    assert predict.main([str(tmp_path / "best.npz"), photo, str(bad), *NUMPY]) == 3
    assert str(bad) in capsys.readouterr().err.splitlines()[-1]
