"""The machine of a benchmark, its words, and the files of figures."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import machine


def test_a_busy_machine_is_not_idle_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(machine, "others_share", lambda: 0.5)
    assert not machine.wait_until_idle(0)
    assert "50% of the processors" in capsys.readouterr().err
    monkeypatch.setattr(machine, "others_share", lambda: None)  # the system does not tell
    assert not machine.wait_until_idle(0)
    shares = iter([0.5, 0.05])
    monkeypatch.setattr(machine, "others_share", lambda: next(shares))
    assert machine.wait_until_idle(60)


def test_others_share_leaves_this_process_out(monkeypatch):
    # Of 200 ticks 120 were busy, 90 of them (0.9 s at 100 a second) ours.
    ticks, own = iter([(1000, 5000), (1120, 5200)]), iter([7.0, 7.9])
    monkeypatch.setattr(machine, "_ticks", lambda: next(ticks))
    monkeypatch.setattr(machine.time, "process_time", lambda: next(own))
    monkeypatch.setattr(machine.os, "sysconf", lambda name: 100)
    assert machine.others_share(0) == pytest.approx(0.15)


def test_the_words_of_a_machine_name_its_blas_kernel_and_the_variables_that_force_it(monkeypatch):
    monkeypatch.setattr(machine, "FORCING", {"OPENBLAS_CORETYPE": "Haswell"})
    about = machine.description(3)
    words = machine.words(about)
    assert about["blas"] and all(kernel in words for kernel in about["blas"])
    assert "3 threads" in words and words.endswith("FORCED by OPENBLAS_CORETYPE=Haswell")
    assert "FORCED" not in machine.words(about | {"forced": {}})
    assert machine.words({"gpu": "A GPU"}) == "A GPU"


def test_the_variables_that_force_kernels_or_threads_are_read_from_the_environment():
    forcing = {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "2", "NUMBA_NUM_THREADS": "1"}
    environment = {**os.environ, **forcing, "NUMBA_CACHE_DIR": "/nowhere", "OTHER": "1"}
    code = "import json; from benchmarks import machine; print(json.dumps(machine.FORCING))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=root, stdout=subprocess.PIPE
    )
    read = json.loads(done.stdout)
    assert forcing.items() <= read.items() and not {"NUMBA_CACHE_DIR", "OTHER"} & read.keys()


def test_spread_is_the_median_and_the_middle_four_fifths():
    assert machine.spread(range(21)) == (10, 2, 18)
    assert machine.spread([3.0]) == (3.0, 3.0, 3.0)
    with pytest.raises(ValueError, match="one number or more"):
        machine.spread([])


def test_a_report_in_json_is_the_same_when_read_back(tmp_path):
    report = {"a": [1.5, 2], "b": {"c": [[], [{"d": "two  spaces,\n[a line"}, "}"]]}, "e": None}
    file = tmp_path / "report.json"
    machine.write_json(file, report)
    assert json.loads(file.read_text()) == report
    assert '"a": [ 1.5, 2 ]' in file.read_text()


def test_a_report_that_cannot_be_written_whole_leaves_the_one_before(tmp_path, monkeypatch):
    def half(path, text):
        write(path, text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    file, write = tmp_path / "report.json", Path.write_text
    machine.write_json(file, {"round": 1})
    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError):
        machine.write_json(file, {"round": 2})
    assert json.loads(file.read_text()) == {"round": 1}


def test_a_report_goes_through_a_link_and_to_a_device(tmp_path):
    file, link = tmp_path / "report.json", tmp_path / "link.json"
    link.symlink_to(file)
    machine.write_json(link, {"round": 1})
    assert link.is_symlink() and json.loads(file.read_text()) == {"round": 1}
    machine.write_json("/dev/null", {"round": 1})
    assert not Path("/dev/null").is_file()
