"""benchmarks.scaling --ranks: its points, its report, and the programs of both frameworks."""

import json
import os

import numpy as np
import pytest

from alexnet.network.specs import find_spec
from alexnet.network.variants import changed
from benchmarks import machine, scaling, scaling_ranks
from benchmarks.figures import ranks as tables
from benchmarks.programs import launch, rank
from benchmarks.programs.hosts import HostsError
from benchmarks.programs.process import ProgramError
from benchmarks.programs.workload import write_workload
from tests.ranks import needs_mpi

TINY = "--backend numpy --image-size 67 --width 0.03 --batch-size 8".split()


@pytest.mark.parametrize(
    "size, count, shares",
    [
        (1, 2, [[0, 1]]),
        (2, 2, [[0], [1]]),
        (4, 2, [[0], [1], [0], [1]]),
        (2, 8, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (3, 4, [[0], [1], [2, 3]]),
    ],
)
def test_each_rank_has_its_own_processors_while_there_are_enough(size, count, shares):
    processors = list(range(count))
    assert [rank.own_processors(r, size, processors) for r in range(size)] == shares


@pytest.mark.parametrize(
    "variables, place",
    [
        ({}, (0, 1)),
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "PMIX_RANK": "9"}, (3, 4)),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, (1, 2)),
        ({"PMIX_RANK": "5", "SLURM_STEP_NUM_TASKS": "8"}, (5, 8)),
    ],
)
def test_the_launcher_says_which_rank_a_process_is(variables, place, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("OMPI_", "PMI", "SLURM_"))]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert rank.place() == place


def test_ranks_of_one_machine_share_its_processors_and_hosts_have_a_part_each():
    points = scaling_ranks.points_of(["tinynet"], [1, 2, 4], [64], [None], processors=2)
    assert [(p["ranks"], p["threads"], p["processors"]) for p in points] == [
        (1, 2, 2), (2, 1, 2), (4, 1, 2)
    ]  # fmt: skip
    points = scaling_ranks.points_of(["tinynet"], [1, 2, 4], [64], [1, 10], processors=8)
    assert [(p["ranks"], p["threads"], p["processors"], p["gbit"]) for p in points] == [
        (1, 2, 2, None), (2, 2, 4, 1), (2, 2, 4, 10), (4, 2, 8, 1), (4, 2, 8, 10)
    ]  # fmt: skip
    points = scaling_ranks.points_of(["tinynet"], [1, 4], [64], [1], processors=2)
    assert [(p["threads"], p["processors"]) for p in points] == [(1, 1), (1, 2)]


def test_one_rank_on_a_host_of_many_has_others_beside_it():
    points = scaling_ranks.points_of(["tinynet"], [1, 2, 4], [64], [1], processors=8)
    assert [(p["ranks"], p["copies"]) for p in points] == [(1, 4), (2, 1), (4, 1)]
    points = scaling_ranks.points_of(["tinynet"], [1, 2], [64], [None], processors=8)
    assert [p["copies"] for p in points] == [1, 1]


# --- the report -----------------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch):
    """Ranks that measure what they are told; calls are noted. The last rank takes half as long
    again, and after six runs the machine is ten times as slow."""
    calls = []

    def launched(size, module, words, folder, threads, processors, gbit, alone):
        calls.append((module, 1 if alone else size, gbit))
        parts = 1 if alone else size
        step = {1: 8.0, 2: 5.0, 4: 4.0}[parts] * (1 if module == "data_parallel" else 2)
        step *= 1 + 9 * (len(calls) > 6)
        stages = {"forward": step / 4, "backward": step / 2, "update": 0.0}
        if module == "data_parallel":
            stages |= {"exchange": step / 8, "waiting": step / 8}
        else:
            stages["update"] = step / 4
        sent = {"fc8.weight": 100.0, "conv1.weight": 20.0} if module == "data_parallel" else {}
        frames = None if gbit is None else {"bytes": 130.0, "packets": 2.0}
        slower = {name: 1.5 * seconds for name, seconds in stages.items()}
        each = [stages] * (size - 1) + [slower]
        return [
            {"losses": [2 / parts, 1 / parts], "steps": [one, one], "sent_bytes": sent,
             "frames": frames, "latency": None if parts == 1 else 1e-3, "host": "here",
             "versions": {}}
            for one in each
        ]  # fmt: skip

    monkeypatch.setattr(machine, "wait_until_idle", lambda seconds=120: True)
    monkeypatch.setattr(machine, "usable_processors", lambda: 2)
    monkeypatch.setattr(launch, "launch", launched)
    monkeypatch.setattr(launch, "mpiexec", lambda: "mpiexec")
    monkeypatch.setattr(scaling_ranks.importlib.util, "find_spec", lambda name: name)
    return calls


