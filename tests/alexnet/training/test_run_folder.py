"""The folder of a run: each run gets a new one, and no run is overwritten."""

import pytest

from alexnet.errors import UsageError
from alexnet.training.run_folder import RunFolder


def test_a_new_run_gets_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda form: "20120904-101112")
    paths = [str(RunFolder.create(None, "paper-synthetic").path) for _ in range(3)]
    first = "runs/paper-synthetic-20120904-101112"
    assert paths == [first, f"{first}-2", f"{first}-3"]


def test_a_folder_without_a_run_can_become_a_run_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert RunFolder.create(tmp_path, "any").path == tmp_path
    (tmp_path / "last.npz").write_text("")
    with pytest.raises(UsageError, match=r"last.npz.*--resume"):
        RunFolder.create(tmp_path, "any")
