"""python -m alexnet.train on several ranks, as a whole: log, checkpoints, resuming."""

import json
import re

import numpy as np
import pytest

import tinynet as tn
from alexnet import prepare
from alexnet.weights import checkpoint
from tests.alexnet.parallel.programs import error_of_train, said_by_train, train
from tests.alexnet.small_training import FLAGS, assert_same_run, lines
from tests.ranks import needs_mpi, on_ranks

pytestmark = needs_mpi()


def start(size, images, out, *flags):
    """A run on `size` ranks, which must end with code 0 on each."""
    assert on_ranks(size, train, [images, *FLAGS, "--out", str(out), *flags]) == [0] * size
    return out


def go_on(size, out, *flags):
    assert on_ranks(size, train, ["--resume", str(out), *flags]) == [0] * size


def assert_same_to_rounding(folder, expected):
    """The figures of two logs, and the weights, are the same to float32's rounding."""
    ours, theirs = lines(folder), lines(expected)
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    for line, other in zip(ours, theirs, strict=True):
        for name in line.keys() - {"images_per_second"}:
            assert np.isclose(line[name], other[name], rtol=2e-4), (line, other)
    saved, other = (checkpoint.load(each / "last.npz") for each in (folder, expected))
    for name, array in saved.model.items():
        assert np.allclose(array, other.model[name], atol=2e-5), name


@pytest.mark.parametrize("size", [2, 3])
def test_a_run_on_ranks_is_the_run_of_one_process_to_rounding(images, unbroken, size, tmp_path):
    out = start(size, images, tmp_path / "run")
    assert_same_to_rounding(out, unbroken)
    assert json.loads((out / "options.json").read_text()) == json.loads(
        (unbroken / "options.json").read_text()
    )
    assert {path.name for path in out.iterdir()} == {path.name for path in unbroken.iterdir()}


def test_runs_repeat_bit_by_bit_and_go_on_where_they_stopped(images, tmp_path):
    whole = start(2, images, tmp_path / "whole")
    parts = start(2, images, tmp_path / "parts", "--max-steps", "6")
    assert len(lines(parts)) < len(lines(whole))
    go_on(2, parts)
    assert_same_run(whole, parts)


def test_a_run_goes_on_with_another_number_of_ranks(images, unbroken, tmp_path):
    out = start(2, images, tmp_path / "run", "--max-steps", "3")
    go_on(4, out, "--max-steps", "7")
    go_on(1, out)
    assert_same_to_rounding(out, unbroken)


@pytest.mark.parametrize(
    "size, way",
    [(2, ["towers"]), (3, ["owt"]), (2, ["owt", "--owt-scheme", "b"]),
     (3, ["owt", "--owt-scheme", "c"])],
)  # fmt: skip
def test_a_divided_network_trains_as_one_process(images, way, size, tmp_path):
    # 6 images a batch divide among 2 and 3 ranks.
    flags = ["--batch-size", "6", "--max-steps", "5", "--freeze", "conv2"]
    expected = start(1, images, tmp_path / "one", *flags)
    out = start(size, images, tmp_path / "run", *flags, "--parallel", *way)
    assert_same_to_rounding(out, expected)


def test_a_run_changes_its_way_and_goes_on(images, unbroken, tmp_path):
    out = start(2, images, tmp_path / "run", "--parallel", "towers", "--max-steps", "3")
    go_on(2, out, "--parallel", "owt", "--max-steps", "7")
    go_on(3, out, "--max-steps", "9")
    go_on(1, out)
    assert_same_to_rounding(out, unbroken)


@pytest.mark.parametrize(
    "size, flags, message",
    [
        (1, ["--parallel", "towers"], "mpiexec -n 2"),
        (1, ["--parallel", "owt"], "mpiexec -n 4"),
        (2, ["--parallel", "data", "--owt-scheme", "b"], "goes with --parallel owt"),
        (3, ["--parallel", "towers"], "3 ranks; 2 ranks fit"),
        (2, ["--parallel", "towers", "--spec", "torchvision"], "one tower"),
        (3, ["--parallel", "owt"], "a multiple of 3 fits --batch-size"),
        (2, ["--batch-size", "1"], "1 or fewer"),
        (2, ["--sync-batch-norm"], "no batch normalisation"),
        (2, ["--lr-find"], "start it without mpiexec"),
        (2, ["--parallel", "owt", "--cuda-graph"], "leave one of them out"),
    ],
)
def test_what_does_not_fit_is_an_error_on_every_rank(images, flags, message, size, tmp_path):
    argv = [images, *FLAGS, "--out", str(tmp_path / "run"), *flags]
    for said in on_ranks(size, error_of_train, argv):
        assert message in said
    assert not (tmp_path / "run").exists()


