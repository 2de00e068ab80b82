"""evaluate --ten-crop and --with, against PyTorch on crops that are cut by hand."""

import json
import os

import numpy as np
import pytest

import tinynet as tn
from alexnet import evaluate, train
from alexnet.data import open_dataset
from alexnet.weights import checkpoint
from tests.alexnet.evaluated import make_data, make_network, record_of, run, softmaxes
from tests.alexnet.looked_into import CLASSES, make_photo
from tests.alexnet.small_training import FLAGS, make_images

pytestmark = pytest.mark.usefixtures("numpy_backend")

TURNED = CLASSES[3:] + CLASSES[:3]  # the same classes in another order


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """data/ and three networks that read its images differently; tests only read them."""
    folder = tmp_path_factory.mktemp("averages")
    paths = open_dataset(str(make_data(folder / "data")), "val").paths
    with tn.use_backend("numpy"):
        make_network(folder / "a.npz", 0, paths)
        make_network(folder / "b.npz", 1, paths, classes=TURNED, stored=78)
        make_network(folder / "c.npz", 2, paths, "cifar10", size=32, stored=37, width=0.3)
    return folder


@pytest.fixture(scope="module")
def by_torch(folder):
    """{network: float64 (N, 10, 7)}: the softmax outputs of the ten crops, in the data's order of
    classes."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    data, found = open_dataset(str(folder / "data"), "val"), {}
    for name in "abc":
        saved = checkpoint.load(folder / f"{name}.npz")
        p = softmaxes(torch, saved, data.paths)
        found[name] = p[..., [saved.classes.index(each) for each in data.classes]]
    return found, data.labels


def assert_result(result, p, labels, checkpoint, crops):
    """p: float64 (N, 7), the probabilities that a result rests on."""
    assert (result["checkpoint"], result["crops"]) == (checkpoint, crops)
    assert result["loss"] == pytest.approx(-np.log(p[range(len(p)), labels]).mean(), rel=1e-4)
    order = np.argsort(-p, axis=1)
    assert result["top1"] == pytest.approx((order[:, 0] == labels).mean())
    within = (order[:, :5] == labels[:, None]).any(axis=1)
    assert result["top5"] == pytest.approx(within.mean())


def test_ten_crops_stand_beside_the_centre_crop(folder, by_torch, capsys):
    p, labels = by_torch
    path = str(folder / "a.npz")
    record = record_of(capsys, path, folder / "data", "--ten-crop")
    centre, ten = record["results"]
    assert_result(centre, p["a"][:, 4], labels, path, 1)
    assert_result(ten, p["a"].mean(axis=1), labels, path, 10)
    assert abs(ten["loss"] - centre["loss"]) > 1e-3
    assert {name: record[name] for name in ("loss", "top1", "top5", "crops")} == {
        name: ten[name] for name in ("loss", "top1", "top5", "crops")
    }
    assert (record["checkpoint"], record["networks"]) == (path, [path])


def test_networks_of_other_sizes_and_orders_of_classes_are_averaged(folder, by_torch, capsys):
    p, labels = by_torch
    paths = [str(folder / f"{name}.npz") for name in "abc"]
    command = [paths[0], folder / "data", "--with", *paths[1:], "--ten-crop"]
    results = record_of(capsys, *command)["results"]
    singles = [(p[name], path) for name, path in zip("abc", paths, strict=True)]
    expected = [*singles, (np.mean([p[name] for name in "abc"], axis=0), None)]
    assert len(results) == 8
    for place, (shares, path) in enumerate(expected):
        assert_result(results[2 * place], shares[:, 4], labels, path, 1)
        assert_result(results[2 * place + 1], shares.mean(axis=1), labels, path, 10)


def test_classes_confusions_and_wrong_images_are_those_of_the_average(folder, by_torch, capsys):
    p, labels = by_torch
    command = [folder / "b.npz", folder / "data", "--with", folder / "c.npz", "--wrong", "99"]
    record = record_of(capsys, *command)
    mean = (p["b"][:, 4] + p["c"][:, 4]) / 2
    predicted = mean.argmax(axis=1)
    for label, name in enumerate(CLASSES):
        own = predicted[labels == label]
        assert record["classes"][name] == {"images": len(own), "top1": (own == label).mean()}
        row = {CLASSES[j]: int((own == j).sum()) for j in sorted(set(own.tolist()))}
        assert record["confusion"][name] == row
    wrong = np.flatnonzero(predicted != labels)
    assert 0 < len(wrong) == len(record["wrong"])
    assert [each["probability"] for each in record["wrong"]] == pytest.approx(
        sorted(mean.max(axis=1)[wrong], reverse=True), rel=1e-4
    )
    alone = record_of(capsys, folder / "b.npz", folder / "data")
    assert alone["confusion"] != record["confusion"]
    assert [r["crops"] for r in alone["results"]] == [1] == [alone["crops"]]


def test_a_network_alone_may_have_its_classes_in_another_order_than_the_data(
    folder, by_torch, capsys
):
    p, labels = by_torch
    record = record_of(capsys, folder / "b.npz", folder / "data")
    assert_result(record["results"][0], p["b"][:, 4], labels, str(folder / "b.npz"), 1)


@pytest.mark.parametrize("size", [3, 16])
def test_the_batch_size_changes_nothing(folder, capsys, size):
    command = [folder / "a.npz", folder / "data", "--with", folder / "c.npz", "--ten-crop"]
    whole = record_of(capsys, *command)
    other = record_of(capsys, *command, "--batch-size", size)
    assert other["loss"] == pytest.approx(whole["loss"], rel=1e-6)
    assert other["classes"] == whole["classes"]


def test_no_more_images_than_a_batch_are_in_a_network_at_once(folder, capsys, monkeypatch):
    seen = []

    class Counted:
        def __init__(self, model):
            self._model = model

        def __getattr__(self, name):
            return getattr(self._model, name)

        def __call__(self, x):
            seen.append(x.shape[0])
            return self._model(x)

    make_model = checkpoint.Checkpoint.make_model
    monkeypatch.setattr(checkpoint.Checkpoint, "make_model", lambda s: Counted(make_model(s)))
    run(folder / "a.npz", folder / "data", "--ten-crop", "--batch-size", "5")
    assert seen == [5] * 30 + [1] * 10  # 16 images


def test_the_table_shows_the_single_results_and_the_average(folder, capsys):
    paths = [str(folder / f"{name}.npz") for name in "ac"]
    run(paths[0], folder / "data", "--with", paths[1], "--ten-crop")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "average of 2 networks, ten crops:"
    rows = [line.split() for line in lines if "crop" in line and line.startswith("  ")][1:]
    average = ["average", "of", "2", "networks"]
    starts = [[paths[0]], [paths[0]], [paths[1]], [paths[1]], average, average]
    for row, start, crops in zip(rows, starts, ("centre crop", "ten crops") * 3, strict=True):
        assert row[: len(start)] == start and row[len(start) : -3] == crops.split()
    numbers = dict(zip(("loss", "top-1", "top-5"), rows[-1][-3:], strict=True))
    assert lines[-1] == "  ".join(f"{name} {value}" for name, value in numbers.items()) + (
        "  on 16 images (val), average of 2 networks, ten crops"
    )


def test_a_gpu_gives_the_same_results(tmp_path, capsys, stand_in):
    """Its kernels run on the processor, so network and data are tiny."""
    for seed, name in enumerate(("train/a/1", "train/b/1", "val/a/2", "val/b/2")):
        make_photo(tmp_path / f"data/{name}.png", seed)
    network = [tmp_path / "a.npz", 0, (), "cifar10", 32, 37, ["b", "a"], 0.05]
    with tn.use_backend("numpy"):
        make_network(*network)
    command = [tmp_path / "a.npz", tmp_path / "data", "--ten-crop", "--batch-size", "1"]
    expected = record_of(capsys, *command)["results"]
    assert evaluate.main([*map(str, command), "--backend", "cupy", "--json"]) == 0
    for ours, theirs in zip(json.loads(capsys.readouterr().out)["results"], expected, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-5)
    assert expected[0]["loss"] != pytest.approx(expected[1]["loss"], rel=1e-4)


# --- the border of small images -------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """(images, best.npz of a run whose images are no larger than its crops, as CIFAR-10's)."""
    folder = tmp_path_factory.mktemp("small")
    images, out = make_images(folder / "images", train=3, val=2), folder / "run"
    flags = [*FLAGS, "--spec", "cifar10", "--image-size", "32", "--width", "0.3"]
    with tn.use_backend("numpy"):
        command = [str(images), *flags, "--augment", "crop", "--epochs", "1", "--out", str(out)]
        assert train.main(command) == 0
    saved = checkpoint.load(out / "best.npz")
    saved.stored_size = 32
    saved.save(out / "best.npz")
    return images, out / "best.npz"


def test_small_images_are_cropped_from_the_border_of_the_training(small_run, capsys):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    images, best = small_run
    data, saved = open_dataset(str(images), "val"), checkpoint.load(best)
    p = softmaxes(torch, saved, data.paths, border=4)
    centre, ten = record_of(capsys, best, "--ten-crop")["results"]
    assert_result(centre, p[:, 4], data.labels, str(best), 1)
    assert_result(ten, p.mean(axis=1), data.labels, str(best), 10)
    (alone,) = record_of(capsys, best)["results"]
    assert alone["loss"] == pytest.approx(centre["loss"], rel=1e-6)


def test_a_run_that_changed_colours_too_has_that_border(small_run, tmp_path, capsys):
    images, best = small_run
    saved = checkpoint.load(best)
    saved.options |= {"augment": "alexnet"}
    saved.save(tmp_path / "best.npz")
    crops, changed = (
        record_of(capsys, path, images, "--ten-crop")["results"][1]["loss"]
        for path in (best, tmp_path / "best.npz")
    )
    assert crops == changed


@pytest.mark.parametrize("converted", [False, True])
def test_without_any_border_ten_crops_are_an_error(small_run, tmp_path, capsys, converted):
    images, best = small_run
    saved = checkpoint.load(best)
    saved.options = {} if converted else saved.options | {"augment": "none"}
    saved.origin = "a test" if converted else ""
    saved.save(tmp_path / "best.npz")
    run(tmp_path / "best.npz", images, "--ten-crop", code=2)
    message = capsys.readouterr().err.splitlines()[-1]
    assert "reads images at 32 x 32" in message and "was not trained on crops" in message
    run(tmp_path / "best.npz", images)


# --- command lines --------------------------------------------------------------------------------


def test_data_may_stand_before_or_after_the_flags(folder, capsys):
    a, c, data = (folder / name for name in ("a.npz", "c.npz", "data"))
    commands = [[a, data, "--with", c, "--json"], [a, "--with", c, "--json", data],
                ["--with", c, "--json", a, data]]  # fmt: skip
    outputs = []
    for command in commands:
        run(*command)
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] == outputs[2] and '"networks": [' in outputs[0]


