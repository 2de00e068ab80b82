"""The conversion command: its exit codes, what it shows, and what its files do in the others."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from alexnet import convert, evaluate, formats, predict, train
from alexnet.weights import checkpoint
from tests.alexnet.formats.small_checkpoints import CLASSES, assert_same, small
from tests.alexnet.small_training import make_images

NUMPY = ["--backend", "numpy", "--threads", "1"]
NETWORK = ["--spec", "caffe", "--width", "0.03", "--image-size", "67"]


@pytest.fixture(autouse=True)
def numpy_backend(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with tn.use_backend("numpy"):
        yield


@pytest.fixture
def saved(tmp_path):
    """A network as ours.pth, and its arrays alone as arrays.npz."""
    made = small("caffe")
    formats.write(made, tmp_path / "ours.pth")
    np.savez(tmp_path / "arrays.npz", **made.model)
    return made


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return "photo.png"


@pytest.fixture
def run(capsys):
    """Run the command, expect this exit code, and return (stdout, stderr)."""

    def run_command(*arguments, code=0, main=convert.main):
        assert main([str(argument) for argument in arguments]) == code
        captured = capsys.readouterr()
        assert bool(captured.err) == (code != 0)
        return captured.out if code == 0 else captured.err

    return run_command


# --- conversion -----------------------------------------------------------------------------------


def test_a_file_becomes_another_and_the_output_says_what_is_in_it(saved, run):
    out = run("ours.pth", "new.npz")
    assert_same(checkpoint.load("new.npz"), saved)
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert lines["read"] == "ours.pth, a PyTorch state dict"
    count = sum(array.size for array in saved.model.values())
    assert lines["network"] == f"caffe, width 0.03; {count:,} numbers, images 67 x 67"
    assert "RGB from 0 to 255, minus mean (" in lines["images"] and "side 76" in lines["images"]
    assert lines["classes"] == '7: tench, Tinca tinca, a "quoted" name, \U0001f41f, ...'
    assert lines["written"] == f"new.npz, {os.path.getsize('new.npz'):,} bytes"


@pytest.mark.parametrize(
    "spec, image_size, changes",
    [
        ("caffe", 67, {}),
        ("code-2012", 70, {}),  # conv1's last window hangs over
        ("cifar10", 18, {"norm": "same-map"}),
        ("batch-norm", 67, {"norm": "same-map"}),
    ],
)
def test_there_and_back_through_every_format(spec, image_size, changes, run):
    saved = small(spec, image_size, **changes)
    formats.write(saved, "ours.pth")
    chain = ["ours.pth", "a.onnx", "b.safetensors", "c.npz", "d.pth", "e.npz"]
    for source, target in zip(chain, chain[1:], strict=False):
        run(source, target)
    assert_same(checkpoint.load("e.npz"), saved)
    if changes:
        assert "norm same-map" in run("--check", "e.npz")


def test_control_characters_are_shown_escaped(run):
    formats.write(small(classes=["\x1b[31m", *"bcdefg"]), "a.pth")
    os.rename("a.pth", "\x1b[2J.pth")
    out = run("\x1b[2J.pth", "b.npz")
    assert "\x1b" not in out and "\\x1b[2J.pth" in out and "\\x1b[31m" in out


def test_a_tilde_is_the_home_folder(saved, run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    run("~/ours.pth", "~/new.npz")
    run("--check", "~/new.npz")
    assert os.path.exists("new.npz")


def test_flags_say_what_the_file_does_not_tell(saved, run):
    run(
        "arrays.npz",
        "a.npz",
        *NETWORK,
        "--mean",
        1,
        2,
        3,
        "--divisor",
        4,
        5,
        6,
        "--channels",
        "bgr",
    )
    made = checkpoint.load("a.npz")
    assert made.normalization.mean.ravel().tolist() == [1, 2, 3]
    assert made.normalization.divisor.ravel().tolist() == [4, 5, 6]
    assert np.array_equal(made.model["conv1.weight"], saved.model["conv1.weight"][:, ::-1])
    assert "BGR" in made.origin and made.classes == list("0123456")
    run("arrays.npz", "b.npz", *NETWORK, "--divisor", 255, 255, 255)
    assert not checkpoint.load("b.npz").normalization.mean.any()


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_class_names_are_read_from_a_file_of_windows_too(saved, run, end):
    rows = [f"{i}\tn0000000{i}\tname {i}" for i in range(7)]
    text = "\ufeff" + end.join(["id\twnid\tname", *rows]) + end
    with open("names.txt", "wb") as file:
        file.write(text.encode())
    out = run("ours.pth", "a.npz", "--class-names", "names.txt")
    assert "classes   7: name 0, name 1, name 2, ..." in out
    made = checkpoint.load("a.npz")
    assert made.classes == [f"n0000000{i}" for i in range(7)]
    assert made.words["n00000003"] == "name 3"


def test_class_names_of_another_number_or_that_repeat_are_refused(saved, run, tmp_path):
    names = tmp_path / "names.txt"
    for text, code, reason in (
        ("a\nb\n", 2, "2 names for 7 classes"),
        ("n00000001 a\n" * 7, 3, "as class 1 and class 2"),
        ("", 3, "is empty"),
    ):
        names.write_text(text)
        assert reason in run("ours.pth", "a.npz", "--class-names", names, code=code)
    assert not os.path.exists("a.npz")


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["ours.pth"], 2, "name the file to write: OUT ends with .npz, .safetensors, .pth, .onnx"),
        (["ours.pth", "a.h5"], 2, "a.h5 has the ending .h5; .npz, .safetensors, .pth, .onnx can"),
        (["ours.pth", "a"], 2, "can be written"),
        (["--check", "ours.pth", "a.npz"], 2, "--check writes nothing; leave OUT out"),
        (["nothing.pth", "a.npz"], 3, "nothing.pth is not there"),
        (["photo.png", "a.npz"], 3, "it seems to be an image (PNG)"),
        (["ours.pth", "a.npz", "--class-names", "photo.png"], 3, "is no text in UTF-8"),
        (["arrays.npz", "a.npz", *NETWORK[2:]], 2, "alike, which compute different numbers; say"),
        (["arrays.npz", "a.npz", "--spec", "paper", *NETWORK[2:]], 2, "say --mean and --divisor"),
        (["arrays.npz", "a.npz"], 3, "alexnet.convert --check shows the layers of the file"),
        (["ours.pth", "a.npz", "--mean", "1e300", "0", "0"], 2, "mean holds numbers that are not"),
        (["ours.pth", "a.npz", "--divisor", "1e-60", "1", "1"], 2, "must be above 0"),
        (["ours.pth", "a.npz", "--channels", "bgr"], 2, "this program wrote the file"),
        (["arrays.npz", "a.npz", "--spec", "cifar10", "--groups", "2"], 2, "groups"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(
    saved, photo, run, arguments, code, reason
):
    before = sorted(os.listdir("."))
    error = run(*arguments, code=code)
    assert reason in error.splitlines()[-1]
    assert sorted(os.listdir(".")) == before


@pytest.mark.parametrize("out", ["ours.pth", "./ours.pth", "link.pth", "hard.pth"])
def test_the_file_that_is_read_is_never_written(saved, run, out):
    os.symlink("ours.pth", "link.pth")
    os.link("ours.pth", "hard.pth")
    with open("ours.pth", "rb") as file:
        before = file.read()
    assert "would overwrite ours.pth, which this command reads" in run("ours.pth", out, code=2)
    with open("ours.pth", "rb") as file:
        assert file.read() == before


def test_neither_are_the_class_names_nor_a_runs_checkpoints(saved, run):
    with open("names.npz", "w") as file:
        file.write("\n".join("abcdefg"))
    assert "would overwrite" in run("ours.pth", "names.npz", "--class-names", "names.npz", code=2)
    os.mkdir("runs")
    for name in ("best.npz", "last.npz"):
        saved.save(f"runs/{name}")
    for name in ("best.npz", "last.npz"):
        assert f"would overwrite runs/{name}" in run("runs", f"runs/{name}", code=2)
    run("runs", "runs/best.onnx")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_full_disk_ends_with_6_and_keeps_the_old_file(saved, tmp_path):
    names = ["a.npz", "a.safetensors"]
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    program = (
        "import resource, sys; from alexnet.convert import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "sys.exit([main(['ours.pth', name]) for name in sys.argv[1:]] != [6, 6])"
    )
    command = [sys.executable, "-c", program, *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, line in zip(names, done.stderr.splitlines(), strict=True):
        assert f"cannot write {name}: File too large; make room, or write to another folder" in line
        assert (tmp_path / name).read_bytes() == b"old"
    assert set(os.listdir(tmp_path)) == {*names, "ours.pth", "arrays.npz"}  # no temporary file


# --- --check --------------------------------------------------------------------------------------


def test_check_shows_each_layer_and_which_network_it_is(saved, run):
    out = run("--check", "ours.pth")
    assert out.splitlines()[0] == "ours.pth: a PyTorch state dict"
    for layer in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        (line,) = [line for line in out.splitlines() if line.split()[:1] == [layer]]
        weight, bias = saved.model[f"{layer}.weight"], saved.model[f"{layer}.bias"]
        assert f"weight {weight.shape}, bias {bias.shape}" in line and "float32" in line
        assert line.split()[-1] == f"{weight.nbytes + bias.nbytes:,}"
    assert "order     channels RGB; maps are flattened as channels, rows, columns" in out
    assert "network   caffe, width 0.03" in out and "classes   7: tench" in out


def test_check_shows_the_numbers_of_layers_where_the_file_tells_them(saved, run):
    formats.write(saved, "a.onnx")
    out = run("--check", "a.onnx")
    (norm1,) = [line for line in out.splitlines() if line.split()[:1] == ["norm1"]]
    assert "LocalResponseNorm" in norm1 and "size 5, alpha 0.0001, beta 0.75" in norm1


def test_check_of_a_network_that_is_none_shows_the_table_and_ends_with_3(saved, capsys):
    arrays = dict(saved.model)
    arrays["conv3.weight"] = arrays["conv3.weight"][:, :, :2, :2]
    np.savez("other.npz", **arrays)
    assert convert.main(["--check", "other.npz", *NETWORK]) == 3
    captured = capsys.readouterr()
    assert "conv3" in captured.out and "(12, 8, 2, 2)" in captured.out
    assert "conv3: weight (12, 8, 2, 2), conv3 has (12, 8, 3, 3)" in captured.err


def test_check_asks_with_2_for_what_the_user_has_to_say(saved, capsys):
    assert convert.main(["--check", "arrays.npz", "--spec", "paper", *NETWORK[2:]]) == 2
    captured = capsys.readouterr()
    assert "conv5" in captured.out
    assert "it fits paper, but does not tell how its images were prepared" in captured.err
    assert convert.main(["--check", "arrays.npz", *NETWORK[2:]]) == 2
    assert "--spec paper, ..." in capsys.readouterr().err


# --- what the other commands do with it -----------------------------------------------------------


def test_predict_shows_the_names_that_the_network_brought(saved, photo, run):
    run("ours.pth", "new.npz")
    out = run("new.npz", photo, "--json", "--topk", 7, *NUMPY, main=predict.main)
    rows = json.loads(out)[0]["classes"]
    assert {row["class"] for row in rows} == set(CLASSES)
    assert [row["name"] for row in rows if row["class"] == "n01440764"] == ["tench, Tinca tinca"]
    saved.save("direct.npz")
    direct = run("direct.npz", photo, "--json", "--topk", 7, *NUMPY, main=predict.main)
    assert json.loads(direct)[0]["classes"] == rows


def test_a_float64_network_predicts_too(photo, run):
    for dtype in ("float32", "float64"):
        formats.write(small(dtype=dtype), "a.pth")
        run("a.pth", f"{dtype}.npz")
    single, double = (
        json.loads(run(f"{dtype}.npz", photo, "--json", *NUMPY, main=predict.main))[0]["classes"]
        for dtype in ("float32", "float64")
    )
    assert [row["class"] for row in single] == [row["class"] for row in double]
    numbers = [[row["probability"] for row in rows] for rows in (single, double)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-4)


def test_evaluate_needs_data_of_the_same_classes(run, tmp_path):
    data = str(make_images(tmp_path / "images"))
    classes = sorted(os.listdir(os.path.join(data, "val")))
    network = small(classes=classes)
    formats.write(network, "a.pth")
    run("a.pth", "new.npz")
    error = run("new.npz", *NUMPY, code=2, main=evaluate.main)
    assert "new.npz holds weights and no training, so it tells no data; give DATA" in error
    out = run("new.npz", data, "--json", *NUMPY, main=evaluate.main)
    network.save("direct.npz")
    direct = run("direct.npz", data, "--json", *NUMPY, main=evaluate.main)
    assert out.replace("new.npz", "direct.npz") == direct
    formats.write(small(), "b.pth")
    run("b.pth", "other.npz")
    error = run("other.npz", data, *NUMPY, code=3, main=evaluate.main)
    assert "or convert the network with --class-names" in error


def test_training_cannot_go_on_from_a_converted_network_and_says_what_can(saved, run):
    run("ours.pth", "new.npz")
    error = run("--resume", "new.npz", *NUMPY, code=2, main=train.main)
    assert "new.npz holds weights and no training" in error and "--pretrained new.npz" in error


def test_predict_names_this_command_for_a_file_of_another_program(saved, photo, run):
    error = run("ours.pth", photo, *NUMPY, code=3, main=predict.main)
    assert "a file of PyTorch" in error and "python -m alexnet.convert makes such a file" in error
