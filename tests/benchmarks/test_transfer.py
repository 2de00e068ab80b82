"""The methods of alexnet.transfer beside PyTorch: the same steps, and the command's table."""

import json
import shutil

import pytest

import tinynet as tn
from alexnet import train
from alexnet.training import method_results
from alexnet.training.method_results import Result
from alexnet.training.pretrained import Pretrained
from alexnet.training.run_folder import RunFolder
from alexnet.training.run_state import Run
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint
from benchmarks import transfer
from benchmarks.programs import pytorch_training
from tests.alexnet.looked_into import save
from tests.alexnet.small_training import lines, make_images

torch = pytest.importorskip("torch", reason="PyTorch trains here")
FLAGS = (
    "--backend numpy --threads 1 --workers 0 --epochs 2 --batch-size 8 --dropout 0 "
    "--schedule constant --lr 0.01"
).split()
METHODS = {
    "scratch": ["--width", "0.03", "--image-size", "67"],
    "fine-tuning": ["--pretrained", "FILE", "--lr-scale", "conv1-fc7=0.1"],
    "features": "--pretrained FILE --freeze conv1-fc6 --augment none --keep-features".split(),
    "frozen norm": "--width 0.03 --image-size 67 --norm batch --freeze conv1-norm2".split(),
}


@pytest.fixture(autouse=True)
def as_before():
    """pytorch_training chooses a backend and a number of threads."""
    backend, threads = tn.get_backend().name, torch.get_num_threads()
    yield
    tn.use_backend(backend)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of a run for each method; tests only read it."""
    folder = tmp_path_factory.mktemp("runs")
    images = make_images(folder / "images", train=6)
    shutil.copytree(images / "val", images / "test")
    before = tn.get_backend().name
    with tn.use_backend("numpy"):
        save(folder / "net.npz", width=0.03)
    for method, flags in METHODS.items():
        flags = [str(folder / "net.npz") if word == "FILE" else word for word in flags]
        assert train.main([str(images), *FLAGS, *flags, "--out", str(folder / method)]) == 0
    tn.use_backend(before)
    return folder


@pytest.mark.parametrize("method", METHODS)
def test_pytorch_takes_the_same_steps(runs, method, tmp_path):
    """Without dropout and at a constant rate, so that no random numbers and no rule differ."""
    saved = checkpoint.load(runs / method / "last.npz")
    options = saved_options(saved)
    with tn.use_backend("numpy"):
        pretrained = Pretrained.read(options.pretrained) if options.pretrained else None
        run = Run(options, RunFolder(tmp_path), pretrained=pretrained)
    run.normalization = saved.normalization
    training = pytorch_training.Training(torch, run)
    for epoch in range(options.epochs):
        training.epoch(epoch)
        accuracy = training.accuracy(run.validation)
    assert accuracy == [line["val_top1"] for line in lines(runs / method) if "val_top1" in line][-1]
    state = training.network.state_dict()
    moved = 0
    for name, array in saved.model.items():
        assert state[name].numpy() == pytest.approx(array, abs=1e-4), name
        moved = max(moved, abs(array - run.model.state_dict()[name]).max())
    assert moved > 5e-3  # so 1e-4 is close
    assert (len(training.below) > 0) == (method == "features")


def test_the_program_writes_validation_and_test_accuracy(runs, tmp_path):
    file = tmp_path / "answer.json"
    pytorch_training.main(str(runs / "features"), str(file))
    answer = json.loads(file.read_text())
    ours = [line["val_top1"] for line in lines(runs / "features") if "val_top1" in line]
    assert answer["validation"] == ours
    assert answer["test"] == max(ours)  # the test images are the validation images


def test_the_command_shows_both_and_writes_them(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(transfer.machine, "wait_until_idle", lambda seconds: True)
    folder = tmp_path / "out"
    shutil.copytree(runs / "features", folder / "features")
    result = Result("features", [], 30, ["conv1"], 2.0, False, 10**8, [0.5, 0.75], 0.5, 12)
    result.save(folder)

    def measured(command, folder):
        pytorch_training.main(*command[3:])
        return 0, 4.0, 3 * 10**8

    monkeypatch.setattr(transfer, "measured", measured)
    assert transfer.main([str(folder), "--json", str(tmp_path / "out.json")]) == 0
    text = capsys.readouterr().out
    (ours,) = (line.split() for line in text.splitlines() if line.startswith("  features "))
    (theirs,) = (line.split() for line in text.splitlines() if " PyTorch  " in line)
    assert ours == ["features", "tinynet", "2", "0:02", "0.10", "GB", "75.0%", "50.0%"]
    assert theirs[:6] == ["PyTorch", "2", "0:04", "x", "2.00", "0.30"]
    report = json.loads((tmp_path / "out.json").read_text())["methods"]["features"]
    assert report["tinynet"]["seconds"] == 2.0 and report["pytorch"]["seconds"] == 4.0


def test_a_program_that_fails_is_an_error_in_words(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(transfer.machine, "wait_until_idle", lambda seconds: True)
    monkeypatch.setattr(transfer, "measured", lambda command, folder: (1, 1.0, 10**8))
    (tmp_path / "scratch").mkdir()
    Result("scratch", [], 30, [], 2.0, False, 10**8, [0.5]).save(tmp_path)
    assert transfer.main([str(tmp_path)]) != 0
    assert "ended with exit code 1" in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_without_results_ends_with_3(tmp_path, capsys):
    assert transfer.main([str(tmp_path)]) == 3
    assert "holds no result of alexnet.transfer" in capsys.readouterr().err.splitlines()[-1]
    assert method_results.load(tmp_path, "scratch") is None