def test_data_after_with_is_an_error_that_says_where_it_stands(folder, capsys):
    run(folder / "a.npz", "--with", folder / "c.npz", folder / "data", code=3)
    assert "if this is DATA, it stands before --with" in capsys.readouterr().err.splitlines()[-1]
    run(folder / "a.npz", folder / "data", "--with", folder / "none.npz", code=3)
    message = capsys.readouterr().err.splitlines()[-1]
    assert "none.npz" in message and "if this is DATA" not in message


def test_a_second_network_in_the_place_of_data_is_an_error_that_names_with(
    folder, small_run, capsys
):
    for other in (folder / "c.npz", small_run[1].parent):
        run(folder / "a.npz", other, code=3)
        assert capsys.readouterr().err.splitlines()[-1].endswith(f"--with {other}")


def test_more_networks_without_with_are_an_error_that_names_it(folder, capsys):
    with pytest.raises(SystemExit) as end:
        run(folder / "a.npz", folder / "b.npz", folder / "c.npz", folder / "data")
    assert end.value.code == 2
    assert "more networks stand after --with" in capsys.readouterr().err


def test_a_folder_that_is_a_run_and_holds_data_is_what_its_place_says(folder, tmp_path, capsys):
    both = make_data(tmp_path / "both", (1,) * 7)
    os.link(folder / "c.npz", both / "best.npz")
    record = record_of(capsys, folder / "a.npz", both)
    assert record["images"] == 7 and record["networks"] == [str(folder / "a.npz")]
    record = record_of(capsys, folder / "a.npz", folder / "data", "--with", both)
    assert record["images"] == 16 and record["networks"][1] == str(both)


