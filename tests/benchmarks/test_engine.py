"""benchmarks.engine: what it reports, and what it refuses."""

import json

import numpy as np
import pytest

from benchmarks import engine

TINY = ["--length", "20", "--rounds", "3", "--wait", "0"]


def test_the_report_names_the_machine_and_gives_the_spread(tmp_path, monkeypatch):
    monkeypatch.setattr(engine.machine, "wait_until_idle", lambda seconds: False)
    file = tmp_path / "engine.json"
    assert engine.main([*TINY, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert report["idle"] is False and report["machine"]["threads"] == 1
    for programs in report["microseconds"].values():
        for median, low, high in programs.values():
            assert 0 < low <= median <= high
    both = report["microseconds"]["forward and backward"]["tinynet"]
    assert report["microseconds"]["forward"]["tinynet"][0] < both[0]


def test_other_numbers_are_not_compared(monkeypatch):
    def wrong(numbers, length):
        y, gradient, seconds = right(numbers, length)
        return y + np.float32(1), gradient, seconds

    right = engine.ours
    monkeypatch.setattr(engine, "ours", wrong)
    with pytest.raises(RuntimeError, match="tinynet computed other numbers"):
        engine.main(TINY)


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(capsys):
    with pytest.raises(SystemExit) as error:
        engine.main([*TINY, "--json", "/nowhere/at/all.json"])
    assert error.value.code == 2 and "there is no folder /nowhere/at" in capsys.readouterr().err


def test_a_report_in_json_is_the_same_when_read_back(tmp_path):
    report = {"a": [1.5, 2], "b": {"c": [[], [{"d": "two  spaces,\n[a line"}, "}"]]}, "e": None}
    file = tmp_path / "report.json"
    engine.machine.write_json(file, report)
    assert json.loads(file.read_text()) == report
    assert '"a": [ 1.5, 2 ]' in file.read_text()
