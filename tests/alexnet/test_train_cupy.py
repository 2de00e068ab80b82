"""The training command with --backend cupy: plain, resumed and recorded runs."""

import json

import pytest

import tinynet as tn
from alexnet import evaluate, predict
from alexnet.train import main
from tests.alexnet.small_training import FLAGS, make_images
from tests.oracles.cases import relative_error

STEPS = 6  # 4 steps of the first epoch, its validation, 2 more steps
# A machine with a GPU may be without Numba.
REFERENCE = "numba" if "numba" in tn.available_backends() else "numpy"


def lines(folder, key):
    """The lines of log.jsonl that have this key: the lines of steps, or of epochs."""
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [line for line in log if key in line]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_on_cupy_has_the_losses_and_weights_of_another_backend(schedule, tmp_path, on_gpu):
    images = str(make_images(tmp_path / "images"))
    flags = [images, *FLAGS, "--max-steps", str(STEPS), "--schedule", schedule]
    for backend in (REFERENCE, "cupy"):
        assert main([*flags, "--backend", backend, "--out", str(tmp_path / backend)]) == 0

    for key in ("lr", "val_loss"):  # only the lines of steps have a rate
        ours, expected = lines(tmp_path / "cupy", key), lines(tmp_path / REFERENCE, key)
        assert [line["step"] for line in ours] == [line["step"] for line in expected] != []
        losses = [[line["train_loss"] for line in each] for each in (ours, expected)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert ours[0]["val_loss"] == pytest.approx(expected[0]["val_loss"], rel=1e-5)

    ours, expected = (tn.load(tmp_path / name / "last.npz") for name in ("cupy", REFERENCE))
    for name in expected.keys() - {"record"}:
        assert relative_error(ours[name], expected[name]) < 1e-4, name


def test_a_run_on_cupy_that_is_stopped_and_resumed_equals_the_unbroken_run(tmp_path, on_gpu):
    flags = [str(make_images(tmp_path / "images")), *FLAGS, "--backend", "cupy"]
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    assert main([*flags, "--out", str(whole), "--max-steps", "6"]) == 0
    assert main([*flags, "--out", str(resumed), "--max-steps", "3"]) == 0
    assert main(["--resume", str(resumed), "--max-steps", "6"]) == 0
    assert (whole / "last.npz").read_bytes() == (resumed / "last.npz").read_bytes()


def test_recorded_steps_end_with_the_bits_of_plain_steps(tmp_path, on_gpu, monkeypatch):
    recordings, gpu = [], tn.get_backend().gpu
    recorder = gpu.recorder
    monkeypatch.setattr(gpu, "recorder", lambda: recordings.append(0) or recorder())
    flags = [str(make_images(tmp_path / "images")), *FLAGS, "--backend", "cupy", "--max-steps", "6"]
    assert main([*flags, "--out", str(tmp_path / "plain"), "--no-cuda-graph"]) == 0
    assert not recordings
    assert main([*flags, "--out", str(tmp_path / "recorded")]) == 0
    assert recordings  # by default
    plain, recorded = (tn.load(tmp_path / name / "last.npz") for name in ("plain", "recorded"))
    for name in plain.keys() - {"record"}:  # record holds the options
        assert plain[name].tobytes() == recorded[name].tobytes(), name
    both = [[line["train_loss"] for line in lines(tmp_path / name, "lr")]
            for name in ("plain", "recorded")]  # fmt: skip
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--cuda-graph"], "--cuda-graph records a CUDA graph, backend numpy has none"),
        (["--precision", "tf32"], "--precision tf32 needs a GPU's tensor cores"),
    ],
)
def test_flags_for_a_gpu_are_a_usage_error_on_a_processor(flags, words, tmp_path, capsys):
    images = str(make_images(tmp_path / "images"))
    with tn.use_backend(tn.get_backend().name):
        assert main([images, *FLAGS, "--backend", "numpy", *flags]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_the_output_names_backend_gpu_and_precision(tmp_path, capsys, on_gpu):
    flags = [str(make_images(tmp_path / "images")), *FLAGS, "--backend", "cupy"]
    flags += ["--precision", "tf32", "--max-steps", "1"]
    gpu = tn.get_backend().gpu
    try:
        assert main([*flags, "--out", str(tmp_path / "run")]) == 0
    finally:
        gpu.precision = "float32"
    assert f"backend cupy, {gpu.name}, tf32, steps recorded" in capsys.readouterr().out
    options = json.loads((tmp_path / "run" / "options.json").read_text())
    assert options["precision"] == "tf32" and options["capture"] is True


def test_a_resumed_run_keeps_the_flags_for_a_gpu_but_not_on_a_processor(tmp_path, on_gpu):
    gpu = tn.get_backend().gpu
    flags = [str(make_images(tmp_path / "images")), *FLAGS, "--backend", "cupy", "--capture"]
    run = tmp_path / "run"

    def flags_for_a_gpu():
        options = json.loads((run / "options.json").read_text())
        return options["backend"], options["precision"], options["capture"]

    try:
        assert main([*flags, "--precision", "tf32", "--out", str(run), "--max-steps", "1"]) == 0
        gpu.precision = "float32"
        assert main(["--resume", str(run), "--max-steps", "2"]) == 0
        assert flags_for_a_gpu() == ("cupy", "tf32", True) and gpu.precision == "tf32"
        assert main(["--resume", str(run), "--max-steps", "3", "--no-cuda-graph"]) == 0
        assert flags_for_a_gpu() == ("cupy", "tf32", False)
        assert main(["--resume", str(run), "--max-steps", "4", "--backend", REFERENCE]) == 0
        assert flags_for_a_gpu() == (REFERENCE, "float32", False)
        assert main(["--resume", str(run), "--max-steps", "5", "--backend", "cupy"]) == 0
        assert flags_for_a_gpu() == ("cupy", "float32", True)
    finally:
        gpu.precision = "float32"
    assert len(lines(run, "lr")) == 5


def test_evaluation_and_prediction_have_the_requested_precision(tmp_path, on_gpu):
    gpu, images = tn.get_backend().gpu, make_images(tmp_path / "images")
    flags = [str(images), *FLAGS, "--backend", "cupy", "--max-steps", "1"]
    assert main([*flags, "--out", str(tmp_path / "run")]) == 0
    best, photo = str(tmp_path / "run" / "best.npz"), str(next(images.rglob("*.png")))
    for command, arguments in ((evaluate.main, [best]), (predict.main, [best, photo])):
        try:
            assert command([*arguments, "--backend", "cupy", "--precision", "tf32"]) == 0
            assert gpu.precision == "tf32"
        finally:
            gpu.precision = "float32"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_says_how_to_find_its_layer(tmp_path, on_gpu, capsys):
    """On a GPU the loss is read only after the next step has changed the weights."""
    flags = [str(make_images(tmp_path / "images")), *FLAGS, "--backend", "cupy", "--lr", "1e8"]
    assert main([*flags, "--out", str(tmp_path / "run")]) == 5
    error = capsys.readouterr().err
    assert "cannot be told" in error and f"{tmp_path / 'run'} --backend numba" in error