def test_running_statistics_are_one_set_in_the_checkpoint(images, tmp_path):
    whole = start(2, images, tmp_path / "whole", "--norm", "batch")
    parts = start(2, images, tmp_path / "parts", "--norm", "batch", "--max-steps", "5")
    go_on(2, parts)
    assert_same_run(whole, parts)


def test_all_ranks_of_a_host_read_one_pack(images, unbroken, tmp_path):
    pack = tmp_path / "pack"
    assert prepare.main([images, str(pack), "--size", "76"]) == 0  # as they are read for 67
    out = start(3, str(pack), tmp_path / "run")
    assert_same_to_rounding(out, unbroken)


def test_watch_tells_the_bytes_that_each_layer_sends(images, tmp_path):
    out = start(3, images, tmp_path / "run", "--max-steps", "2", "--watch")
    saved = checkpoint.load(out / "last.npz").model
    figures = [line["watch"] for line in lines(out) if "watch" in line][-1]
    sent = {name: layer["sent"] for name, layer in figures.items() if "sent" in layer}
    expected = {}
    for name, array in saved.items():
        layer = name.rpartition(".")[0]
        expected[layer] = expected.get(layer, 0) + 2 * 2 / 3 * array.nbytes
    assert sent.keys() == expected.keys()
    assert all(np.isclose(sent[name], expected[name]) for name in sent)


@pytest.mark.parametrize("size, way", [(2, "towers"), (3, "owt")])
def test_watch_tells_weights_and_updates_of_a_divided_network(images, way, size, tmp_path):
    flags = ["--batch-size", "6", "--max-steps", "3", "--watch", "--freeze", "conv2"]
    one = start(1, images, tmp_path / "one", *flags)
    out = start(size, images, tmp_path / "run", *flags, "--parallel", way)
    ours, theirs = (
        [line["watch"] for line in lines(folder) if "watch" in line][-1] for folder in (out, one)
    )
    assert "sent" in ours["fc7"] and "update" in ours["fc7"]
    for layer, figures in theirs.items():
        assert ours[layer].keys() - {"sent"} == figures.keys()
        for name, number in figures.items():
            if way == "towers" or name in ("weight", "bias", "update", "bias_update", "ratio"):
                assert np.isclose(ours[layer][name], number, rtol=1e-3), (layer, name)


@pytest.mark.parametrize(
    "size, flags", [(2, []), (3, []), (2, ["--parallel", "towers"]),
                    (3, ["--parallel", "owt", "--batch-size", "6"])]
)  # fmt: skip
def test_a_dry_run_measures_all_ranks_and_leaves_nothing(images, size, flags, tmp_path):
    argv = [images, *FLAGS, "--out", str(tmp_path / "new" / "run"), *flags, "--dry-run"]
    (code, said), *others = on_ranks(size, said_by_train, argv)
    assert code == 0 and all(each == 0 for each, _ in others)
    assert re.search(rf"sent [\d.]+ MB a step by each of {size} ranks", said)
    assert re.search(r"last.npz [\d.]+ MB, written in", said)
    for rank in range(size):
        assert re.search(rf"rank {rank} on \S+: at most [\d.]+ .B in this process", said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("way", ["data", "towers", "owt"])
def test_a_dry_run_tells_what_a_rank_sends_in_a_step(images, way, tmp_path):
    argv = [images, *FLAGS, "--parallel", way, "--out", str(tmp_path / "run")]
    (_, said), _ = on_ranks(2, said_by_train, [*argv, "--dry-run"])
    out = start(2, images, tmp_path / "run", "--parallel", way, "--max-steps", "2", "--watch")
    layers = next(line["watch"] for line in lines(out) if "watch" in line)
    nbytes = sum(figures.get("sent", 0) for figures in layers.values())
    assert f"sent {nbytes / 1e6:.2f} MB a step by each of 2 ranks" in said


@pytest.fixture(autouse=True)
def same_backend(backend_as_before):
    yield
    assert type(tn.parallel.start()) is tn.parallel.Single
