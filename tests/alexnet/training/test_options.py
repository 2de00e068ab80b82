"""Options: flags override recipes, recipes override specs; a resumed run may change some."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from alexnet.cli.train_flags import train_parser
from alexnet.errors import UsageError
from alexnet.training.options import Options, flags_of, resolve, resolve_resumed
from alexnet.training.recipes import PUBLISHED, RECIPES, recipe_table


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


def test_photos_are_trained_on_with_weights_that_start_and_a_rate_that_needs_no_validation():
    options = resolve(parse("/photos"), "numba", images=1350)
    assert (options.spec, options.image_size, options.norm) == ("paper", 227, None)
    assert (options.init, options.lr, options.schedule) == ("he", 0.01, "cosine")
    assert (options.momentum, options.weight_decay, options.rule) == (0.9, 5e-4, "paper")
    assert resolve(parse("/photos", "--image-size", "67"), "numba", images=1350).init == "he"


def test_a_network_without_normalisation_starts_with_smaller_weights():
    """He's make torchvision's loss infinite within six steps at this rate."""
    options = resolve(parse("/photos", "--spec", "torchvision"), "numba", images=1350)
    assert (options.init, options.lr) == ("glorot", 0.01)
    flagged = parse("/photos", "--spec", "torchvision", "--init", "he")
    assert resolve(flagged, "numba", images=1350).init == "he"
    assert resolve(parse("--spec", "torchvision"), "numba").init == "he"  # synthetic, at 67


def test_layers_that_a_pretrained_file_lacks_start_with_the_specs_own_weights():
    words = ["/photos", "--spec", "torchvision", "--pretrained", "/net.pth"]
    options = resolve(parse(*words), "numba", images=1350)
    assert (options.init, options.batch_size, options.epochs) == (None, 32, 44)
    published = resolve(parse(*words, "--init", "published"), "numba", images=1350)
    assert (published.init, published.batch_size, published.epochs) == ("published", 32, 44)


@pytest.mark.parametrize(
    ("images", "batch_size", "epochs"),
    [
        (3, 8, 90), (72, 8, 90), (383, 8, 90), (384, 16, 90), (1350, 32, 44), (3071, 64, 20),
        (3072, 128, 20), (10_000, 128, 20), (1_281_167, 128, 20),
    ],
)  # fmt: skip
def test_batches_of_photos_leave_24_steps_an_epoch_and_epochs_show_60_000(
    images, batch_size, epochs
):
    options = resolve(parse("/photos"), "numba", images)
    assert (options.batch_size, options.epochs) == (batch_size, epochs)
    if 8 < batch_size:
        assert images // batch_size >= 24
    flagged = resolve(parse("/photos", "--batch-size", "5", "--epochs", "7"), "numba", images)
    assert (flagged.batch_size, flagged.epochs) == (5, 7)


@pytest.mark.parametrize("flags", ["", "cifar10:/c", "--init published", "/p --recipe paper"])
def test_only_the_recipe_for_photos_follows_their_number(flags):
    words = flags.split()
    assert resolve(parse(*words), "numba", 72) == resolve(parse(*words), "numba", 10**6)


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
        "--save-interval 500 --keep 3 --max-time 1h30m",
        "--init published",
        "/photos --init published --image-size 67",
        "/photos --init glorot --batch-size 32",
        "--freeze conv1-conv3,fc6 --lr-scale conv4=0.1,fc8=10",
        "/photos --spec torchvision --epochs 3",
        "/photos --pretrained /net.pth --spec caffe --image-size 67 --width 0.5",
        "/photos --pretrained /net.pth --spec caffe --init published",
        "/photos --recipe paper",
        "/photos --balance --augment alexnet",
        "/photos --recipe paper --init he --schedule cosine --augment none",
        "/photos --recipe caffe --spec paper --bias-lr 1x --decay-biases",
        "cifar10:/c --recipe torchvision --warmup 0.5 --mean channel",
        "--recipe caffe --schedule constant",
        "--schedule multistep --milestones 2,3 --bias-lr 0.02 --no-decay-biases",
        "/photos --pretrained /net.pth --recipe torchvision",
    ],
)
@pytest.mark.parametrize("images", [72, 1350, 10**6])
def test_flags_of_options_give_the_same_options(flags, images):
    options = resolve(parse(*flags.split()), "numba", images)
    assert resolve(parse(*flags_of(options, images).split()), "numba", images) == options


def test_flags_of_an_older_run_on_photos_give_its_published_weights():
    options = resolve(parse("/photos", "--init", "published"), "numba", 72)
    older = replace(options, init=None)  # what its recipe had
    assert flags_of(older, 72) == flags_of(options, 72) == "/photos --init published"


def test_the_default_run_needs_no_flag():
    assert flags_of(resolve(parse(), "numba")) == "synthetic"


def test_a_continued_run_keeps_its_options():
    options = resolve(parse("--epochs", "4", "--lr", "0.3"), "numba")
    assert resolve_resumed(options, parse("--resume", "x"), "numba") == options
    longer = resolve_resumed(options, parse("--resume", "x", "--epochs", "9"), "numpy")
    assert (longer.epochs, longer.lr, longer.backend) == (9, 0.3, "numpy")


@pytest.mark.parametrize("flags", ["--spec caffe", "--seed 1", "--augment crop"])
def test_a_continued_run_refuses_flags_that_change_the_run(flags):
    options = resolve(parse(), "numba")
    with pytest.raises(UsageError, match=f"^{flags.split()[0]} .*began with"):
        resolve_resumed(options, parse(*flags.split()), "numba")


@pytest.mark.parametrize("flags", ["--pool 2 2", "--freeze conv1-conv5"])
def test_a_continued_run_refuses_flags_that_it_began_without(flags):
    with pytest.raises(UsageError, match=f"^{flags.split()[0]} .* this run began without; leave"):
        resolve_resumed(resolve(parse(), "numba"), parse(*flags.split()), "numba")


def test_options_come_back_from_files_of_this_version_and_of_older_ones():
    options = resolve(parse("--cuda-graph", "--lr", "0.3"), "numba")
    saved = options.saved()
    assert saved["capture"] is True and "cuda_graph" not in saved  # files keep the old name
    assert (
        Options.from_saved(saved) == options == resolve(parse("--capture", "--lr", "0.3"), "numba")
    )
    for name in ("capture", "precision", "freeze", "lr_scale"):  # the oldest files have none
        del saved[name]
    assert Options.from_saved(saved) == resolve(parse("--lr", "0.3"), "numba")


# --- published procedures -------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["/photos", "cifar10:/c", "synthetic"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_recipe_sets_its_options_whatever_the_data(name, data):
    options = resolve(parse(data, "--recipe", name), "numba", 1000)
    assert (options.recipe, options.spec, options.init) == (name, name, "published")
    shown = {
        "paper": (128, 90, "plateau", None, "1x", True, 5e-4, "paper", "alexnet", "image"),
        "code-2012": (
            128,
            91,
            "multistep",
            "25,51,79",
            "0.02",
            False,
            5e-4,
            "paper",
            "alexnet",
            "image",
        ),
        "caffe": (256, 90, "multistep", "20,40,60,80", "2x", False, 5e-4, "paper", "crop", "image"),
        "torchvision": (256, 90, "step", None, "1x", True, 1e-4, "pytorch", "crop", "imagenet"),
    }
    names = (
        "batch_size epochs schedule milestones bias_lr decay_biases weight_decay rule augment mean"
    )
    values = tuple(getattr(options, each) for each in names.split())
    assert values == shown[name]
    assert (options.lr, options.momentum, options.norm) == (0.01, 0.9, None)


def test_flags_win_over_a_published_recipe():
    words = "/photos --recipe caffe --schedule cosine --spec paper --decay-biases --lr 0.5"
    options = resolve(parse(*words.split()), "numba")
    assert (options.schedule, options.milestones, options.spec) == ("cosine", None, "paper")
    assert (options.decay_biases, options.lr, options.bias_lr) == (True, 0.5, "2x")


def test_a_published_recipe_keeps_the_image_size_of_small_images():
    assert resolve(parse("cifar10:/c", "--recipe", "paper"), "numba").image_size == 67
    assert resolve(parse("/photos", "--recipe", "torchvision"), "numba").image_size == 224


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--schedule multistep", "multistep needs --milestones"),
        ("--milestones 3,4", "--milestones goes with --schedule multistep, this run has cosine"),
        ("--recipe caffe --schedule step --milestones 3", "this run has step"),
    ],
)
def test_milestones_and_their_schedule_belong_together(flags, message):
    with pytest.raises(UsageError, match=message):
        resolve(parse(*flags.split()), "numba")


def test_a_resumed_run_may_leave_its_milestones_and_take_others():
    saved = resolve(parse("--recipe", "caffe"), "numba")
    cosine = resolve_resumed(saved, parse("--schedule", "cosine"), "numba")
    assert (cosine.schedule, cosine.milestones) == ("cosine", None)
    later = resolve_resumed(saved, parse("--milestones", "30,60"), "numba")
    assert (later.schedule, later.milestones) == ("multistep", "30,60")
    with pytest.raises(UsageError, match="multistep needs --milestones"):
        resolve_resumed(cosine, parse("--schedule", "multistep"), "numba")


@pytest.mark.parametrize("flags", ["--milestones 4,2", "--bias-lr twice", "--warmup -1"])
def test_flags_of_a_wrong_kind_end_with_2(flags, capsys):
    with pytest.raises(SystemExit) as error:
        parse(*flags.split())
    assert error.value.code == 2 and flags.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_flags_that_help_shows_for_a_recipe_are_the_recipe(name):
    table = recipe_table()
    row = table[table.index(f"\n  {name} ") :].removeprefix(f"\n  {name} ")
    flags = re.split(r"\n  \w", row)[0].split()
    by_flags = resolve(parse("/photos", *flags), "numba", 1000)
    by_name = resolve(parse("/photos", "--recipe", name), "numba", 1000)
    assert by_flags == replace(by_name, recipe=by_flags.recipe)


def test_help_shows_every_recipe():
    text = train_parser().format_help()
    for kind, recipe in RECIPES.items():
        row = next(line.split() for line in text.splitlines() if line.startswith(f"  {kind} "))
        assert str(recipe.lr) in row and recipe.schedule in row
        assert str(recipe.batch_size or "8") in row and str(recipe.epochs or "90") in row


def test_help_names_examples_and_exit_codes():
    text = train_parser().format_help()
    examples = [line for line in text.splitlines() if line.startswith("  python -m")]
    assert len(examples) >= 4
    for example in examples:
        parse(*example.split()[3:])
    assert "130 interrupted" in text


def test_an_absolute_data_path_is_kept_unchanged():
    assert Path(resolve(parse("/photos"), "numba").data) == Path("/photos")
