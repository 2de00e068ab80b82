"""alexnet.study: trainings of a claim, what they reached, how they go on."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alexnet import pretrain, study, train
from alexnet.studies import trainings
from alexnet.studies.claims import CLAIMS, Arm, Claim
from alexnet.studies.trainings import trainings_of
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, last_line, lines, make_images

pytestmark = pytest.mark.usefixtures("backend_as_before")
MACHINE = "--backend numpy --threads 1 --workers 0".split()
SHARED = shlex.join(FLAGS[: FLAGS.index("--backend")]).replace(
    "--batch-size 8 --epochs 3", "--batch-size 16 --epochs 2"
)
CLAIM = Claim(
    "Dropout learns less.",
    "a test",
    SHARED,
    "training error",
    (Arm("dropout"), Arm("none", "--dropout 0", -1, "-1 point")),
)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return str(make_images(tmp_path_factory.mktemp("images")))


@pytest.fixture
def here(monkeypatch):
    """Claims of this file, and trainings in this process: the list of their words."""
    ran = []

    def run_one(module, words):
        ran.append([module, *words])
        return {"alexnet.train": train, "alexnet.pretrain": pretrain}[module].main(words)

    claims = dict(CLAIMS)
    CLAIMS["small"] = CLAIM
    monkeypatch.setattr(study, "run_one", run_one)
    yield ran
    CLAIMS.clear()
    CLAIMS.update(claims)  # in their order, which pages have


def small(images, out, *flags):
    return study.main(["small", images, *MACHINE, "--out", str(out), *flags])


# --- what it reaches ------------------------------------------------------------------------------


def test_the_numbers_are_those_of_the_runs(images, here, tmp_path, capsys):
    assert small(images, tmp_path / "s", "--seeds", "2") == 0
    text = capsys.readouterr().out
    saved = json.loads((tmp_path / "s" / "small.json").read_text())
    assert (saved["images"], saved["classes"], saved["unit"]) == (36, 3, "%")
    assert saved["data"] == Path(images).name  # not where it lies
    asked = trainings_of(CLAIM, images, 2, None, tmp_path / "s")
    for training in asked:
        arm = next(arm for arm in saved["arms"] if arm["name"] == training.arm.name)
        trial = arm["trials"][training.seed]
        epochs = [line for line in lines(training.run.path) if "val_top1" in line]
        errors = [100 * (1 - line["train_top1"]) for line in epochs]
        assert trial["training"] == pytest.approx(errors) and len(errors) == 2
        assert trial["value"] == pytest.approx(errors[-1])
        assert trial["validation"] == pytest.approx([100 * (1 - e["val_top1"]) for e in epochs])
        losses = [line["train_loss"] for line in lines(training.run.path) if "lr" in line]
        assert trial["losses"] == losses and trial["steps"] == len(losses) == 4
        options = saved_options(checkpoint.load(training.run.last))
        assert options.seed == training.seed
        assert options.dropout == (None if training.arm.name == "dropout" else 0.0)
    means = [sum(t["value"] for t in arm["trials"]) / 2 for arm in saved["arms"]]
    assert saved["differences"][0]["points"] == pytest.approx(means[1] - means[0])
    assert f"{means[0]:.2f} ± " in text and "-1 point" in text
    assert saved["sentences"][0] in text.replace("\n", " ") or saved["sentences"][0] in text
    assert (tmp_path / "s" / "small.png").read_bytes()[:4] == b"\x89PNG"
    # every arm with the first seed comes before the second seed
    seeds = [words[words.index("--seed") + 1] for words in here]
    assert seeds == ["0", "0", "1", "1"]


def test_what_is_complete_is_not_trained_again_and_more_seeds_train_only_those(
    images, here, tmp_path
):
    assert small(images, tmp_path / "s", "--seeds", "1") == 0
    before = (tmp_path / "s" / "small.json").read_text()
    assert len(here) == 2
    assert small(images, tmp_path / "s", "--seeds", "1") == 0 and len(here) == 2
    assert (tmp_path / "s" / "small.json").read_text() == before
    assert small(images, tmp_path / "s", "--seeds", "2") == 0 and len(here) == 4
    assert small(images, tmp_path / "s", "--seeds", "1", "--epochs", "1") == 0
    assert len(here) == 6  # another length is another training


def test_claims_share_the_training_that_both_need(images, here, tmp_path):
    other = Claim("Momentum.", "a test", SHARED, "validation error",
                  (Arm("usual"), Arm("none", "--momentum 0")))  # fmt: skip
    CLAIMS["other"] = other
    assert small(images, tmp_path, "--seeds", "1") == 0
    assert study.main(["other", images, *MACHINE, "--out", str(tmp_path), "--seeds", "1"]) == 0
    assert len(here) == 3
    small_run, other_run = (trainings_of(each, images, 1, None, tmp_path)[0].run.path
                            for each in (CLAIM, other))  # fmt: skip
    assert small_run == other_run


def test_an_arm_that_is_pretrained_starts_from_its_file(images, here, tmp_path):
    arms = (Arm("random"), Arm("pretrained", pretrain="--epochs 1"))
    CLAIMS["small"] = Claim("", "", SHARED, CLAIM.measure, arms)
    assert small(images, tmp_path, "--seeds", "1") == 0
    random, pretrained = trainings_of(CLAIMS["small"], images, 1, None, tmp_path)
    assert random.run.path != pretrained.run.path and not random.pretrained.exists()
    assert [words[0] for words in here] == ["alexnet.train", "alexnet.pretrain", "alexnet.train"]
    options = saved_options(checkpoint.load(pretrained.run.last))
    assert options.pretrained == str(pretrained.pretrained)
    file = checkpoint.load(pretrained.pretrained)
    assert file.build["width"] == 0.03 and file.build["image_size"] == 67
    assert small(images, tmp_path, "--seeds", "1") == 0 and len(here) == 3


def test_flags_in_another_order_are_the_same_training_and_an_arms_flag_wins(tmp_path):
    turned = Claim("", "", f"--lr 9 {SHARED}", CLAIM.measure, (Arm("", "--seed 5 --lr 0.02"),) * 2)
    (one, _), (same, _) = (trainings_of(c, "x", 1, None, tmp_path) for c in (CLAIM, turned))
    assert one.run.path == same.run.path and one.words[-2:] == ["--seed", "0"]
    lengths = {trainings_of(CLAIM, "x", 1, epochs, tmp_path)[0].run.path for epochs in (None, 2, 3)}
    assert len(lengths) == 2  # --epochs 2 is what the claim has


# --- how it stops and goes on ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of the wild rate
def test_a_training_that_fails_is_named_and_the_others_are_kept(images, here, tmp_path, capsys):
    wild = Claim("", "", SHARED, CLAIM.measure, (Arm("calm"), Arm("wild", "--lr 1e30")))
    CLAIMS["small"] = wild
    assert small(images, tmp_path, "--seeds", "1") == 5
    ended = capsys.readouterr()
    assert "small, wild, seed 0 ended with exit code 5" in ended.err
    saved = json.loads((tmp_path / "small.json").read_text())
    assert [len(arm["trials"]) for arm in saved["arms"]] == [1, 0]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")  # of the wild rate
def test_all_goes_on_after_a_claim_that_fails(images, here, tmp_path):
    wild = Claim("", "", SHARED, CLAIM.measure, (Arm("wild", "--lr 1e30"), Arm("calm")))
    CLAIMS.clear()
    CLAIMS.update(wild=wild, small=CLAIM)
    assert study.main(["all", images, *MACHINE, "--out", str(tmp_path), "--seeds", "1"]) == 5
    assert not (tmp_path / "wild.json").exists() and (tmp_path / "small.json").exists()


def test_hours_end_within_a_training_which_goes_on_from_there(
    images, here, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(study, "LEAST_SECONDS", 0.1)
    flags = ["--seeds", "1", "--epochs", "8"]  # longer than 0.4 s
    assert small(images, tmp_path, *flags, "--hours", f"{0.4 / 3600}") == 0
    assert "its time is over; this goes on: python -m alexnet.study small" in last_line(capsys)
    assert len(here) == 1 and here[0][-2] == "--max-time"
    assert small(images, tmp_path, *flags) == 0
    assert here[1][1] == "--resume" and "--max-time" not in here[1]
    saved = json.loads((tmp_path / "small.json").read_text())
    assert [len(arm["trials"]) for arm in saved["arms"]] == [1, 1]


def test_a_log_that_was_cut_is_no_result(images, here, tmp_path, capsys):
    assert small(images, tmp_path, "--seeds", "1") == 0
    log = trainings_of(CLAIM, images, 1, None, tmp_path)[0].run.log
    log.write_text("".join(log.read_text().splitlines(keepends=True)[1:]))  # 3 of 4 steps
    assert small(images, tmp_path, "--seeds", "1") == 2
    said = last_line(capsys)
    assert f"Remove {log.parent} to train again" in said and "3 steps" in said


def test_ctrl_c_stops_the_training_and_says_how_to_go_on(images, tmp_path):
    words = ["overlapping-pooling", images, *MACHINE, "--epochs", "500", "--out", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "alexnet.study", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not list(tmp_path.glob("trainings/*/log.jsonl")) and time.monotonic() < end:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        f"alexnet.study: it was interrupted; this goes on: python -m alexnet.study "
        f"{shlex.join(words)}"
    )
    assert len(list(tmp_path.glob("trainings/*/last.npz"))) == 1


# --- what it says ---------------------------------------------------------------------------------


def test_without_a_name_it_lists_every_claim(capsys):
    assert study.main([]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in CLAIMS)


@pytest.mark.parametrize("name", [*CLAIMS, "all"])
def test_the_commands_of_every_claim_are_commands_of_alexnet_train(name, tmp_path, capsys):
    from alexnet.cli.train_flags import train_parser

    assert study.main([name, "synthetic", "--dry-run", "--out", str(tmp_path)]) == 0
    commands = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    trains = [words for words in commands if words[2] == "alexnet.train"]
    assert len({tuple(words) for words in trains}) == len(trains) >= 6
    for words in trains:
        train_parser().parse_args(words[3:])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["lnr"], ["lrn", "--seeds", "0"], ["lrn", "--hours", "-1"]])
def test_what_does_not_fit_is_a_usage_error(words, capsys):
    with pytest.raises(SystemExit) as ended:
        study.main(words)
    assert ended.value.code == 2


def test_data_that_is_not_there_ends_it_before_any_training(tmp_path, here, capsys):
    assert small(str(tmp_path / "none"), tmp_path / "s") == 3
    assert here == [] and not (tmp_path / "s").exists()


def test_every_claim_has_arms_that_differ(tmp_path):
    for name, claim in CLAIMS.items():
        folders = {each.run.path for each in trainings_of(claim, "x", 1, None, tmp_path)}
        assert len(folders) == len(claim.arms) >= 2, name
        assert claim.arms[0].expected == 0 and claim.source and claim.says.endswith("."), name
        assert claim.measure in trainings.MEASURES
