"""--watch: figures of every layer, by hand and from checkpoints; the training keeps its bits."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinynet as tn
from alexnet.train import main
from alexnet.training.watch import watch_layers
from alexnet.weights import checkpoint
from tests.alexnet.small_training import SHORT, lines, log
from tinynet import nn

pytestmark = pytest.mark.usefixtures("backend_as_before", "quick_picture")


def figures(folder):
    """The figures of each epoch."""
    return [line["watch"] for line in lines(folder) if "watch" in line]


# --- the figures ---


class Batches:
    """One batch: 2 images of 2 channels of 1 x 3."""

    x = np.float32([[[[1, 2, -3]], [[0, 1, 0]]], [[[-1, 0, 2]], [[3, 0, 1]]]])

    def epoch(self, number):
        assert number == 0
        yield tn.Tensor(self.x), None
        pytest.fail("a second batch was read")


def small_run(rule="paper", **group):
    """conv1 passes its first channel, its negative, and -1; the optimiser has taken a step."""
    conv1, fc2 = nn.Conv2d(2, 3, 1), nn.Linear(9, 2)
    weight = np.float32([[1, 0], [-1, 0], [0, 0]]).reshape(3, 2, 1, 1)
    conv1.load_state_dict({"weight": weight, "bias": np.float32([0, 0, -1])})
    head = nn.Sequential(
        [("conv1", conv1), ("relu1", nn.ReLU()), ("flat", nn.Flatten()), ("fc2", fc2)]
    )
    for parameter in (conv1.weight, conv1.bias):
        parameter.grad = tn.Tensor(np.full(parameter.shape, 0.5, np.float32)).data
    optimizer = tn.optim.SGD(
        [{"parameters": list(head.parameters()), **group}], lr=0.1, momentum=0.9, rule=rule
    )
    schedule = SimpleNamespace(rate=lambda step: {4: 0.1}[step])
    return SimpleNamespace(
        head=head,
        optimizer=optimizer,
        schedule=schedule,
        step=5,
        first_step=0,
        divided=None,
        ranks=tn.parallel.Single(),
    )


def test_figures_of_a_small_network_by_hand(backend):
    run = small_run()
    found = watch_layers(run, Batches())
    assert list(found) == ["conv1", "relu1", "fc2"]
    first = Batches.x[:, 0, 0]
    conv = np.stack([first, -first, np.full((2, 3), -1)], axis=1)
    relu = np.maximum(conv, 0)
    assert found["conv1"] == pytest.approx(
        {"weight": 2 / 6, "bias": 1 / 3, "mean": conv.mean(), "deviation": conv.std()}
    )
    # 5 of 18 outputs are above 0 (1, 2, 2 and 3, 1); the third channel is dead.
    assert found["relu1"] == pytest.approx(
        {"mean": relu.mean(), "deviation": relu.std(), "zeros": 13 / 18, "dead": 1 / 3}
    )
    assert found["fc2"].keys() == {"weight", "bias", "mean", "deviation"}  # not moved yet


@pytest.mark.parametrize("rule", ["paper", "pytorch"])
@pytest.mark.parametrize(
    ("group", "rate"), [({}, 0.1), ({"lr_scale": 3.0}, 0.3), ({"lr": 0.7, "own_lr": True}, 0.7)]
)
def test_an_update_is_what_the_last_step_added(backend, rule, group, rate):
    run = small_run(rule, **group)
    parameter = run.head["conv1"].weight
    for _ in range(2):
        before = parameter.numpy().copy()
        run.optimizer.step(0.1)
    size = np.abs(parameter.numpy() - before).mean()
    assert size == pytest.approx(1.9 * rate * 0.5, rel=1e-5)  # v = 0.9 v + g, twice
    found = watch_layers(run, Batches())["conv1"]
    assert found["update"] == pytest.approx(size, rel=1e-5)
    assert found["bias_update"] == pytest.approx(size, rel=1e-5)
    assert found["ratio"] == pytest.approx(found["update"] / found["weight"])


def test_the_modes_of_a_network_and_the_random_state_stay_as_they_are(numpy_backend):
    run = small_run()
    run.head = nn.Sequential([*run.head, ("dropout", nn.Dropout(0.5))])
    run.head.train()
    run.head["relu1"].eval()
    state = tn.random.get_state()
    watch_layers(run, Batches())
    assert [layer.training for _, layer in run.head] == [True, False, True, True, True]
    assert tn.random.get_state() == state


# --- runs ---


def test_a_watched_training_keeps_its_bits(images, tmp_path, backend):
    """On a GPU its steps are recorded, and launched again after the first epoch's figures."""
    flags = [images, *SHORT, "--backend", backend, "--max-steps", "3"]
    for name, watch in (("plain", []), ("watched", ["--watch"])):
        assert main([*flags, *watch, "--out", str(tmp_path / name)]) == 0
    for name in ("last.npz", "best.npz", "options.json"):
        assert (tmp_path / "plain" / name).read_bytes() == (
            tmp_path / "watched" / name
        ).read_bytes()
    watched = log(tmp_path / "watched")
    without = [{k: v for k, v in line.items() if k != "watch"} for line in watched]
    assert without == log(tmp_path / "plain")
    assert [line["step"] for line in watched if "watch" in line] == [2, 3]


