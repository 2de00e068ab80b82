"""Options and position from a checkpoint: fields of a wrong kind are errors that name them."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet import train
from alexnet.data.loader import Loader
from alexnet.errors import DataError
from alexnet.training.run_folder import RunFolder
from alexnet.training.run_state import Run
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint
from tests.alexnet.small_training import FLAGS, make_images

pytestmark = pytest.mark.usefixtures("numpy_backend")


@pytest.fixture(scope="module")
def last(tmp_path_factory):
    """last.npz of a run that stopped in its second epoch, after step 6 of 12."""
    folder = tmp_path_factory.mktemp("stopped")
    images, out = make_images(folder / "images"), folder / "run"
    with tn.use_backend("numpy"):
        flags = [*FLAGS, "--max-steps", "6", "--schedule", "plateau"]
        assert train.main([str(images), *flags, "--out", str(out)]) == 0
    return out / "last.npz"


def forged(last, path, change):
    arrays = tn.load(last)
    record = json.loads(arrays["record"].tobytes())
    change(record)
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    tn.save(path, arrays)
    return path


WRONG_OPTIONS = [
    ("data", 3), ("spec", "lenet"), ("image_size", "67"), ("image_size", 68), ("width", 0.04),
    ("activation", "tanh"), ("pool", "32"), ("batch_size", 0), ("batch_size", 8.0), ("epochs", -1),
    ("max_steps", 0), ("augment", "flip"), ("lr", 0), ("lr", float("nan")), ("lr", 10**400),
    ("schedule", "linear"), ("schedule", {}), ("momentum", 1), ("weight_decay", "x"),
    ("rule", None), ("dead_start_steps", 0.5), ("seed", -1), ("seed", 1 << 64), ("backend", "tpu"),
    ("threads", 0), ("workers", 1_000_000), ("skip_bad_images", True), ("precision", "fp8"),
    ("capture", 1), ("freeze", 3), ("freeze", "conv9"), ("freeze", "conv1-fc8"),
    ("freeze", "conv1"), ("lr_scale", ["fc8"]), ("lr_scale", "fc8"), ("lr_scale", "fc8=nan"),
    ("lr_scale", "conv9=1" * 10**5), ("recipe", "lenet"), ("recipe", []), ("milestones", [3]),
    ("milestones", "3,2"), ("warmup", -1), ("warmup", None), ("bias_lr", 2), ("bias_lr", "x"),
    ("decay_biases", 1), ("mean", "median"), ("balance", 1), ("save_interval", "0"),
    ("save_interval", 500), ("keep", -1), ("max_time", "90"), ("apart", 1), ("without", 4),
    ("without", "conv4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG_OPTIONS)
def test_an_option_of_a_wrong_kind_is_an_error_that_names_it(last, tmp_path, name, value):
    path = forged(last, tmp_path / "a.npz", lambda r: r["options"].update({name: value}))
    saved = checkpoint.load(path)
    with pytest.raises(DataError, match=f"a.npz cannot be used: options.{name} is "):
        saved_options(saved)


def test_options_that_are_missing_or_unknown_are_named(last, tmp_path):
    path = forged(last, tmp_path / "a.npz", lambda r: r["options"].pop("lr"))
    with pytest.raises(DataError, match="a.npz cannot be used: options lacks lr"):
        saved_options(checkpoint.load(path))
    path = forged(last, tmp_path / "a.npz", lambda r: r["options"].update(depth=3))
    with pytest.raises(DataError, match=r"options has \['depth'\], which this program does not"):
        saved_options(checkpoint.load(path))


def test_the_oldest_checkpoints_lack_some_options_and_are_read(last, tmp_path):
    def without(record):
        for name in NEWER:
            del record["options"][name]
            record["build"].pop(name, None)

    options = saved_options(checkpoint.load(forged(last, tmp_path / "a.npz", without)))
    assert (options.precision, options.cuda_graph, options.seed) == ("float32", False, 0)
    assert (options.freeze, options.lr_scale) == (None, None)
    assert (options.apart, options.without) == (None, None)


NEWER = (
    "precision capture freeze lr_scale recipe milestones warmup bias_lr decay_biases mean "
    "balance apart without".split()
)
WRONG_TRAINING = {
    "no step": (lambda t: t.pop("step"), "training lacks step"),
    "no images": (lambda t: t.pop("images"), "training lacks images"),
    "step as text": (lambda t: t.update(step="6"), "training.step is '6'"),
    "another step": (lambda t: t.update(step=7), "training.step is 7, should be"),
    "another batch": (lambda t: t.update(batch=1), "training.step is 6, should be"),
    "batch": (lambda t: t.update(batch=99), "training.batch is 99, should be .* from 0 to 4"),
    "epoch": (lambda t: t.update(epoch=-1), "training.epoch is -1"),
    "sums": (lambda t: t.update(sums=[]), r"training.sums is \[\]"),
    "no loss": (lambda t: t["sums"].pop("loss"), "training.sums lacks loss"),
    "loss": (lambda t: t["sums"].update(loss=float("nan")), "training.sums.loss is nan"),
    "sum of images": (lambda t: t["sums"].update(images=0), "training.sums.images is 0"),
    "correct": (lambda t: t["sums"].update(top1=17), "training.sums.top1 is 17"),
    "unknown sum": (lambda t: t["sums"].update(top9=1), r"training.sums has \['top9'\]"),
    "best": (lambda t: t["best"].update(top1=1.5), "training.best.top1 is 1.5"),
    "epoch of best": (lambda t: t["best"].pop("epoch"), "training.best lacks epoch"),
    "lists": (lambda t: t.update(lists=3), "training.lists is 3"),
    "a list": (
        lambda t: t["lists"].update(test={}),
        "training.lists is .*, should be fingerprints",
    ),
    "more in a list": (lambda t: t["lists"]["val"].update(more=1), "should be fingerprints"),
    "counts": (lambda t: t["lists"]["train"].update(images=[1, 2]), "should be fingerprints"),
    "random": (lambda t: t.update(random=None), "training.random is None"),
    "masks": (lambda t: t["random"].update(dropout_draws="0"), "random.dropout_draws is '0'"),
    "seed": (lambda t: t["random"].update(seed=-1), "training.random.seed is -1"),
    "schedule": (lambda t: t.update(schedule="plateau"), "training.schedule is 'plateau'"),
    "its name": (lambda t: t.update(schedule=[{}, {}]), r"schedule\[0\] is {}"),
    "its state": (lambda t: t.update(schedule=["plateau", 3]), r"schedule\[1\] is 3"),
    "its error": (lambda t: t["schedule"][1].update(smallest_error="x"), "smallest_error is 'x'"),
    "another's state": (lambda t: t.update(schedule=["cosine", {"lr": 9}]), r"has \['lr'\], which"),
    "no state": (
        lambda t: t.update(schedule=["plateau", {}]),
        r"schedule\[1\] lacks smallest_error",
    ),
    "colours": (
        lambda t: t.update(colours={"components": [[1, 0, 0]] * 3, "divisor": 1.0}),
        "options.augment is 'crop', training.colours is {",
    ),
    "its rate": (lambda t: t["schedule"][1].update(lr=9.0), r"has \['lr'\], which"),
}


@pytest.mark.parametrize("case", WRONG_TRAINING)
def test_a_wrong_position_ends_resume_with_3_and_names_the_field(last, tmp_path, capsys, case):
    change, message = WRONG_TRAINING[case]
    path = forged(last, tmp_path / "last.npz", lambda record: change(record["training"]))
    before = path.read_bytes()
    assert train.main(["--resume", str(path)]) == 3
    line = capsys.readouterr().err.splitlines()[-1]
    with pytest.raises(DataError, match=f"last.npz cannot be used: .*{message}"):
        raise DataError(line)
    assert path.read_bytes() == before


def test_a_resumed_run_reads_from_best_npz_what_it_holds(last):
    saved = checkpoint.load(last)
    folder = RunFolder(last.parent)
    run = Run(saved_options(saved), folder, saved)
    best = checkpoint.load(folder.best).training
    assert run.in_best == best["best"] | {"step": best["step"], "batch": best["batch"]}
    assert not run.remarks


def test_an_epoch_that_became_shorter_counts_whole_images(last, monkeypatch):
    """15 of 22 batches: in floating point 15 / 22 * (22 * 8) is below 15 * 8."""
    saved = checkpoint.load(last)
    saved.training |= {"epoch": 0, "batch": 22, "step": 22, "images": 22 * 8}
    saved.training["sums"] = {"images": 22 * 8, "loss": 88.0, "top1": 44}
    del saved.training["lists"]
    monkeypatch.setattr("alexnet.training.resuming.list_remarks", lambda *arguments: [])
    monkeypatch.setattr(Loader, "__len__", lambda loader: 15)
    run = Run(saved_options(saved), RunFolder(last.parent), saved)
    assert (run.batch, run.step) == (15, 15)
    assert run.sums == {"images": 120, "loss": 60.0, "top1": 30}
