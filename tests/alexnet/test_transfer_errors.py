"""alexnet.transfer: data without test images, broken images, files and flags that do not fit."""

import pytest

import tinynet as tn
from alexnet import train, transfer
from alexnet.training import method_results
from alexnet.weights import checkpoint
from tests.alexnet.small_training import last_line, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before")
FLAGS = "--backend numpy --threads 1 --workers 0 --epochs 1 --batch-size 8".split()


@pytest.fixture
def trained_here(monkeypatch):
    """Trainings run in this process, which is quicker."""
    monkeypatch.setattr(transfer, "measured", lambda command: (train.main(command[3:]), 1.0, 10**8))


def test_without_test_images_the_last_column_is_empty(file, tmp_path, trained_here, capsys):
    images, out = make_images(tmp_path / "images", train=4), tmp_path / "out"
    flags = [*FLAGS, "--methods", "features", "--out", str(out)]
    assert transfer.main([str(images), "--pretrained", file, *flags]) == 0
    text = capsys.readouterr().out
    assert "no test images, so the validation images tell the result: " in text
    result = method_results.load(out, "features")
    assert (result.test, result.test_images) == (None, 0)
    row = next(line for line in text.splitlines() if line.startswith("  features "))
    assert row.split()[-1] == f"{max(result.validation):.1%}"


def test_a_training_that_fails_ends_with_its_exit_code_and_no_result(
    images, file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(transfer, "measured", lambda command: (5, 1.0, 10**8))
    out = tmp_path / "out"
    assert transfer.main([images, "--pretrained", file, *FLAGS, "--out", str(out)]) == 5
    line = last_line(capsys)
    assert "scratch ended with exit code 5" in line and "once its cause is mended" in line
    assert not list(tmp_path.glob("out/*/result.json"))


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--width", "0.05"], 3, "net.npz holds no layer that fits paper"),
        (["--groups", "1", "--image-size", "10"], 2, "image"),
        (["--methods", "other"], None, "invalid choice: 'other'"),
    ],
)
def test_what_does_not_fit_is_said_before_any_training(
    images, file, tmp_path, capsys, monkeypatch, flags, code, message
):
    monkeypatch.setattr(transfer, "measured", None)
    words = [images, "--pretrained", file, *FLAGS, "--out", str(tmp_path / "out"), *flags]
    if code is None:
        with pytest.raises(SystemExit) as end:
            transfer.main(words)
        assert end.value.code == 2
    else:
        assert transfer.main(words) == code
    assert message in last_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_file_without_the_first_layer_computes_no_features(images, file, tmp_path, capsys):
    state = dict(checkpoint.load(file).model)
    state["conv1.weight"] = state["conv1.weight"][:, :, :5, :5]
    tn.save(tmp_path / "net.npz", state)
    flags = [*FLAGS, "--spec", "paper", "--width", "0.03", "--image-size", "67"]
    words = [images, "--pretrained", str(tmp_path / "net.npz"), *flags]
    assert transfer.main([*words, "--out", str(tmp_path / "out")]) == 3
    assert "holds no conv1 that fits paper, so it computes no features; --methods" in last_line(
        capsys
    )


def test_broken_images_are_skipped_if_the_user_says_so(file, tmp_path, trained_here, capsys):
    images, out = make_images(tmp_path / "images", train=4), tmp_path / "out"
    (images / "val").rename(images / "test")
    make_images(tmp_path / "others", train=1, val=3)
    (tmp_path / "others" / "val").rename(images / "val")
    for split in ("train", "val", "test"):
        (images / split / "red" / "02.png").write_bytes(b"no image")
    words = [str(images), "--pretrained", file, *FLAGS, "--methods", "features"]
    assert transfer.main([*words, "--out", str(out)]) == 3
    assert "02.png" in capsys.readouterr().err and not (out / "features" / "result.json").exists()
    assert transfer.main([*words, "--out", str(tmp_path / "other"), "--skip-bad-images", "1"]) == 0
    assert method_results.load(tmp_path / "other", "features").test_images == 11


def test_an_unreadable_file_ends_with_3(images, tmp_path, capsys):
    words = [images, "--pretrained", str(tmp_path / "no.npz"), "--out", str(tmp_path / "out")]
    assert transfer.main(words) == 3
    assert "no.npz is not there" in last_line(capsys)
