"""The programs in examples/ run, and their networks learn."""

import re
import runpy

import pytest

from tests.readme_blocks import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"), key=str)


def test_the_examples_are_lenet_and_a_residual_network():
    assert [file.name for file in EXAMPLES] == ["lenet.py", "residual.py"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_learns_its_images(file, capsys):
    runpy.run_path(str(file), run_name="__main__")
    *lines, last = capsys.readouterr().out.splitlines()
    losses = [float(line.split()[-1]) for line in lines]
    assert losses[-1] < 0.1 < losses[0]
    assert float(re.match(r"[\d.]+", last)[0]) > 95
