"""python -m alexnet.train --backend cupy on two ranks, each with a GPU: on the stand-in."""

import numpy as np
import pytest

from alexnet.weights import checkpoint
from tests.alexnet.parallel.programs import train
from tests.alexnet.small_training import FLAGS, lines, make_images
from tests.conftest import needs_gcc
from tests.oracles.cases import relative_error
from tests.ranks import needs_mpi, on_ranks
from tests.tinynet.parallel.test_nccl import engine

pytestmark = [needs_mpi(), needs_gcc]
STEPS = 3  # one plain, one recorded, one launched again


def train_on_gpus(ranks, argv):
    """The exit code, and the bytes that the sums of the loss sent."""
    with engine(ranks) as nccl:
        code = train(nccl, [*argv, "--backend", "cupy"])
        return code, nccl.traffic.bytes_by_name["loss"]


@pytest.mark.parametrize("norm", [["batch"], ["batch", "--sync-batch-norm"]], ids=["own", "sync"])
def test_recorded_steps_on_gpus_have_the_losses_and_weights_of_processors(norm, tmp_path):
    images = str(make_images(tmp_path / "images"))
    flags = [images, *FLAGS, "--norm", *norm, "--max-steps", str(STEPS), "--watch", "--out"]
    assert on_ranks(2, train, [*flags, str(tmp_path / "processors")]) == [0, 0]
    # 4 bytes each time that Python runs the step: the plain step and the recording.
    assert on_ranks(2, train_on_gpus, [*flags, str(tmp_path / "gpus")]) == [(0, 8.0)] * 2

    ours, theirs = lines(tmp_path / "gpus"), lines(tmp_path / "processors")
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    for line, other in zip(ours, theirs, strict=True):
        for name in line.keys() - {"images_per_second", "watch"}:
            assert np.isclose(line[name], other[name], rtol=1e-4), (line, other)
    # A launched step is counted as a recorded one.
    ours, theirs = (
        {name: layer["sent"] for name, layer in each[-1]["watch"].items() if "sent" in layer}
        for each in (ours, theirs)
    )
    assert ours == pytest.approx(theirs) and "fc8" in ours
    ours, theirs = (
        checkpoint.load(tmp_path / name / "last.npz").model for name in ("gpus", "processors")
    )
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():  # running statistics too
        assert relative_error(array, theirs[name]) < 1e-3, name