@pytest.fixture(scope="module")
def watched(images, tmp_path_factory):
    """The folder of a watched run of two epochs of two steps."""
    out = tmp_path_factory.mktemp("watched") / "run"
    with pytest.MonkeyPatch.context() as patch, tn.use_backend("numpy"):
        patch.setattr("alexnet.training.curves._draw", lambda folder: "not here")
        assert main([images, *SHORT, "--schedule", "cosine", "--watch", "--out", str(out)]) == 0
    return out


def test_figures_of_a_run_are_those_of_its_checkpoints(images, watched, tmp_path):
    out = tmp_path / "run"
    flags = [*SHORT, "--schedule", "cosine", "--max-steps", "3"]
    assert main([images, *flags, "--out", str(out)]) == 0
    before, after = (checkpoint.load(each / "last.npz").model for each in (out, watched))
    found = figures(watched)[-1]
    assert list(found) == [f"{kind}{n}" for n in range(1, 8) for kind in (
        "conv" if n < 6 else "fc", "relu")] + ["fc8"]  # fmt: skip
    for layer in ("conv1", "conv4", "fc6", "fc8"):
        weight, old = after[f"{layer}.weight"], before[f"{layer}.weight"]
        assert found[layer]["weight"] == pytest.approx(np.abs(weight).mean(), rel=1e-5)
        assert found[layer]["update"] == pytest.approx(np.abs(weight - old).mean(), rel=1e-3)
        bias = np.abs(after[f"{layer}.bias"]).mean()
        assert found[layer]["bias"] == pytest.approx(bias, rel=1e-5)
    assert 0 < found["relu5"]["zeros"] < 1 and found["relu5"]["deviation"] > 0


def test_each_epoch_ends_with_a_table_of_80_columns(images, tmp_path, capsys):
    assert main([images, *SHORT, "--watch", "--out", str(tmp_path / "run")]) == 0
    text = capsys.readouterr().out.splitlines()
    headings = [line for line in text if line.split()[:2] == ["layer", "weights"]]
    assert len(headings) == 2
    rows = [line for line in text if line.split()[:1] in (["conv1"], ["relu6"])]
    assert len(rows) == 4 and max(map(len, rows)) <= 80
    found = figures(tmp_path / "run")[0]
    assert rows[0].split()[1:4] == [
        f"{found['conv1'][name]:.1e}" for name in ("weight", "update", "ratio")
    ]
    assert rows[1].split()[-2:] == [f"{found['relu6'][name]:.1%}" for name in ("zeros", "dead")]


def test_a_watched_run_that_is_resumed_has_the_log_of_the_unbroken_run(images, watched, tmp_path):
    """The figures of an epoch that --max-steps cut short are not part of the run."""
    out = tmp_path / "run"
    flags = [*SHORT, "--schedule", "cosine", "--watch", "--max-steps", "3"]
    assert main([images, *flags, "--out", str(out)]) == 0
    assert len(figures(out)) == 2
    assert main(["--resume", str(out), "--watch"]) == 0
    assert log(out) == log(watched)


def test_frozen_layers_have_weights_and_no_updates(images, tmp_path):
    flags = [*SHORT, "--freeze", "conv1-conv5", "--watch", "--max-steps", "2"]
    assert main([images, *flags, "--out", str(tmp_path / "run")]) == 0
    (found,) = figures(tmp_path / "run")
    assert "update" not in found["conv5"] and found["conv5"]["weight"] > 0
    assert found["fc6"]["ratio"] > 0


def test_the_layers_above_kept_features_are_watched(images, tmp_path):
    flags = [*SHORT, "--freeze", "conv1-fc6", "--augment", "none", "--keep-features"]
    assert main([images, *flags, "--watch", "--out", str(tmp_path / "run")]) == 0
    assert [list(found) for found in figures(tmp_path / "run")] == [["fc7", "relu7", "fc8"]] * 2
