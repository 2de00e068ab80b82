"""benchmarks.readme: the README's section on speed holds the figures of the results, no others."""

import json
import re

import pytest

from benchmarks import pipeline, readme
from benchmarks.figures import growth, layer_bars
from benchmarks.figures.layers import totals
from benchmarks.figures.step import summary

MACHINE = {
    "processor": "A Processor", "processors": 4, "threads": 2, "blas": ["OpenBLAS 1.2 Zen"],
    "forced": {},
    "python": "3.11.1", "numpy": "2.1.0", "numba": "0.61.0", "scipy": "1.12.0",
    "date": "2031-02-03T04:05:06+00:00",
}  # fmt: skip


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of results beside a README without a section."""
    monkeypatch.setattr(readme, "FOLDER", tmp_path)
    monkeypatch.setattr(readme, "README", tmp_path / "README.md")
    write_readme(f"before\n\n{readme.BEGIN}\n{readme.END}\n\nbehind\n")
    return tmp_path


def write_readme(text):
    readme.README.write_text(text, encoding="utf-8")


def written():
    return readme.README.read_text(encoding="utf-8")


def save(name, report):
    (readme.FOLDER / name).write_text(json.dumps(report))


def step_report(name="step-paper.json", **rounds):
    """A report of benchmarks.step. rounds: milliseconds of a step in each round, by program; one of
    PyTorch's three steps takes thrice that, which a median does not see."""
    wanted = readme.RESULTS[name][1]
    turns = {
        program: [
            [
                {"seconds": ms / 1e3 * slow, "forward": 0.25, "backward": 0.5, "update": 0.125}
                for slow in (1, 1, 3 if program == "pytorch" else 1)
            ]
            for ms in milliseconds
        ]
        for program, milliseconds in rounds.items()
    }
    rates = [100.0] * len(next(iter(turns.values())))
    figures = summary(turns, rates, wanted["batch_size"], flop=10**9)
    versions = {"tinynet": {"numpy": "2.1.0"}, "pytorch": {"numpy": "1.9", "torch": "9.8.7"}}
    return {
        "benchmark": "step", "machine": MACHINE, "idle": True, "options": dict(wanted),
        "sgemm_gflop_per_second": {"spread": [100.0] * 3},
        "programs": {
            program: {
                "versions": versions[program], **figures[program], "turns": turns[program],
                "peak_bytes": {"tinynet": 1_500_000_000, "pytorch": 2_750_000_000}[program],
            }
            for program in turns
        },
        "failed": {},
    }  # fmt: skip


def layers_report():
    """A report of benchmarks.layers: conv1, the update, and norm1, which has an error."""
    rows = []
    for layer, direction, ours, theirs in (
        ("conv1", "forward", 0.2, 0.3),
        ("conv1", "backward", 0.4, 0.5),
        ("update", "update", 0.1, 1.0),
    ):
        seconds = {"tinynet": {"median": ours}, "pytorch": {"median": theirs}}
        rows.append({"layer": layer, "direction": direction, "seconds": seconds})
        rows[-1] |= {"roof": "sgemm", "flop": 10**9, "precision": "float32"}
    sums = totals(rows, {"sgemm": 100.0})
    rows.append({"layer": "norm1", "direction": "forward", "error": "other numbers"})
    return {
        "benchmark": "layers", "machine": MACHINE, "idle": True, "pytorch": "9.8.7",
        "network": "paper, 227 x 227", "batch_size": 128, "layers": rows, "totals": sums,
    }  # fmt: skip


# --- the section ----------------------------------------------------------------------------------


def test_without_results_no_figure_is_written(results, capsys):
    assert readme.main([]) == 0
    assert written().startswith(f"before\n\n{readme.BEGIN}\n")
    assert written().endswith(f"\n{readme.END}\n\nbehind\n")
    section = written().partition(readme.BEGIN)[2].partition(readme.END)[0]
    assert "python -m benchmarks.readme" in section
    assert not re.search(r"\d", section)
    assert capsys.readouterr().err.count("there is no result of") == len(readme.RESULTS)


@pytest.mark.parametrize(
    "text",
    ["none", readme.BEGIN, f"{readme.END}\n{readme.BEGIN}", f"{readme.BEGIN}{readme.END}" * 2],
)
def test_a_readme_without_both_markers_is_not_written(results, capsys, text):
    write_readme(text)
    assert readme.main([]) == 3
    assert written() == text
    assert readme.BEGIN in capsys.readouterr().err


