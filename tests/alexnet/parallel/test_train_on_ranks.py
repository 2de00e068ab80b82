"""python -m alexnet.train on several ranks, as a whole: log, checkpoints, resuming."""

import json

import numpy as np
import pytest

import tinynet as tn
from alexnet.weights import checkpoint
from tests.alexnet.parallel.programs import train
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


def test_running_statistics_are_one_set_in_the_checkpoint(images, tmp_path):
    whole = start(2, images, tmp_path / "whole", "--norm", "batch")
    parts = start(2, images, tmp_path / "parts", "--norm", "batch", "--max-steps", "5")
    go_on(2, parts)
    assert_same_run(whole, parts)


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


@pytest.fixture(autouse=True)
def same_backend(backend_as_before):
    yield
    assert type(tn.parallel.start()) is tn.parallel.Single
