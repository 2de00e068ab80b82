"""Options: flags override recipes, recipes override specs; a resumed run may change some."""

from pathlib import Path

import pytest

from alexnet.cli.train_flags import train_parser
from alexnet.errors import UsageError
from alexnet.training.options import RECIPES, Options, flags_of, resolve, resolve_resumed


def parse(*arguments):
    return train_parser().parse_args(arguments)


def test_without_arguments_the_papers_network_is_trained_on_synthetic_images():
    options = resolve(parse(), "numba")
    assert (options.data, options.spec, options.image_size, options.init) == (
        "synthetic", "paper", 67, "he",
    )  # fmt: skip
    # Only image size, classes and initial weights differ from the paper's network.
    changes = options.changes()
    assert {changes.pop("init"), changes.pop("width")} == {"he", 1.0}
    assert set(changes.values()) == {None}


def test_a_folder_is_trained_on_as_the_paper_says(tmp_path):
    options = resolve(parse(str(tmp_path)), "numba")
    assert (options.spec, options.image_size, options.batch_size, options.lr) == (
        "paper", 227, 128, 0.01,
    )  # fmt: skip
    assert (options.momentum, options.weight_decay, options.rule) == (0.9, 5e-4, "paper")
    assert (options.init, options.norm, options.schedule) == (None, None, "plateau")


def test_flags_win_over_the_recipe():
    flags = "--lr 0.5 --init published --epochs 7 --augment crop --image-size 99 --norm none"
    options = resolve(parse(*flags.split()), "numpy")
    assert (options.lr, options.init, options.epochs) == (0.5, "published", 7)
    assert (options.augment, options.image_size, options.norm) == ("crop", 99, "none")
    assert options.schedule == RECIPES["synthetic"].schedule


def test_another_spec_on_small_images_gets_the_smallest_size_it_takes():
    options = resolve(parse("cifar10:somewhere", "--spec", "torchvision"), "numba")
    assert options.image_size == 63
    assert options.norm is None  # the recipe's norm is for its own spec only


def test_changes_that_do_not_fit_a_spec_are_a_usage_error():
    with pytest.raises(UsageError, match="groups=2 divides conv2"):
        resolve(parse("cifar10:somewhere", "--groups", "2"), "numba")


def test_data_means_the_same_in_every_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert resolve(parse("photos"), "numba").data == str(tmp_path / "photos")
    assert resolve(parse("cifar10:c"), "numba").data == f"cifar10:{tmp_path / 'c'}"
    assert resolve(parse("synthetic"), "numba").data == "synthetic"


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "cifar10:/c",
        "/photos --spec caffe --groups 1 --pool 2 2 --dropout 0.0 --epochs 5",
        "cifar10:/c --spec one-gpu --max-steps 9 --seed 3 --threads 2",
        "--width 0.5 --norm batch --activation tanh --rule pytorch --skip-bad-images 2",
        "--precision tf32 --cuda-graph",
    ],
)
def test_flags_of_options_give_the_same_options(flags):
    options = resolve(parse(*flags.split()), "numba")
    assert resolve(parse(*flags_of(options).split()), "numba") == options


def test_the_default_run_needs_no_flag():
    assert flags_of(resolve(parse(), "numba")) == "synthetic"


def test_a_continued_run_keeps_its_options():
    options = resolve(parse("--epochs", "4", "--lr", "0.3"), "numba")
    assert resolve_resumed(options, parse("--resume", "x"), "numba") == options
    longer = resolve_resumed(options, parse("--resume", "x", "--epochs", "9"), "numpy")
    assert (longer.epochs, longer.lr, longer.backend) == (9, 0.3, "numpy")


@pytest.mark.parametrize("flags", ["--spec caffe", "--seed 1", "--augment crop", "--pool 2 2"])
def test_a_continued_run_refuses_flags_that_change_the_run(flags):
    options = resolve(parse(), "numba")
    with pytest.raises(UsageError, match=f"^{flags.split()[0]} .*began with"):
        resolve_resumed(options, parse(*flags.split()), "numba")


def test_options_come_back_from_files_of_this_version_and_of_older_ones():
    options = resolve(parse("--cuda-graph", "--lr", "0.3"), "numba")
    saved = options.saved()
    assert saved["capture"] is True and "cuda_graph" not in saved  # files keep the old name
    assert (
        Options.from_saved(saved) == options == resolve(parse("--capture", "--lr", "0.3"), "numba")
    )
    for name in ("capture", "precision"):  # the oldest files have neither
        del saved[name]
    assert Options.from_saved(saved) == resolve(parse("--lr", "0.3"), "numba")


def test_help_shows_every_recipe():
    text = train_parser().format_help()
    for kind, recipe in RECIPES.items():
        row = next(line.split() for line in text.splitlines() if line.startswith(f"  {kind} "))
        assert str(recipe.batch_size) in row and str(recipe.lr) in row and recipe.schedule in row


def test_help_names_examples_and_exit_codes():
    text = train_parser().format_help()
    examples = [line for line in text.splitlines() if line.startswith("  python -m")]
    assert len(examples) >= 4
    for example in examples:
        parse(*example.split()[3:])
    assert "130 interrupted" in text


def test_an_absolute_data_path_is_kept_unchanged():
    assert Path(resolve(parse("/photos"), "numba").data) == Path("/photos")
