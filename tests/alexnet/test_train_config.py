"""The training command with --config: a run's options.toml repeats it."""

import json

import pytest

from alexnet.train import main
from tests.alexnet.small_training import FLAGS, SHORT, assert_same_run, last_line, lines, log

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


@pytest.mark.parametrize(
    "flags",
    [
        [],
        "--recipe caffe --augment alexnet --milestones 1 --warmup 0.5 --schedule multistep".split(),
        "--freeze conv1 --lr-scale fc8=10 --save-interval 1 --keep 2 --seed 3".split(),
    ],
)
def test_a_run_repeated_by_its_options_has_the_same_bits(images, tmp_path, monkeypatch, flags):
    first, second = tmp_path / "first", tmp_path / "second"
    assert main([images, *SHORT, *flags, "--out", str(first)]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["--config", str(first / "options.toml"), "--out", str(second)]) == 0
    assert_same_run(first, second)
    assert (first / "options.toml").read_text() == (second / "options.toml").read_text()


def test_flags_beside_a_file_win_and_its_keys_win_over_the_recipe(images, whole, tmp_path):
    file, out = tmp_path / "c.toml", tmp_path / "run"
    file.write_text(f'recipe = "caffe"\nlr = 0.25\nepochs = 9\ndata = {json.dumps(images)}\n')
    flags = [flag for flag in SHORT if flag not in ("--lr", "0.02", "--schedule", "plateau")]
    assert main(["--config", str(file), *flags, "--max-steps", "1", "--out", str(out)]) == 0
    options = json.loads((out / "options.json").read_text())
    assert (options["lr"], options["epochs"], options["bias_lr"]) == (0.25, 2, "2x")
    assert options["schedule"] == "multistep"


def test_a_resumed_run_takes_its_changes_from_a_file_too(images, tmp_path, capsys):
    file, out = tmp_path / "c.toml", tmp_path / "run"
    assert main([images, *FLAGS, "--max-steps", "1", "--out", str(out)]) == 0
    file.write_text("lr = 0.005\nmax-steps = 2\n")
    assert main(["--resume", str(out), "--config", str(file)]) == 0
    assert lines(out)[-2]["lr"] == 0.005
    file.write_text("seed = 7\n")
    assert main(["--resume", str(out), "--config", str(file)]) == 2
    assert "--seed 7 does not fit: this run began with 0" in last_line(capsys)
    # Its own file fits.
    assert main(["--resume", str(out), "--config", str(out / "options.toml")]) == 0
    assert len(log(out)) > 2


def test_errors_of_a_file_end_the_command_before_it_begins(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--config", "c.toml"]) == 3
    assert "--config c.toml: No such file" in last_line(capsys)
    (tmp_path / "c.toml").write_text("epoch = 3\n")
    assert main(["--config", "c.toml"]) == 2
    assert "epochs is" in last_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]