def test_a_network_counts_once(folder, tmp_path, capsys):
    (tmp_path / "best.npz").symlink_to(folder / "a.npz")
    for other in (folder / "a.npz", tmp_path):
        run(folder / "a.npz", folder / "data", "--with", folder / "c.npz", other, code=2)
        assert "would count twice" in capsys.readouterr().err.splitlines()[-1]


def test_networks_of_different_data_want_data(small_run, tmp_path, capsys):
    images, best = small_run
    saved = checkpoint.load(best)
    link = tmp_path / "link"
    link.symlink_to(images)
    saved.options["data"] = str(link)
    saved.save(tmp_path / "same.npz")
    assert record_of(capsys, best, "--with", tmp_path / "same.npz")["images"] == 6
    saved.options["data"] = "synthetic"
    saved.save(tmp_path / "other.npz")
    run(best, "--with", tmp_path / "other.npz", code=2)
    assert "trained on different data" in capsys.readouterr().err.splitlines()[-1]
    assert record_of(capsys, best, images, "--with", tmp_path / "other.npz")["images"] == 6


def test_networks_of_other_classes_are_refused_by_name(folder, tmp_path, capsys):
    make_network(tmp_path / "d.npz", 3, classes=[*CLASSES[:6], "yak"])
    run(folder / "a.npz", folder / "data", "--with", tmp_path / "d.npz", code=3)
    message = capsys.readouterr().err.splitlines()[-1]
    assert "d.npz" in message and "only in the network: yak" in message


def test_a_network_with_nan_outputs_is_named(folder, tmp_path, capsys):
    saved = checkpoint.load(folder / "c.npz")
    saved.model["fc10.weight"][:] = 3e38
    saved.save(tmp_path / "nan.npz")
    command = [folder / "a.npz", folder / "data", "--with", tmp_path / "nan.npz", "--ten-crop"]
    run(*command, code=3)
    message = capsys.readouterr().err.splitlines()[-1]
    assert "checkpoint" in message and "nan.npz: the loss is nan" in message
