"""Results of alexnet.transfer: their files, their table and their picture."""

import json
from dataclasses import replace

import pytest

from alexnet.cli.console import plain_console
from alexnet.errors import UsageError
from alexnet.pictures.methods import draw_methods
from alexnet.training import method_results
from alexnet.training.method_results import Result

RESULT = Result("features", ["photos"], 30, ["conv1"], 120.0, False, 10**9, [0.5, 0.75], 0.625, 8)


def test_a_result_comes_back_from_its_file(tmp_path):
    (tmp_path / "features").mkdir()
    RESULT.save(tmp_path)
    assert method_results.load(tmp_path, "features", ["photos"]) == RESULT
    assert method_results.load(tmp_path, "scratch") is None
    with pytest.raises(UsageError, match="other flags or data"):
        method_results.load(tmp_path, "features", ["others"])


@pytest.mark.parametrize(
    "change",
    [
        b"", b"[]", b"[" * 10**5, b"\xff", {"method": "scratch"}, {"validation": []},
        {"validation": [2]}, {"seconds": "1"}, {"seconds": float("nan")}, {"words": [1]},
        {"memory": -1}, {"test": "1"}, {"frozen": "conv1"}, {"parameters": 0},
    ],
)  # fmt: skip
def test_a_file_that_is_no_result_is_an_error_in_words(tmp_path, change):
    (tmp_path / "features").mkdir()
    RESULT.save(tmp_path)
    path = tmp_path / "features" / "result.json"
    if isinstance(change, bytes):
        path.write_bytes(change)
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UsageError, match="result.json is no result of this command"):
        method_results.load(tmp_path, "features")


def test_the_table_shows_the_best_validation_and_what_was_interrupted(capsys):
    console = plain_console()
    result = replace(RESULT, validation=[0.75, 0.5], resumed=True)
    console.print(method_results.table([result]))
    row = next(line for line in capsys.readouterr().out.splitlines() if "features" in line)
    assert row.split() == ["features", "30", "2", "over", "2:00", "1.00", "GB", "75.0%", "62.5%"]


def test_the_picture_draws_each_epoch_at_its_share_of_the_time(tmp_path, monkeypatch):
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib draws the picture")
    drawn = []
    monkeypatch.setattr(figure.Figure, "savefig", lambda self, file, **how: drawn.append(self))
    draw_methods([RESULT], "photos", None)
    (axes,) = drawn[0].axes
    (line,) = axes.lines
    assert line.get_xdata() == pytest.approx([1, 2]) and list(line.get_ydata()) == [50, 75]
    assert [text.get_text() for text in axes.get_legend().texts] == ["features, test 62.5%"]
    assert axes.get_title() == "photos"
