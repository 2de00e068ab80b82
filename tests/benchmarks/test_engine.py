"""benchmarks.engine: its report, and the numbers that it refuses."""

import json

import numpy as np
import pytest

from benchmarks import engine

TINY = ["--length", "20", "--rounds", "3", "--wait", "0"]


def test_the_report_names_the_machine_and_gives_the_spread(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(engine.machine, "wait_until_idle", lambda seconds: False)
    file = tmp_path / "engine.json"
    assert engine.main([*TINY, "--json", str(file)]) == 0
    report = json.loads(file.read_text())
    assert report["idle"] is False and report["machine"]["threads"] == 1
    assert engine.machine.words(report["machine"]) in capsys.readouterr().out
    for programs in report["microseconds"].values():
        for median, low, high in programs.values():
            assert 0 < low <= median <= high
    both = report["microseconds"]["forward and backward"]["tinynet"]
    assert report["microseconds"]["forward"]["tinynet"][0] < both[0]


def test_other_numbers_are_not_compared(monkeypatch):
    def wrong(numbers, length):
        y, gradient, seconds = correct(numbers, length)
        return y + np.float32(1), gradient, seconds

    correct = engine.ours
    monkeypatch.setattr(engine, "ours", wrong)
    with pytest.raises(RuntimeError, match="tinynet computed other numbers"):
        engine.main(TINY)
