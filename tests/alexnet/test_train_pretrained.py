"""Runs with --pretrained: what is said and saved, resuming, exit codes."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import tinynet as tn
from alexnet.cli.train_flags import train_parser
from alexnet.train import main
from alexnet.training.options import flags_of, resolve
from alexnet.training.pretrained import Pretrained
from alexnet.weights import checkpoint
from tests.alexnet.looked_into import save
from tests.alexnet.small_training import FLAGS, assert_same_run, last_line

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")
MACHINE = "--backend numpy --threads 1 --workers 1".split()
SHORT = [*MACHINE, "--batch-size", "16", "--epochs", "2"]


@pytest.fixture(scope="module")
def finished(images, file, tmp_path_factory):
    """The folder of a pretrained run; tests only read it."""
    out, before = tmp_path_factory.mktemp("runs") / "run", tn.get_backend().name
    assert main([images, *SHORT, "--pretrained", file, "--out", str(out)]) == 0
    tn.use_backend(before)
    return out


def options(out):
    return json.loads((out / "options.json").read_text())


def test_a_pretrained_run_has_the_files_network_and_says_what_came_from_it(
    images, file, tmp_path, capsys
):
    out = tmp_path / "run"
    flags = [*SHORT, "--pretrained", file, "--max-steps", "1", "--out", str(out)]
    assert main([images, *flags]) == 0
    text = capsys.readouterr().out
    assert f"weights   {file}, a checkpoint of this program: conv1-fc7\n" in text
    assert "\n          random: fc8\n" in text
    assert "measuring what to normalise" not in text
    saved, theirs = checkpoint.load(out / "last.npz"), checkpoint.load(file)
    assert (saved.build["spec"], saved.build["image_size"], saved.build["width"]) == (
        "paper", 67, 0.03,
    )  # fmt: skip
    assert np.array_equal(saved.normalization.mean, theirs.normalization.mean)
    assert np.array_equal(saved.normalization.divisor, theirs.normalization.divisor)
    assert options(out)["pretrained"] == file


def test_a_frozen_pretrained_layer_keeps_the_files_bits(images, file, tmp_path):
    out = tmp_path / "run"
    flags = [*SHORT, "--pretrained", file, "--freeze", "conv1-fc7", "--max-steps", "2"]
    assert main([images, *flags, "--out", str(out)]) == 0
    ours, theirs = checkpoint.load(out / "last.npz").model, checkpoint.load(file).model
    for name in ours:
        if not name.startswith("fc8"):
            assert np.array_equal(ours[name], theirs[name]), name


@pytest.mark.parametrize("step", [1, 3])
def test_a_resumed_pretrained_run_is_the_unbroken_one_and_needs_no_file(
    images, file, finished, tmp_path, step
):
    moved, out = tmp_path / "moved" / "net.npz", tmp_path / "run"
    moved.parent.mkdir()
    shutil.copy(file, moved)
    flags = [*SHORT, "--pretrained", str(moved), "--max-steps", str(step)]
    assert main([images, *flags, "--out", str(out)]) == 0
    moved.unlink()
    assert main(["--resume", str(out)]) == 0
    ours, theirs = checkpoint.load(out / "last.npz"), checkpoint.load(finished / "last.npz")
    assert ours.training == theirs.training
    for name in theirs.model:
        assert np.array_equal(ours.model[name], theirs.model[name]), name
    for name in theirs.velocities:
        assert np.array_equal(ours.velocities[name], theirs.velocities[name]), name


def test_a_run_resumed_beside_its_file_has_the_same_bytes(images, file, finished, tmp_path):
    out = tmp_path / "run"
    flags = [*SHORT, "--pretrained", file, "--max-steps", "1", "--out", str(out)]
    assert main([images, *flags]) == 0
    assert main(["--resume", str(out), "--pretrained", file]) == 0
    assert_same_run(out, finished)


def test_a_run_does_not_go_on_from_another_file(finished, whole, capsys):
    assert main(["--resume", str(finished), "--epochs", "3", "--pretrained", "other.npz"]) == 2
    line = last_line(capsys)
    assert f"--pretrained {Path('other.npz').absolute()} does not fit: this run began with " in line
    assert main(["--resume", str(whole), "--epochs", "3", "--pretrained", "other.npz"]) == 2
    assert "does not fit: this run began without; leave it out" in last_line(capsys)


def test_a_runs_folder_starts_another_run(images, finished, tmp_path, capsys):
    """Its classes are the same, so its last layer comes too."""
    out = tmp_path / "run"
    flags = [*SHORT, "--pretrained", str(finished), "--max-steps", "1", "--out", str(out)]
    assert main([images, *flags]) == 0
    text = capsys.readouterr().out
    assert "a checkpoint of this program: conv1-fc8\n" in text and "random" not in text


@pytest.mark.parametrize("name", ["net.npz", "sub/../net.npz", "~/net.npz", "./net.npz"])
def test_a_path_may_be_relative_or_in_the_home_folder(images, file, tmp_path, monkeypatch, name):
    (tmp_path / "sub").mkdir()
    shutil.copy(file, tmp_path / "net.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main([images, *SHORT, f"--pretrained={name}", "--max-steps", "1", "--out", "run"]) == 0
    saved = Path(options(tmp_path / "run")["pretrained"])
    assert saved.is_absolute() and saved.samefile(tmp_path / "net.npz")


def resolved(file, *words):
    """The options of these words with this file."""
    args = train_parser().parse_args([*words, "--pretrained", file])
    return resolve(Pretrained.read(file).with_flags(args), "numba")


@pytest.mark.parametrize(
    "flags",
    ["", "--width 1", "--spec torchvision", "--image-size 99", "--norm batch --init glorot"],
)
@pytest.mark.parametrize("data", ["synthetic", "/photos"])
def test_flags_of_options_give_the_same_network_beside_the_file(file, data, flags):
    options = resolved(file, data, *flags.split())
    words = shlex.split(flags_of(options))
    args = train_parser().parse_args(words)
    assert resolve(Pretrained.read(file).with_flags(args), "numba") == options


def test_synthetic_images_and_cifar10_take_the_files_network(file):
    for data in ("synthetic", "cifar10:/c"):
        chosen = resolved(file, data)
        assert (chosen.spec, chosen.image_size, chosen.width) == ("paper", 67, 0.03)
        assert chosen.norm is None and chosen.init is None  # new layers: the spec's own weights


def test_the_norm_of_a_recipe_is_not_put_into_the_files_network(tmp_path):
    """The recipe of CIFAR-10 gives the row cifar10 batch norms, which this file lacks."""
    with tn.use_backend("numpy"):
        save(tmp_path / "net.npz", spec="cifar10", size=32, width=1.0)
    chosen = resolved(str(tmp_path / "net.npz"), "cifar10:/c")
    assert (chosen.spec, chosen.norm, chosen.image_size) == ("cifar10", None, 32)


def test_what_to_try_next_gives_the_same_network_again(images, file, tmp_path, capsys):
    out, again = tmp_path / "run", tmp_path / "again"
    flags = ["--dropout", "0", "--freeze", "conv1-conv2", "--augment", "none", "--keep-features"]
    flags = [*SHORT, "--epochs", "1", "--pretrained", file, *flags]
    assert main([images, *flags, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    command = next(line for line in text.splitlines() if "alexnet.train" in line)
    words = shlex.split(command)[3:]
    assert main([*words, "--max-steps", "1", "--out", str(again)]) == 0
    assert options(again) == options(out) | {"epochs": 2, "max_steps": 1}


def test_the_initial_weights_without_the_flag_stay_in_the_other_layers(images, file, tmp_path):
    for name, flags in (("plain", []), ("pretrained", ["--pretrained", file])):
        out = str(tmp_path / name)
        # A rate of almost 0 leaves the first weights.
        flags = [*FLAGS, *flags, "--lr", "1e-30", "--max-steps", "1", "--out", out]
        assert main([images, *flags]) == 0
    plain, other = (
        checkpoint.load(tmp_path / n / "last.npz").model for n in ("plain", "pretrained")
    )
    assert np.array_equal(plain["fc8.weight"], other["fc8.weight"])
    assert not np.array_equal(plain["fc7.weight"], other["fc7.weight"])


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (None, 3, "net.npz is not there"),
        (b"", 3, "net.npz holds no weights that can be read"),
        (b"PK\x03\x04 and then nothing", 3, "net.npz is no whole zip archive"),
        ({"conv1.weight": np.ones((5, 3, 2, 2), np.float32)}, 3, "fits any spec"),
        ({"conv1.weight": np.full((96, 3, 11, 11), np.nan, np.float32)}, 3, "NaN"),
        ({"conv1.weight": np.ones((96, 3, 11, 11), np.float32)}, 2, "--spec paper"),
    ],
)
def test_a_file_that_cannot_start_a_run_ends_in_words_and_leaves_nothing(
    images, tmp_path, capsys, content, code, message
):
    path, out = tmp_path / "net.npz", tmp_path / "run"
    if isinstance(content, dict):
        tn.save(path, content)
    elif content is not None:
        path.write_bytes(content)
    assert main([images, *SHORT, "--pretrained", str(path), "--out", str(out)]) == code
    line = last_line(capsys)
    assert "net.npz" in line and message in line
    assert not out.exists()


def test_a_network_of_which_nothing_fits_the_flags_ends_with_3(images, file, tmp_path, capsys):
    out = tmp_path / "run"
    flags = [*SHORT, "--pretrained", file, "--width", "0.05", "--out", str(out)]
    assert main([images, *flags]) == 3
    assert "none of its arrays fits paper" in last_line(capsys)
    assert not out.exists()
