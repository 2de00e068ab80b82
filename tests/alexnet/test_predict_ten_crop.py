"""predict --ten-crop, against PyTorch on crops that are cut by hand."""

import json

import pytest

import tinynet as tn
from alexnet import predict
from alexnet.weights import checkpoint
from tests.alexnet.evaluated import make_network, softmaxes
from tests.alexnet.looked_into import NUMPY, make_photo

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three photos and a network of CIFAR-10's kind; tests only read them."""
    folder = tmp_path_factory.mktemp("predict")
    paths = [make_photo(folder / f"photos/{number}.png", number) for number in range(3)]
    with tn.use_backend("numpy"):
        make_network(folder / "a.npz", 0, paths, "cifar10", size=32, stored=37, width=0.3)
    return folder


def answers(capsys, folder, *flags):
    command = [folder / "a.npz", folder / "photos", "--json", "--topk", "7", *flags]
    assert predict.main([*map(str, command), *NUMPY]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_answer_is_the_mean_of_the_softmax_outputs_of_ten_crops(folder, capsys, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr(predict, "BATCH", 2)
    saved, found = checkpoint.load(folder / "a.npz"), answers(capsys, folder, "--ten-crop")
    p = softmaxes(torch, saved, [answer["image"] for answer in found])
    for answer, mean, centre in zip(found, p.mean(axis=1), p[:, 4], strict=True):
        ours = {row["class"]: row["probability"] for row in answer["classes"]}
        assert [ours[name] for name in saved.classes] == pytest.approx(mean, rel=1e-4)
        assert [ours[name] for name in saved.classes] != pytest.approx(centre, rel=1e-2)


def test_neighbours_are_those_of_the_centre_crop(folder, tmp_path, capsys):
    for number in range(6):
        make_photo(tmp_path / f"{'ab'[number % 2]}/{number}.png", 50 + number)
    near = ["--neighbours", tmp_path]
    one, ten = answers(capsys, folder, *near), answers(capsys, folder, *near, "--ten-crop")
    assert [each["neighbours"] for each in one] == [each["neighbours"] for each in ten]
    assert [each["classes"] for each in one] != [each["classes"] for each in ten]


def test_a_network_without_a_border_and_features_are_refused(folder, tmp_path, capsys):
    saved = checkpoint.load(folder / "a.npz")
    saved.stored_size = 32
    saved.save(tmp_path / "b.npz")
    command = [str(tmp_path / "b.npz"), str(folder / "photos"), "--ten-crop"]
    assert predict.main([*command, *NUMPY]) == 2
    assert "there are no corners to crop" in capsys.readouterr().err
    features = ["--features", "conv1", "--out", str(tmp_path / "f.npz")]
    assert predict.main([*command, *features, *NUMPY]) == 2
    assert "--ten-crop does not go" in capsys.readouterr().err
