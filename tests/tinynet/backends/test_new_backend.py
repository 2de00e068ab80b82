"""The README's steps for a new backend, followed in a copy of the repository."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.readme_blocks import ROOT, blocks

COPY_LINE, TEST_LINE = (block.strip() for block in blocks("sh", "How to add a backend"))
# A part of the tests, since the whole takes long.
PART = TEST_LINE.replace("my_backend", "'my_backend and (relu and formulas or contract)'")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A copy of the repository with a backend my_backend, made by the README's steps."""
    folder = tmp_path_factory.mktemp("repository")
    for part in ("tinynet", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, folder)
    subprocess.run(COPY_LINE, shell=True, cwd=folder, check=True)
    edit(folder / "tinynet/backends/__init__.py", "NAMES = (", 'NAMES = ("my_backend", ')
    return folder


def edit(file, old, new):
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def run(line, folder):
    """The process of a shell line in the copy, with this Python."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    line = line.replace("python ", f"{sys.executable} ", 1)
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )


def test_a_new_backend_passes_and_a_spoilt_kernel_of_it_fails(repository):
    process = run(PART, repository)
    assert process.returncode == 0, process.stdout
    assert " passed" in process.stdout

    kernels = repository / "tinynet/backends/my_backend"
    edit(kernels / "relu.py", "np.maximum(x, 0, out=y)", "np.minimum(x, 0, out=y)")
    edit(kernels / "tanh.py", "def tanh(x, y):", "def tanh(x, y, more=None):")
    process = run(PART, repository)
    assert process.returncode == 1
    failed = [line for line in process.stdout.splitlines() if line.startswith("FAILED")]
    assert any("test_output_and_gradients_are_the_formulas[my_backend" in line for line in failed)
    assert any("test_a_backend_has_the_kernels" in line for line in failed)


def test_a_backend_that_lacks_a_kernel_is_an_error_not_one_that_cannot_be_used(
    repository,
):
    folder = repository / "tinynet/backends/unfinished"
    shutil.copytree(ROOT / "tinynet/backends/numpy", folder)
    edit(folder / "tanh.py", "def tanh(", "def tanh_of_mine(")
    program = (
        "import tinynet as tn; from tinynet import backends; "
        "backends.NAMES += ('unfinished',); print(tn.available_backends())"
    )
    process = run(f'python -c "{program}"', repository)
    assert process.returncode == 1 and process.stdout == ""
    assert "cannot import name 'tanh' from 'tinynet.backends.unfinished.tanh'" in process.stderr


@pytest.mark.parametrize("copied", ["numpy", "numba"])
def test_a_copy_of_a_backend_has_its_folders_name_and_its_own_kernels(repository, copied):
    pytest.importorskip(copied)
    name = f"copy_of_{copied}"
    shutil.copytree(ROOT / "tinynet/backends" / copied, repository / "tinynet/backends" / name)
    program = (
        "import sys, tinynet as tn; from tinynet import backends; "
        f"backends.NAMES += ('{name}',); tn.use_backend('{name}'); "
        "print(tn.Tensor([1.0]).backend, tn.get_backend().conv2d.__module__, "
        f"[module for module in sys.modules if module.startswith('tinynet.backends.{copied}')])"
    )
    process = run(f'python -c "{program}"', repository)
    assert process.stdout == f"{name} tinynet.backends.{name}.conv2d []\n", process.stderr


@pytest.mark.parametrize("name", ["numpy", "numba", "cupy"])
def test_a_backend_imports_its_own_files_by_relative_names(name):
    for file in (ROOT / "tinynet/backends" / name).rglob("*.py"):
        assert f"tinynet.backends.{name}" not in file.read_text(), file