def test_speeds_are_medians_with_their_spread_and_ratios_compare_one_round(results):
    # tinynet's images/s: 64, 128, 256. PyTorch's: 32, 16, 128, so that the ratios are 2, 8 and 2.
    save(
        "step-paper.json",
        step_report(tinynet=[2000, 1000, 500], pytorch=[4000, 8000, 1000]),
    )
    readme.main([])
    assert "| tinynet | 128 (64 to 256)<br>1.50 GB |" in written()
    assert (
        "| PyTorch, eager | 32.0 (16.0 to 128.0)<br>× 2.00 (2.00 to 8.00)<br>2.75 GB |" in written()
    )
    assert "takes tinynet 1,000 ms: forward 250, backward 500, update 125" in written()
    assert "at 128 % (64 to 256) of the rate of sgemm, 100 GFLOP/s" in written()


def test_inference_is_a_column_of_speeds_without_memory(results):
    save("inference-1.json", step_report("inference-1.json", tinynet=[20], pytorch=[10]))
    readme.main([])
    assert "| tinynet | 50.0 (50.0 to 50.0) |" in written()
    assert "| PyTorch, eager | 100 (100 to 100)<br>× 0.50 (0.50 to 0.50) |" in written()
    assert "GB" not in written()


def test_a_program_has_a_cell_in_every_column(results):
    save("step-paper.json", step_report(tinynet=[1280]))
    report = step_report("inference-128.json", tinynet=[1280], pytorch=[1280])
    save("inference-128.json", report | {"failed": {"jax": "it ended"}})
    readme.main([])
    assert "| PyTorch, eager |  | 100 (100 to 100)<br>× 1.00 (1.00 to 1.00) |" in written()
    assert "| JAX |  | left out |" in written()
    assert "Left out: did not run, or computed other numbers." in written()
    assert "it ended" not in written()


def test_machine_versions_and_days_are_said_once(results):
    save("step-paper.json", step_report(tinynet=[1], pytorch=[1]))
    save("layers-paper.json", layers_report() | {"machine": MACHINE | {"date": "2031-03-01T00:00"}})
    readme.main([])
    assert (
        "Measured on 3 February 2031 to 1 March 2031: A Processor, 4 processors, 2 threads, "
        "OpenBLAS 1.2 Zen, float32, Python 3.11.1, NumPy 2.1.0, Numba 0.61.0, SciPy 1.12.0, "
        "PyTorch 9.8.7."
    ) in written()


def test_a_forced_blas_kernel_is_said(results):
    forced = MACHINE | {"forced": {"OPENBLAS_CORETYPE": "Haswell"}}
    save("step-paper.json", step_report(tinynet=[1]) | {"machine": forced})
    readme.main([])
    assert "OpenBLAS 1.2 Zen; FORCED by OPENBLAS_CORETYPE=Haswell, float32" in written()


def test_a_busy_machine_is_said_where_it_was_busy(results):
    save("step-paper.json", step_report(tinynet=[1]))
    readme.main([])
    assert "idle" not in written()
    save("inference-1.json", step_report("inference-1.json", tinynet=[1]) | {"idle": False})
    readme.main([])
    assert "batch 128 | inference, `paper`, batch 1 (not idle) |" in written()
    assert "Not idle: other programs ran" in written()


def test_the_data_path_is_beside_the_network_and_pytorch(results):
    measured = {
        "pipeline": [{"seconds": 0.01}], "network": [{"seconds": 0.1}],
        "training": [{"seconds": 0.125, "waited": 0.0}], "pytorch": [{"seconds": 0.25}],
        "stages": [{"read": 1.0}],
    }  # fmt: skip
    report = {
        "benchmark": "pipeline", "machine": MACHINE, "idle": True, "options": {"data": "cifar10"},
        "data": "CIFAR-10: many images", "network": "cifar10, 32 x 32",
        "turns": measured, **pipeline.figures(measured, 10),
    }  # fmt: skip
    save("pipeline-cifar10.json", report | {"options": {"data": "cifar10"}, "data": "cifar10"})
    readme.main([])
    assert (
        "| CIFAR-10: cifar10, 32 x 32 | 1,000 (1,000 to 1,000)<br>10.0 (10.0 to 10.0) times the "
        "network's | 100 (100 to 100) | 80.0 (80.0 to 80.0) | 40.0 (40.0 to 40.0)<br>× 2.00 "
        "(2.00 to 2.00) |"
    ) in written()


