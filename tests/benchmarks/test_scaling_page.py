"""benchmarks.scaling_page: the tables of docs/scaling.md are what its results say."""

import json

import pytest

from benchmarks import scaling_page, scaling_ranks
from benchmarks.figures import parallel_model
from tests.benchmarks.test_parallel_model import TRUE
from tinynet.parallel.traffic import sent_bytes

PARAMETERS = 60_965_224
MACHINE = {
    "processor": "a processor", "processors": 2, "threads": 2, "blas": ["OpenBLAS Some"],
    "forced": {}, "date": "2026-01-02T03:04:05",
}  # fmt: skip


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of results, and a page without tables."""
    page = tmp_path / "scaling.md"
    page.write_text("# Before\n\n{}\n{}\n\nafter\n".format(*scaling_page.MARKERS))
    monkeypatch.setattr(scaling_page, "FOLDER", tmp_path)
    monkeypatch.setattr(scaling_page, "PAGE", page)
    return tmp_path


def save(folder, name, links, programs=("tinynet",), **changes):
    """A report of ranks that take as long as a model says."""
    points = scaling_ranks.points_of(programs, [1, 2, 4], [16, 64], links, 2)
    runs = []
    for point in points:
        sent = sent_bytes("all_reduce", 4 * PARAMETERS, point["ranks"])
        place = {"gbit": point["gbit"] or 1000, "formula_bytes": sent}
        seconds = TRUE.seconds(point | place)
        stages = {"forward": seconds, "backward": 0.0, "update": 0.0}
        if point["program"] == "tinynet":
            stages |= {"exchange": 0.0, "waiting": 0.0}
        run = {"seconds": [seconds], "stages": stages, "losses": [2.0, 1.0]}
        frames = 1.046 * sent if point["gbit"] else None
        latency = TRUE.latency if point["ranks"] > 1 else None
        runs.append([run | {"sent_bytes": {}, "frame_bytes": frames, "latency": latency}])
    rows = scaling_ranks.rows_of(points, runs, PARAMETERS)
    report = {
        "benchmark": "ranks", "machine": MACHINE, "idle": True, "backend": "numba",
        "network": "paper, 227 x 227", "hosts": links != [None], "rounds": 1, "points": rows,
        "model": parallel_model.held_against(rows) if links != [None] else None,
    }  # fmt: skip
    (folder / name).write_text(json.dumps(report | changes))


def test_the_page_in_the_repository_is_what_its_results_say():
    assert scaling_page.main(["--check"]) == 0


def test_without_results_the_page_names_the_commands(results):
    assert scaling_page.main([]) == 0
    text = (results / "scaling.md").read_text()
    assert text.startswith("# Before") and text.endswith("after\n")
    for name in scaling_page.RESULTS:
        assert f"Not measured yet: `{scaling_page.command_for(name)}`" in text
    assert "| data parallel | 244 | 427 | 480 | 487 |" in text
    assert "under 1,005 images" in text and "under 3,185" in text
    assert "| 8 | 15.68 / 15.91 | 6.25 / 6.16 | 43.28 / 42.86 |" in text
    assert "## The model" not in text


def test_results_have_their_tables_and_the_models_error(results):
    save(results, "ranks.json", [None], ("tinynet", "pytorch"))
    save(results, "hosts.json", [10, 2, 1])
    assert scaling_page.main([]) == 0
    text = (results / "scaling.md").read_text()
    assert "a processor, 2 processors" in text and "2026-01-02" in text
    assert "1.00 (1.00 - 1.00)" in text and "| PyTorch DDP | 4 | 1 | 64 |" in text
    assert "have 4.6% more bytes than the formula" in text
    assert "of the 8 points" in text and "within the 15%" in text and "| no |" in text
    assert "by the model above" in text and "not measured yet" not in text.lower()
    assert scaling_page.main(["--check"]) == 0


def test_another_page_than_the_results_is_seen(results, capsys):
    assert scaling_page.main([]) == 0
    save(results, "ranks.json", [None])
    assert scaling_page.main(["--check"]) == 1
    assert "python -m benchmarks.scaling_page" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{}", "[", '{"benchmark": "scaling", "hosts": true}'])
def test_a_file_that_is_no_result_is_an_error(text, results, capsys):
    (results / "hosts.json").write_text(text)
    assert scaling_page.main([]) == 3
    assert "hosts.json is" in capsys.readouterr().err


def test_hosts_without_a_model_are_an_error(results, capsys):
    save(results, "hosts.json", [1])
    assert scaling_page.main([]) == 3
    assert "--hosts 10,2,1" in capsys.readouterr().err
