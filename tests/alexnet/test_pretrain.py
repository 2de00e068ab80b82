"""alexnet.pretrain: what the file holds, what a training starts from, stops and errors."""

import numpy as np
import pytest

from alexnet import evaluate, pretrain, train
from alexnet.cli.open_run import open_run
from alexnet.cli.train_flags import train_parser
from alexnet.weights import checkpoint

pytestmark = pytest.mark.usefixtures("backend_as_before")
NETWORK = "--image-size 67 --width 0.03 --batch-size 8 --backend numpy --threads 1".split()
FLAGS = [*NETWORK, "--epochs", "1", "--seed", "3"]
CONVOLUTIONS = [f"conv{number}" for number in range(1, 6)]


@pytest.fixture(scope="module")
def pretrained(images, tmp_path_factory):
    """The file of a whole command; tests only read it."""
    path = tmp_path_factory.mktemp("pretrained") / "encoders.npz"
    assert pretrain.main([images, *FLAGS, "--out", str(path)]) == 0
    return path


def started(images, folder, *flags):
    """(the first weights of a training with these flags, its normalisation)."""
    args = train_parser().parse_args([images, *flags, "--out", str(folder / "run")])
    with open_run(args) as run:
        run.choose_inputs()
        return run.model.state_dict(), run.normalization


def test_the_file_is_the_start_of_a_training_but_for_the_convolutions(images, pretrained, tmp_path):
    saved = checkpoint.load(pretrained)
    fresh, normalization = started(images, tmp_path, *NETWORK, "--seed", "3")
    assert saved.model.keys() == fresh.keys()
    for name, array in saved.model.items():
        assert np.array_equal(array, fresh[name]) == (not name.startswith("conv")), name
    assert np.array_equal(saved.normalization.mean, normalization.mean)
    assert np.array_equal(saved.normalization.divisor, normalization.divisor)


def test_a_training_with_pretrained_starts_from_exactly_this(images, pretrained, tmp_path):
    saved = checkpoint.load(pretrained)
    machine = ["--backend", "numpy", "--threads", "1", "--seed", "9"]
    state, normalization = started(images, tmp_path, "--pretrained", str(pretrained), *machine)
    assert all(np.array_equal(state[name], array) for name, array in saved.model.items())
    assert np.array_equal(normalization.mean, saved.normalization.mean)
    assert np.array_equal(normalization.divisor, saved.normalization.divisor)


def test_each_epoch_of_each_layer_has_a_line_and_explains_more(images, tmp_path, capsys):
    path = tmp_path / "a.npz"
    assert pretrain.main([images, *FLAGS, "--epochs", "2", "--out", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in CONVOLUTIONS:
        own = [line for line in lines if line.startswith(f"{name} epoch ")]
        assert [line.partition(":")[0] for line in own] == [f"{name} epoch {n}/2" for n in (1, 2)]
        shares = [float(line.partition("explains ")[2].partition("%")[0]) for line in own]
        errors = [float(line.partition("error ")[2].partition(",")[0]) for line in own]
        assert shares[0] < shares[1] and errors[0] > errors[1]
    assert lines[-1] == f"  python -m alexnet.train {images} --pretrained {path} --seed 3"


def test_the_file_can_be_evaluated_and_a_training_cannot_go_on_from_it(images, pretrained, capsys):
    assert evaluate.main([str(pretrained), images, "--backend", "numpy"]) == 0
    capsys.readouterr()
    assert train.main(["--resume", str(pretrained)]) == 2
    assert (
        "holds weights and no training, so there is none to go on with" in capsys.readouterr().err
    )


def test_a_stopped_command_goes_on_after_the_last_finished_layer_with_the_same_bits(
    images, pretrained, tmp_path, capsys, monkeypatch
):
    path, part = tmp_path / "encoders.npz", tmp_path / "encoders.npz.part"
    words = [images, *FLAGS, "--out", str(path)]
    train_layer = pretrain.train_layer

    def stop_in_conv3(run, stage):
        if stage.name == "conv3":
            raise KeyboardInterrupt
        train_layer(run, stage)

    monkeypatch.setattr(pretrain, "train_layer", stop_in_conv3)
    assert pretrain.main(words) == 130
    told = capsys.readouterr().err
    assert f"stopped in conv3; {path} is not written, the layers before it are kept" in told
    assert part.exists() and not path.exists()
    monkeypatch.undo()
    assert pretrain.main([*words, "--lr", "0.02"]) == 2
    assert "encoders.npz.part began with other flags or data" in capsys.readouterr().err
    assert pretrain.main(words) == 0
    out = capsys.readouterr().out
    assert "layers that are finished: 2" in out and "conv2 epoch" not in out
    assert not part.exists()
    state, whole = checkpoint.load(path).model, checkpoint.load(pretrained).model
    assert all(np.array_equal(state[name], array) for name, array in whole.items())


def test_a_loss_that_is_not_finite_names_the_layer_and_writes_nothing(images, tmp_path, capsys):
    words = [images, *FLAGS, "--epochs", "4", "--lr", "1e6", "--out", str(tmp_path / "a.npz")]
    with np.errstate(all="ignore"):
        assert pretrain.main(words) == 5
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("alexnet.pretrain: the loss of conv1 in step ")
    assert error.endswith("try a smaller rate, --lr 100000")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--out", "a.pth"], "does not end in .npz"),
        (["--out", "a.npz", "--epochs", "0"], "whole number from 1"),
        (["--out", "a.npz", "--without", "conv1"], "without must be one of conv2"),
        ([], "required: --out"),
    ],
)
def test_flags_that_do_not_fit_exit_with_2(flags, words, images, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = pretrain.main([images, *NETWORK, *flags])
    except SystemExit as end:
        code = end.code
    assert code == 2 and words in capsys.readouterr().err