def test_the_report_compares_ranks_and_frameworks_round_by_round(told, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    files = tmp_path / "ranks.json", tmp_path / "ranks.png"
    flags = [*TINY, "--ranks", "--rounds", "2", "--json", str(files[0]), "--plot", str(files[1])]
    assert scaling.main(flags) == 0
    assert told[:6] == told[:5:-1]  # every other round backwards
    report = json.loads(files[0].read_text())
    rows = {(row["program"], row["ranks"]): row for row in report["points"]}
    assert list(rows) == [(name, size) for name in ("tinynet", "pytorch") for size in (1, 2, 4)]
    two = rows["tinynet", 2]
    # The slower rank counts, in both rounds; ratios do not see that one round was slow.
    assert two["seconds"] == {"median": (7.5 + 75) / 2, "low": 7.5, "high": 75}
    assert two["efficiency"] == {"median": 1.6, "low": 1.6, "high": 1.6}
    assert two["times_as_fast_as_pytorch"]["high"] == 2 and two["losses"] == [2, 1]
    assert two["stages"]["waiting"] == pytest.approx(5 / 8 * 1.25 * 5.5)
    assert two["formula_bytes"] == 4 * report["parameters"] and two["frame_bytes"] is None
    assert rows["tinynet", 1]["formula_bytes"] == 0 and report["model"] is None
    assert rows["tinynet", 4]["formula_bytes"] == 1.5 * two["formula_bytes"]
    assert files[1].read_bytes()[1:4] == b"PNG"
    printed = capsys.readouterr().out
    assert "160%" in printed and "2.00 (2.00 - 2.00)" in printed
    assert machine.words(report["machine"]) in printed


def test_hosts_have_links_frames_and_a_model(told, tmp_path, capsys):
    file = tmp_path / "hosts.json"
    flags = "--ranks 1,2,4 --hosts 1,2,4 --batches 8,16,32 --programs tinynet --rounds 1".split()
    assert scaling.main([*TINY, *flags, "--json", str(file)]) == 0
    assert told[:4] == [
        ("data_parallel", 1, None), ("data_parallel", 2, 1), ("data_parallel", 2, 2),
        ("data_parallel", 2, 4),
    ]  # fmt: skip
    report = json.loads(file.read_text())
    assert len(report["points"]) == len(report["model"]["points"]) == 3 * 7
    assert [row["frame_bytes"] for row in report["points"][:2]] == [None, 130]
    printed = capsys.readouterr().out
    assert "Gbit/s" in printed and "The largest error of the 14 points" in printed


def test_efficiency_counts_the_processors_of_all_ranks(told, tmp_path):
    file = tmp_path / "hosts.json"
    flags = "--ranks 1,4 --hosts 1 --programs tinynet --rounds 1 --json".split()
    assert scaling.main([*TINY, *flags, str(file)]) == 0
    one, four = json.loads(file.read_text())["points"]
    assert (one["processors"], four["processors"]) == (1, 2)
    # The trainings of one rank are means of 8 and 12 s, four ranks wait for the slowest.
    assert four["efficiency"]["median"] == pytest.approx(10 * 1 / (6 * 2))


def test_other_losses_than_one_process_end_the_command(told, monkeypatch, capsys):
    honest = launch.launch

    def wrong(size, module, *rest, **more):
        answers = honest(size, module, *rest, **more)
        if (size, module) == (4, "ddp"):
            answers[0]["losses"] = [2 / size, 1.001 / size]
        return answers

    monkeypatch.setattr(launch, "launch", wrong)
    assert scaling.main([*TINY, "--ranks"]) == 1
    assert "pytorch on 4 ranks computes the losses [2.0, 1.0002" in capsys.readouterr().err


@pytest.mark.parametrize("loss", [float("nan"), 1.01])
def test_losses_beyond_rounding_are_no_agreement(loss):
    point = {"program": "tinynet", "ranks": 2}
    scaling_ranks.check_losses(point, [1.00001], [1.0])
    with pytest.raises(ProgramError, match="tinynet on 2 ranks"):
        scaling_ranks.check_losses(point, [loss], [1.0])


@pytest.mark.parametrize(
    "flags, words",
    [
        ("--ranks 1,3", "8 images is not divided into 3 equal parts"),
        ("--hosts 1", "--hosts and --batches are of --ranks"),
        ("--ranks 0", "0"),
        ("--ranks 2 --hosts 0", "above 0"),
    ],
)
def test_flags_that_do_not_fit_are_errors(flags, words, told, capsys):
    try:
        code = scaling.main([*TINY, *flags.split()])
    except SystemExit as end:
        code = end.code
    assert code == 2 and words in capsys.readouterr().err and not told


def test_hosts_that_cannot_be_made_end_the_command(told, monkeypatch, capsys):
    def fails(*args, **more):
        raise HostsError("only root can make network namespaces")

    monkeypatch.setattr(launch, "launch", fails)
    assert scaling.main([*TINY, "--ranks", "2", "--hosts", "1"]) == 2
    assert "--hosts: only root can make" in capsys.readouterr().err


def test_a_table_leaves_out_columns_without_a_cell(told, tmp_path):
    file = tmp_path / "ranks.json"
    assert scaling.main([*TINY, "--ranks", "1", "--programs", "pytorch", "--json", str(file)]) == 0
    (headings, rows), *others = tables.tables(json.loads(file.read_text())["points"])
    assert "Gbit/s" not in headings and "x PyTorch" not in headings and not others
    assert len(rows) == 1 and len(rows[0]) == len(headings)


# --- the programs ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    write_workload(folder, changed(find_spec("paper"), init="he", width=0.03), 4, 1, 10, 67)
    return folder


@needs_mpi()
@pytest.mark.parametrize("module", ["data_parallel", "ddp"])
def test_ranks_of_either_framework_have_the_losses_of_one_process(module, work):
    if module == "ddp":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    (alone,) = launch.launch(1, "data_parallel", ["numpy", "1"], work, threads=1, processors=1)
    words = ["2"] if module == "ddp" else ["numpy", "2"]
    both = launch.launch(2, module, words, work, threads=1, processors=2)
    losses = [sum(shares) for shares in zip(*(one["losses"] for one in both), strict=True)]
    assert losses == pytest.approx(alone["losses"], rel=1e-5) and losses[0] != losses[1]
    assert len(both) == 2 and all(len(one["steps"]) == 2 for one in both)
    assert all(seconds >= 0 for seconds in both[0]["steps"][0].values())
    if module == "data_parallel":
        with np.load(work / "weights.npz") as weights:
            parameters = sum(weights[name].size for name in weights.files)
        assert alone["sent_bytes"] == {}
        assert sum(both[0]["sent_bytes"].values()) == 4 * parameters  # a step; 2 (n - 1) / n = 1
        assert 0 < both[0]["latency"] < 1


@needs_mpi()
@pytest.mark.parametrize("module", ["data_parallel", "ddp"])
def test_trainings_beside_one_another_have_one_rank_each(module, work):
    if module == "ddp":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    words = ["1"] if module == "ddp" else ["numpy", "1"]
    one, other = launch.launch(2, module, words, work, threads=1, processors=2, alone=True)
    (alone,) = launch.launch(1, module, words, work, threads=1, processors=1)
    assert one["losses"] == other["losses"] == alone["losses"]
    assert one["sent_bytes"] == {} and one["latency"] is None


@needs_mpi()
def test_a_rank_that_fails_ends_the_run_with_its_words(work):
    with pytest.raises(ProgramError, match="(?s)mpiexec ended with exit code.*nothing"):
        launch.launch(2, "data_parallel", ["nothing", "1"], work, threads=1, processors=2)
