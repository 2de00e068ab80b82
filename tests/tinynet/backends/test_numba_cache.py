"""The kept machine code of kernels: damaged files, folders that cannot be written."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import tinynet
from tinynet.backends.numba import cache

PACKAGE = pathlib.Path(tinynet.__file__).parent

# Two kernels, one of them parallel. Prints what they compute and how many were compiled.
SCRIPT = """
import importlib
import numpy as np
import tinynet as tn

assert "numba" in tn.available_backends()
tn.use_backend("numba")
x = tn.Tensor(np.array([[-1, 2, 3]], np.float32))
print(tn.relu(x).numpy().tolist(), tn.linear(x, tn.Tensor(np.ones((2, 3), np.float32))).numpy())
files = [importlib.import_module("tinynet.backends.numba." + name) for name in ("relu", "linear")]
kernels = [files[0]._relu, files[1]._dot_products]
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels))
"""
NUMBERS = "[[0.0, 2.0, 3.0]] [[4. 4.]]"


def run(folder, package=PACKAGE, script=SCRIPT, **variables):
    """The last line of stdout and all of stderr of a process whose kernels lie in the folder."""
    process = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(package.parent), "NUMBA_CACHE_DIR": str(folder),
             "PYTHONDONTWRITEBYTECODE": "1", **variables},
        cwd=package.parent, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    numbers, last = process.stdout.strip().split("\n")
    assert numbers == NUMBERS
    return int(last), process.stderr


@pytest.fixture
def folder(tmp_path):
    """A folder with the machine code of both kernels."""
    assert run(tmp_path) == (2, "")
    assert len(files_of(tmp_path)) == 2
    return tmp_path


def files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_damaged_files_are_reported_in_one_line_passed_over_and_made_anew(folder):
    first, second = files_of(folder)
    content = first.read_bytes()
    first.write_bytes(content[: len(content) // 2])
    second.write_bytes(bytes(second.stat().st_size))
    compiled, stderr = run(folder)
    assert compiled == 2
    assert stderr.count("\n") == 1 and "its checksum is wrong" in stderr and str(folder) in stderr
    assert run(folder) == (0, "")


KEY = (("float32", "float64"), ("a processor",), ("a hash",))


@pytest.fixture
def saved(tmp_path):
    """The files of a kernel of which one is saved, and its path."""
    files = cache._Files(str(tmp_path), "kernel", "the source's stamp")
    files.save(KEY, ["machine code"])
    (path,) = files_of(tmp_path)
    return files, path


def test_every_cut_and_every_wrong_bit_is_seen(saved, monkeypatch):
    reported = []
    monkeypatch.setattr(cache, "_say_damaged", lambda path, reason: reported.append(path))
    files, path = saved
    content = path.read_bytes()
    damaged = [content[:length] for length in range(len(content))]
    for place in range(8 * len(content)):
        number = int.from_bytes(content, "little") ^ 1 << place
        damaged.append(number.to_bytes(len(content), "little"))
    damaged += [bytes(len(content)), content + b"x", b"words"]
    for wrong in damaged:
        path.write_bytes(wrong)
        assert files.load(KEY) is None
    assert reported == [str(path)] * len(damaged)
    files.save(KEY, ["machine code"])
    assert files.load(KEY) == ["machine code"]


def test_the_machine_code_of_another_source_processor_or_argument_is_not_taken(saved, capsys):
    files, path = saved
    assert files.load(KEY) == ["machine code"]
    types, processor, code = KEY
    for key in [(types[1:], processor, code), (types, ("x",), code), (types, processor, ("x",))]:
        assert files.load(key) is None
    later = cache._Files(str(path.parent), "kernel", "another stamp")
    assert later.load(KEY) is None
    later.save(KEY, ["new"])  # in the place of the first
    assert files.load(KEY) is None and later.load(KEY) == ["new"]
    assert files_of(path.parent) == [path]
    assert capsys.readouterr().err == ""


def test_a_file_that_cannot_be_read_is_reported_and_passed_over(saved, capsys, monkeypatch):
    monkeypatch.setattr(cache, "_said", set())
    files, path = saved
    path.unlink()
    path.mkdir()
    assert files.load(KEY) is None
    assert files.load(KEY) is None
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(path) in error and "directory" in error.lower()


def test_a_temporary_file_of_a_process_that_was_killed_does_no_harm(saved):
    files, path = saved
    path.with_name(path.name + ".0123456789abcdef").write_bytes(b"cut sho")
    assert files.load(KEY) == ["machine code"]


@pytest.fixture
def copied(tmp_path):
    """A copy of the package whose folders cannot hold a __pycache__: a file has its place."""
    package = tmp_path / "copy/tinynet"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "backends/numba/__pycache__").write_text("in the way of the folder")
    return package


def test_without_a_folder_kernels_are_compiled_and_one_line_says_so(copied, tmp_path):
    (tmp_path / "file").write_text("")  # no folder can be made inside it
    inside = str(tmp_path / "file/folder")
    compiled, stderr = run(inside, copied, HOME=inside, XDG_CACHE_HOME=inside)
    assert compiled == 2
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("tinynet: ") and "set NUMBA_CACHE_DIR" in stderr


def test_a_package_that_cannot_be_written_keeps_its_kernels_in_the_users_folder(copied, tmp_path):
    variables = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "users")}
    assert run("", copied, **variables) == (2, "")
    assert len(files_of(tmp_path / "users")) == 2
    assert run("", copied, **variables) == (0, "")


def test_a_full_disk_is_reported_in_one_line_and_the_kernels_still_compute(tmp_path):
    script = "import os\n" + SCRIPT.replace(
        'tn.use_backend("numba")',
        """tn.use_backend("numba")
def full(*paths):
    raise OSError(28, "No space left on device")
from tinynet.backends.numba import cache
cache.os.replace = full
""",
    )
    compiled, stderr = run(tmp_path, script=script)
    assert compiled == 2
    assert stderr.count("\n") == 1 and "No space left on device" in stderr
    assert files_of(tmp_path) == []


def test_an_edit_to_a_file_that_all_kernels_use_is_seen(tmp_path):
    package = tmp_path / "copy/tinynet"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "kernels"
    assert run(folder, package) == (2, "")
    source = package / "backends/numba/blas.py"
    source.write_text(source.read_text() + "\n")
    assert run(folder, package) == (2, "")
    assert len(files_of(folder)) == 2


def test_without_compilation_the_kernels_are_plain_functions():
    script = f"""
import numpy as np, tinynet as tn
tn.use_backend("numba")
assert tn.relu(tn.Tensor(np.array([-1, 2.0]))).numpy().tolist() == [0, 2]
print({NUMBERS!r}); print(0)
"""
    assert run("", script=script, NUMBA_DISABLE_JIT="1") == (0, "")
