"""options.toml gives the options that it was written from."""

import tomllib
from dataclasses import replace

import pytest

from alexnet.cli import config_file
from alexnet.cli.train_flags import train_parser
from alexnet.training.config_text import config_text
from alexnet.training.options import resolve


def parse(*arguments):
    return train_parser().parse_args(arguments)


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "/photos --spec caffe --groups 1 --pool 2 2 --dropout 0.0 --epochs 5",
        "cifar10:/c --spec one-gpu --max-steps 9 --seed 18446744073709551615 --threads 2",
        "cifar10:/c --norm batch --activation tanh --rule pytorch --skip-bad-images 2",
        "--precision tf32 --cuda-graph --lr 1e-5",
        "--freeze conv1-conv3,fc6 --lr-scale conv4=0.1,fc8=10 --augment none",
        "--freeze conv1-conv3 --keep-features",
        "/photos --spec torchvision --save-interval 500 --keep 3 --max-time 1h30m",
        "/photos --pretrained /net.pth --spec caffe --image-size 67 --width 0.5",
        "/photos --recipe caffe --spec paper --bias-lr 1x --decay-biases --warmup 0.5",
        "cifar10:/c --recipe torchvision --mean channel",
        "--recipe caffe --schedule constant",
    ],
)
@pytest.mark.parametrize("images", [72, 10**6])
def test_the_text_gives_the_same_options_for_any_number_of_images(tmp_path, flags, images):
    options = resolve(parse(*flags.split()), "numba", images)
    (tmp_path / "options.toml").write_text(config_text(options), encoding="utf-8")
    args = config_file.parse(train_parser(), ["--config", str(tmp_path / "options.toml")])
    assert resolve(args, "numba", 100) == options


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ä€😀", "a\x7fb", "a'b", "a#b", "a$b"])
def test_every_name_of_a_folder_can_be_written(name):
    options = replace(resolve(parse(), "numba"), data=f"/{name}")
    assert tomllib.loads(config_text(options))["data"] == f"/{name}"


def test_a_name_that_is_not_utf8_is_left_to_the_command_line():
    text = config_text(replace(resolve(parse(), "numba"), data="/\udcff"))
    assert "# data has a name that is not UTF-8" in text
    assert "data" not in tomllib.loads(text)


def test_an_older_run_without_initial_weights_has_the_published_ones():
    options = replace(resolve(parse(), "numba"), init=None)
    assert tomllib.loads(config_text(options))["init"] == "published"
