"""benchmarks.scaling: the law of figures, the points of a sweep, and the report."""

import json

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.network.plan import plan
from benchmarks import machine, scaling
from benchmarks.figures import growth
from benchmarks.programs.process import ProgramError

BASE = {
    "spec": "paper", "changes": {"width": 0.03}, "blocks": None, "image_size": 67, "batch_size": 4,
    "threads": 1, "backend": "numpy", "steps": 2,
}  # fmt: skip
TINY = "--backend numpy --threads 1 --image-size 67 --batch-size 4 --width 0.03 --steps 2".split()


@pytest.fixture(autouse=True)
def quick_on_the_numpy_backend(monkeypatch):
    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds=120: True)
    with tn.use_backend("numpy"):
        yield


@pytest.mark.parametrize(
    "a, b, p", [(3.0, 2.0, 1.7), (0.0, 5.0, 1.0), (1.0, 9.0, -1.0), (40.0, 0.01, 2.0)]
)
def test_the_law_behind_figures_is_recovered(a, b, p):
    n = np.array([1, 2, 4, 8, 16])
    law = growth.fit(n, a + b * n**p)
    assert law["p"] == pytest.approx(p, abs=0.005) and law["deviation"] < 0.01
    assert (law["a"], law["b"]) == pytest.approx((a, b), rel=0.02, abs=0.02)
    assert growth.value(law, 3) == pytest.approx(a + b * 3**p, rel=0.01)


def test_noisy_few_and_constant_figures_have_a_law_too():
    n, noise = np.array([4, 8, 16, 32, 64]), np.array([1.02, 0.99, 1.0, 0.98, 1.01])
    law = growth.fit(n, (5 + 2 * n) * noise)
    assert law["p"] == pytest.approx(1, abs=0.1) and 0.005 < law["deviation"] < 0.03
    law = growth.fit([1, 2], [8.0, 4.0])  # two points determine a slope only
    assert law == pytest.approx({"a": 0.0, "b": 8.0, "p": -1.0, "deviation": None})
    assert growth.text(law, 1, "s") == "8 s n^-1.00 (through two points)"
    assert growth.fit([3], [8.0]) is None
    law = growth.fit([1, 2, 4, 8], [100, 101, 99, 101])
    assert (law["a"], law["b"], law["p"]) == (100, 0, 0)
    assert growth.text(law, 1e-3, "s") == "0.1 s (off by at most 1%)"
    assert growth.fit([1, 2, 4, 8], [100, 103, 106, 109])["b"] > 0


@pytest.mark.parametrize(
    "sweep, name, numbers",
    [
        ("batch", "batch_size", [4, 8, 16, 32, 64]),
        ("image", "image_size", [67, 107, 147, 187, 227]),
        ("threads", "threads", [1, 2, 4, 6]),
        ("depth", "blocks", [1, 2, 3, 4, 5]),
    ],
)
def test_a_sweep_changes_one_thing(sweep, name, numbers):
    base = BASE | {"batch_size": 16, "image_size": 227, "threads": 6}
    assert scaling.points_of(sweep, base) == {n: base | {name: n} for n in numbers}


@pytest.mark.parametrize("spec", alexnet.SPECS)
def test_every_spec_can_be_cut_after_every_convolution(spec):
    row, _ = scaling.network(spec, {})
    for blocks in range(1, len(row.convolutions) + 1):
        cut, classes = scaling.network(spec, {}, blocks)
        kinds = [layer.kind for layer in plan(cut, classes, row.image_size)]
        assert kinds.count("Conv2d") == blocks and kinds[-1] == "Linear" and classes == 10


def test_a_point_is_measured_in_a_process_of_its_own_and_its_failure_has_words():
    figures = scaling.measure_point(BASE | {"blocks": 2})
    assert len(figures["seconds"]) == 2 and min(figures["seconds"]) > 0
    assert 2 < figures["loss"] < 6 and (
        figures["peak_bytes"] is None or figures["peak_bytes"] > 2e7
    )
    with pytest.raises(ProgramError, match="(?s)tinynet ended with exit code 1:.*'nothing'"):
        scaling.measure_point(BASE | {"backend": "nothing"})


def test_threads_that_change_the_loss_are_seen():
    rows = [{"n": 1, "loss": 2.0}, {"n": 2, "loss": 2.00001}]
    scaling.check_same_loss(rows)
    with pytest.raises(ProgramError, match="4 threads the first loss is 2.01, with 1 it is 2"):
        scaling.check_same_loss([*rows, {"n": 4, "loss": 2.01}])


def test_the_command_writes_every_sweep(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    points = []

    def measured(point):
        points.append(point)
        n = point["batch_size"]
        seconds = [n * factor for factor in (1, 2, 3)]
        return {"seconds": seconds, "loss": 2.0, "peak_bytes": int(1e6 * (100 + n))}

    monkeypatch.setattr(scaling, "measure_point", measured)
    files = tmp_path / "scaling.json", tmp_path / "scaling.png"
    flags = [*TINY, "--rounds", "2", "--json", str(files[0]), "--plot", str(files[1])]
    assert scaling.main(flags) == 0
    report = json.loads(files[0].read_text())
    numbers = {name: [p["n"] for p in sweep["points"]] for name, sweep in report["sweeps"].items()}
    assert numbers == {
        "batch": [1, 2, 4, 8, 16], "image": [67], "threads": [1], "depth": [1, 2, 3, 4, 5],
    }  # fmt: skip
    # The first compiles; then ten different points twice: batch, image and threads share one.
    assert points[0] == points[3] == BASE and len(points) == 1 + 2 * 10
    assert points[1:11] == points[:10:-1]
    batch = report["sweeps"]["batch"]
    assert [row["seconds"]["median"] for row in batch["points"]] == [2, 4, 8, 16, 32]
    assert batch["points"][-1]["images_per_second"] == 0.5
    assert (batch["time"]["b"], batch["time"]["p"]) == pytest.approx((2, 1))
    assert files[1].read_bytes()[1:4] == b"PNG"
    printed = capsys.readouterr().out
    assert "n^1.00" in printed and machine.words(report["machine"]) in printed


def test_a_failing_point_ends_the_command_with_its_words(monkeypatch, capsys):
    def fails(point):
        raise ProgramError("tinynet ended with exit code -9:")

    monkeypatch.setattr(scaling, "measure_point", fails)
    assert scaling.main([*TINY, "--only", "batch"]) == 1
    assert "ended with exit code -9" in capsys.readouterr().err