def test_the_laws_of_growth_are_a_table(results):
    laws = {"time": growth.fit([1, 2], [0.1, 0.2]), "memory": None}
    report = {"benchmark": "scaling", "machine": MACHINE, "idle": True, "network": "paper, batch 4"}
    save("scaling.json", report | {"sweeps": {"batch": {"points": [], **laws}}})
    readme.main([])
    assert "the others as in paper, batch 4" in written()
    assert f"| images in a batch | {growth.text(laws['time'], 1e3, 'ms')} | no law" in written()


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, words",
    [
        ({"options": {"what": "training", "batch_size": 8}}, "is of spec None, not paper"),
        ({"options": readme.PAPER | {"batch_size": 8}}, "is of batch_size 8, not 128"),
        ({"benchmark": "layers"}, "is of benchmark layers, not step"),
        ({"programs": {}}, "lacks figures (KeyError: 'tinynet')"),
        ({"machine": None}, "lacks figures"),
    ],
)
def test_another_report_than_the_name_promises_is_refused(results, capsys, change, words):
    save("step-paper.json", step_report(tinynet=[1]) | change)
    before = written()
    assert readme.main([]) == 3
    error = capsys.readouterr().err
    assert f"benchmarks/results/step-paper.json {words}" in error
    assert "python -m benchmarks.step --json benchmarks/results/step-paper.json" in error
    assert written() == before


@pytest.mark.parametrize("name", ["step-paper.json", "layers-paper.json"])
def test_a_benchmark_that_was_stopped_is_refused(results, capsys, name):
    whole = step_report(tinynet=[1]) if name == "step-paper.json" else layers_report()
    save(name, whole | {"complete": False})
    assert readme.main([]) == 3
    assert f"{name} is not complete" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"options": 3}'])
def test_a_file_that_is_no_report_is_refused(results, capsys, text):
    (results / "scaling.json").write_text(text)
    assert readme.main([]) == 3
    error = capsys.readouterr().err
    assert "benchmarks/results/scaling.json is no report in JSON" in error
    assert "python -m benchmarks.scaling --json benchmarks/results/scaling.json" in error


@pytest.mark.parametrize(
    "change", [{"threads": 1}, {"processor": "Another"}, {"numba": "0.62.0"}, {"blas": ["MKL"]}]
)
def test_results_of_two_machines_do_not_mix(results, capsys, change):
    save("step-paper.json", step_report(tinynet=[1]))
    other = step_report("inference-1.json", tinynet=[1]) | {"machine": MACHINE | change}
    save("inference-1.json", other)
    assert readme.main([]) == 3
    error = capsys.readouterr().err
    assert "inference-1.json is of" in error and "step-paper.json of" in error
    assert str(*change.values()).strip("[']") in error


# --- the picture, and --check ---------------------------------------------------------------------


def test_layers_are_summed_in_milliseconds_without_those_in_error():
    assert layer_bars.times(layers_report()) == {
        "conv1": {
            "tinynet": {"forward": 200, "backward": 400},
            "pytorch": {"forward": 300, "backward": 500},
        },
        "update": {"tinynet": {"update": 100}, "pytorch": {"update": 1000}},
    }


def test_the_picture_is_the_same_bit_by_bit_and_drawn_without_pytorch_too(results):
    pytest.importorskip("matplotlib")
    save("layers-paper.json", layers_report())
    pictures = []
    for _ in range(2):
        readme.main([])
        pictures.append((results / "layers-paper.png").read_bytes())
    assert pictures[0] == pictures[1]
    assert "![The time of each layer](benchmarks/results/layers-paper.png)" in written()
    assert "together 700 ms in tinynet, 1,800 ms in PyTorch, eager." in written()
    report = layers_report() | {"pytorch": None}
    for row in report["layers"]:
        row.get("seconds", {}).pop("pytorch", None)
    report["totals"]["all"].pop("pytorch")
    save("layers-paper.json", report)
    assert readme.main([]) == 0
    assert "together 700 ms in tinynet." in written()
    assert (results / "layers-paper.png").read_bytes() != pictures[0]


def test_check_writes_nothing_and_tells_a_difference(results, capsys):
    save("step-paper.json", step_report(tinynet=[1000]))
    before = written()
    assert readme.main(["--check"]) == 1
    assert written() == before
    assert "python -m benchmarks.readme writes" in capsys.readouterr().err
    readme.main([])
    assert readme.main(["--check"]) == 0
    save("step-paper.json", step_report(tinynet=[1001]))
    assert readme.main(["--check"]) == 1


def test_check_sees_a_picture_of_another_result(results):
    pytest.importorskip("matplotlib")
    save("layers-paper.json", layers_report())
    readme.main([])
    assert readme.main(["--check"]) == 0
    report = layers_report()
    report["layers"][0]["seconds"]["tinynet"]["median"] = 0.25  # not in the text: only drawn
    save("layers-paper.json", report)
    assert readme.main(["--check"]) == 1
    readme.main([])
    (results / "layers-paper.png").unlink()
    assert readme.main(["--check"]) == 1


def test_the_readme_of_this_repository_holds_the_figures_of_its_results(capsys):
    assert readme.main(["--check"]) == 0, capsys.readouterr().err
