"""Damaged checkpoints through every command that reads them: the same answer or an error in words.

A version of the attack with more files: raise FILES.
"""

import json
import os
import random
import shutil
from itertools import islice

import numpy as np
import pytest

import tinynet as tn
from alexnet import evaluate, predict, train
from tests.alexnet.small_training import FLAGS, make_images

pytestmark = pytest.mark.usefixtures("numpy_backend")

FILES = 28
NUMPY = ["--backend", "numpy", "--threads", "1"]


def damaged(whole, arrays, generator):
    """Endless (what was done, bytes of a file)."""
    directory = whole.index(b"PK\x01\x02")
    record = whole.index(b"record.npy")

    def flip(low, high):
        place = generator.randrange(low, high)
        return whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :]

    def overwrite():
        place = generator.choice([0, record, directory, len(whole) - 60]) + generator.randrange(40)
        return whole[:place] + generator.randbytes(4) + whole[place + 4 :]

    while True:
        yield "a bit anywhere", flip(0, len(whole))
        yield "a bit of the first header", flip(0, 200)
        yield "a bit of the record", flip(record, directory)
        yield "a bit of the directory", flip(directory, len(whole))
        yield "cut", whole[: generator.randrange(len(whole))]
        yield "random bytes", overwrite()
        one, other = generator.sample(sorted(arrays), 2)
        yield (
            f"{one} and {other} swapped",
            packed(arrays | {one: arrays[other], other: arrays[one]}),
        )


def packed(arrays):
    tn.save("packed.npz", arrays)
    with open("packed.npz", "rb") as file:
        return file.read()


def test_a_damaged_checkpoint_gives_the_same_answers_or_an_error_with_its_path(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    images = make_images(tmp_path / "images", train=3, val=1)
    flags = [*FLAGS, "--max-steps", "1", "--norm", "batch"]
    assert train.main([str(images), *flags, "--out", "run"]) == 0
    photo = str(images / "val" / "red" / "00.png")

    def answers(content):
        """(exit code, answer, last line of stderr) of the three commands."""
        shutil.rmtree("copy", ignore_errors=True)
        shutil.copytree("run", "copy")
        file = os.path.join("copy", "last.npz")
        with open(file, "wb") as opened:
            opened.write(content)
        capsys.readouterr()
        for main, arguments in (
            (evaluate.main, [file, "--json", *NUMPY]),
            (predict.main, [file, photo, "--json", *NUMPY]),
            (train.main, ["--resume", file, "--max-steps", "2"]),
        ):
            code = main(arguments)
            out, err = capsys.readouterr()
            if main is train.main and code == 0:
                out = {name: array.tobytes() for name, array in tn.load(file).items()}
            yield code, out if code == 0 else None, err.splitlines()[-1:]

    with open(os.path.join("run", "last.npz"), "rb") as file:
        whole = file.read()
    arrays = tn.load(os.path.join("run", "last.npz"))
    assert json.loads(arrays["record"].tobytes())["training"]["step"] == 1
    expected = list(answers(whole))
    assert [code for code, _, _ in expected] == [0, 0, 0]
    refused = 0
    for what, content in islice(damaged(whole, arrays, random.Random(0)), FILES):
        for (code, answer, line), (_, right, _) in zip(answers(content), expected, strict=True):
            assert code == 3 or (code == 0 and answer == right), what
            assert code == 0 or "last.npz" in line[0], what
            refused += code == 3
    assert refused > FILES


def test_weights_whose_outputs_overflow_are_an_error_that_names_the_checkpoint(
    tmp_path, capsys, monkeypatch
):
    """All weights are finite, yet the network's outputs are not."""
    monkeypatch.chdir(tmp_path)
    images = make_images(tmp_path / "images", train=3, val=1)
    assert train.main([str(images), *FLAGS, "--max-steps", "1", "--out", "run"]) == 0
    path = os.path.join("run", "best.npz")
    arrays = tn.load(path)
    record = json.loads(arrays["record"].tobytes()) | {"checksums": {}}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    for name in ("model/conv1.weight", "model/fc8.weight"):
        arrays[name] = np.full_like(arrays[name], 1e38)
    tn.save(path, arrays)
    capsys.readouterr()
    for main, rest in ((predict.main, [str(images / "val/red/00.png")]), (evaluate.main, [])):
        with np.errstate(all="ignore"):
            assert main([path, *rest, "--json", *NUMPY]) == 3
        line = capsys.readouterr().err.splitlines()[-1]
        assert "checkpoint run/best.npz: " in line and ("not finite" in line or "nan" in line)
