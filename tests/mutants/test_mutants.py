"""The list of mistakes fits the code: each text occurs once, each layer has at least three."""

from collections import Counter

import pytest

from tests.mutants.__main__ import KERNELS, MUTANTS, ROOT
from tinynet.backends import contract


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: f"{m.file} {m.mistake}")
def test_a_mutants_text_is_in_its_file_once(mutant):
    text = (ROOT / mutant.path).read_text()
    assert text.count(mutant.old) == 1, mutant.old
    assert mutant.old != mutant.new


def test_every_layer_of_every_backend_has_three_mutants():
    counts = Counter(mutant.file.split(".")[0] for mutant in KERNELS)
    backends = ("numpy", "numba", "cupy")
    files = [f"backends/{backend}/{file}" for backend in backends for file in contract.FILES]
    assert [file for file in files if counts[file] < 3] == []
