"""The notebooks in examples/ run in an empty folder, and print what is stored in them.

The output of a cell with the tag "varies" (a training, its times) is not compared, only that there
is one. Pictures are counted, not compared: matplotlib draws them a little differently in each
version.
"""

import copy

import pytest

from tests.readme_blocks import ROOT

REASON = "nbconvert and ipykernel run the notebooks"
nbformat = pytest.importorskip("nbformat", reason=REASON)
preprocessors = pytest.importorskip("nbconvert.preprocessors", reason=REASON)
pytest.importorskip("ipykernel", reason=REASON)

FILES = sorted((ROOT / "examples").glob("*.ipynb"), key=str)
MOST_BYTES = 300_000  # of a notebook with its pictures


def test_the_notebooks_are_a_convolution_the_layers_and_photos():
    assert [file.stem for file in FILES] == [
        "a_convolution_by_hand", "alexnet_layer_by_layer", "your_photos_in_five_minutes",
    ]  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_prints_what_is_stored_in_it(file, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    stored = nbformat.read(file, as_version=4)
    done = copy.deepcopy(stored)
    run = preprocessors.ExecutePreprocessor(timeout=400, kernel_name="python3")
    run.preprocess(done, {"metadata": {"path": str(tmp_path)}})
    assert list(tmp_path.iterdir()) == []
    for before, after in zip(code(stored), code(done), strict=True):
        assert pictures(after) == pictures(before), before.source
        if "varies" in before.metadata.get("tags", []):
            assert bool(text(after)) == bool(text(before)), before.source
        else:
            assert text(after) == text(before), before.source


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_notebook_is_stored_with_small_pictures_after_one_run(file):
    assert file.stat().st_size < MOST_BYTES
    cells = code(nbformat.read(file, as_version=4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sum(map(pictures, cells)) >= 4
    for cell in cells:
        assert all(output.get("name") != "stderr" for output in cell.outputs), cell.source


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(cell):
    """What the cell printed, which may be stored in several pieces."""
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def pictures(cell):
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)
