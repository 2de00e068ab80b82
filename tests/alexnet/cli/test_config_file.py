"""--config: keys are flags, values are checked as flags are, flags on the command line win."""

import os

import pytest

from alexnet.cli import config_file
from alexnet.cli.train_flags import train_parser
from alexnet.errors import DataError, UsageError


def parse(tmp_path, text, *flags):
    (tmp_path / "c.toml").write_text(text, encoding="utf-8")
    return config_file.parse(train_parser(), ["--config", str(tmp_path / "c.toml"), *flags])


def test_keys_are_flags_with_dashes_or_underscores(tmp_path):
    text = """
    data = "synthetic"   # DATA
    batch-size = 16
    max_steps = 0x20
    lr = 1
    pool = [3, 2]
    bias-lr = 0.02
    save-interval = 500
    schedule = "plateau"
    decay-biases = false
    keep-features = true
    """
    args = parse(tmp_path, text)
    assert (args.data, args.batch_size, args.max_steps, args.lr) == ("synthetic", 16, 32, 1.0)
    assert (args.pool, args.bias_lr, args.save_interval) == ([3, 2], "0.02", "500")
    assert (args.schedule, args.decay_biases, args.keep_features) == ("plateau", False, True)
    assert args.epochs is None


def test_a_switch_that_is_off_is_a_flag_left_out(tmp_path):
    assert parse(tmp_path, "keep-features = false\ndry-run = false").dry_run is None


@pytest.mark.parametrize(
    "flags", [["--lr", "0.5"], ["--decay-biases"], ["cifar10:/c"], ["--pool", "2", "2"]]
)
def test_the_command_line_wins(tmp_path, flags):
    text = 'lr = 0.1\ndecay-biases = false\ndata = "synthetic"\npool = [3, 1]\nepochs = 7'
    args, alone = parse(tmp_path, text, *flags), train_parser().parse_args(flags)
    assert args.epochs == 7
    for name, value in vars(alone).items():
        if value is not None:
            assert getattr(args, name) == value


def test_paths_are_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    text = 'data = "photos"\npretrained = "/net.npz"\nout = "runs/a"'
    args = parse(tmp_path / "sub", text)
    assert args.data == str(tmp_path / "sub" / "photos")
    assert (args.pretrained, args.out) == ("/net.npz", str(tmp_path / "sub" / "runs" / "a"))
    assert parse(tmp_path, 'data = "cifar10:c"').data == f"cifar10:{tmp_path / 'c'}"
    assert parse(tmp_path, 'resume = "auto"').resume == "auto"
    assert parse(tmp_path, 'data = "photos"', "here").data == "here"
    monkeypatch.chdir(tmp_path)
    args = config_file.parse(train_parser(), ["--config", "sub/c.toml"])
    assert args.data == os.path.join("sub", "photos")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "epoch is no flag of this command; epochs is"),
        ("batchsize = 3", "batchsize is no flag of this command; batch-size is"),
        ("qqq = 3", "qqq is no flag of this command; these are: activation, apart, augment, "),
        ('config = "b.toml"', "config is no flag"),
        ("help = true", "help is no flag"),
        ("[training]\nepochs = 3", "training is no flag"),
        ("batch-size = 3\nbatch_size = 3", "batch_size is there twice"),
        ("epochs = 2.5", "epochs: '2.5' does not fit; a whole number from 1 does"),
        ('epochs = "5"', "epochs: '5' does not fit; a number: 5 does"),
        ("epochs = [1]", "epochs: [1] does not fit; a number or a text"),
        ("epochs = true", "epochs: True does not fit; a number or a text"),
        ("epochs = 2020-01-01", "epochs: datetime.date(2020, 1, 1) does not fit"),
        ("lr = nan", "lr: 'nan' does not fit; a number above 0 does"),
        ('schedule = "linear"', "schedule: 'linear' does not fit; one of step, multistep"),
        ("schedule = [1]", "schedule: [1] does not fit; one of step, multistep"),
        ("groups = 3", "groups: 3 does not fit; one of 1, 2 does"),
        ('groups = "a"', "groups: 'a' does not fit"),
        ("pool = 3", "pool: 3 does not fit; a list of 2 does"),
        ("pool = [3, 2, 1]", "pool: [3, 2, 1] does not fit; a list of 2 does"),
        ("decay-biases = 1", "decay-biases: 1 does not fit; true or false does"),
        ('keep-features = "yes"', "keep-features: 'yes' does not fit; true or false does"),
        ("max-time = 90", "max-time: '90' has no unit; a time"),
        ('data = ""', "data: '' names nothing"),
    ],
)
def test_a_key_or_value_that_does_not_fit_is_named_with_what_does(tmp_path, text, words):
    with pytest.raises(UsageError) as error:
        parse(tmp_path, text)
    assert f"--config {tmp_path / 'c.toml'}: {words}" in str(error.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(DataError, match="nothing.toml: No such file"):
        config_file.parse(train_parser(), ["--config", str(tmp_path / "nothing.toml")])
    with pytest.raises(DataError, match="c.toml is no TOML file: .*line 1"):
        parse(tmp_path, "epochs 3")
    (tmp_path / "c.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="c.toml is no TOML file"):
        config_file.parse(train_parser(), ["--config", str(tmp_path / "c.toml")])
