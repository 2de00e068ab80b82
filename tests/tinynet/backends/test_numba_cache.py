"""The kept machine code of kernels: damaged files, folders that cannot be written."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

import tinynet

PACKAGE = pathlib.Path(tinynet.__file__).parent

# Two kernels, one of them parallel. Prints what they compute and how many were compiled.
SCRIPT = """
import importlib
import numpy as np
import tinynet as tn

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
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    numbers, last = process.stdout.strip().split("\n")
    assert numbers == NUMBERS
    return int(last), process.stderr


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A folder with the machine code of both kernels."""
    folder = tmp_path_factory.mktemp("kernels")
    assert run(folder) == (2, "")
    assert len(files_of(folder)) == 2
    return folder


@pytest.fixture
def folder(full, tmp_path):
    return shutil.copytree(full, tmp_path / "kernels")


def files_of(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def test_the_second_process_compiles_nothing(folder):
    assert run(folder) == (0, "")


def zeroed(content):
    return bytes(len(content))


def zeros_at_the_end(content):
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2)


def one_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


DAMAGES = {
    **{f"cut to {length}": lambda content, n=length: content[:n] for length in (0, 1, 31, 64, 99)},
    "without its last byte": lambda content: content[:-1],
    "cut in the middle": lambda content: content[: len(content) // 2],
    "zeros": zeroed,
    "zeros at the end": zeros_at_the_end,
    "one bit": one_bit,
    "words": lambda content: b"not machine code",
    "a longer file": lambda content: content + b"x",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_reported_in_one_line_passed_over_and_made_anew(damage, folder):
    for path in files_of(folder):
        path.write_bytes(DAMAGES[damage](path.read_bytes()))
    compiled, stderr = run(folder)
    assert compiled == 2
    assert stderr.count("\n") == 1 and "damaged" in stderr and str(folder) in stderr
    assert run(folder) == (0, "")


def test_a_folder_in_the_place_of_a_file_is_reported_and_passed_over(folder):
    for path in files_of(folder):
        path.unlink()
        path.mkdir()
    compiled, stderr = run(folder)
    assert compiled == 2
    assert "Is a directory" in stderr and "Traceback" not in stderr


def test_a_temporary_file_of_a_process_that_was_killed_does_no_harm(folder):
    for path in files_of(folder):
        path.with_name(path.name + ".0123456789abcdef").write_bytes(b"cut sho")
    assert run(folder) == (0, "")


@pytest.fixture
def copied(tmp_path):
    """A copy of the package whose folders cannot hold a __pycache__: a file has its place."""
    package = tmp_path / "copy/tinynet"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "backends/numba/__pycache__").write_text("in the way of the folder")
    return package


def test_without_a_folder_kernels_are_compiled_and_one_line_says_so(copied, tmp_path):
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file/home")  # no folder can be made inside a file
    for cache in ("", tmp_path / "file/cache", tmp_path / "file"):
        compiled, stderr = run(cache, copied, HOME=home, XDG_CACHE_HOME=home)
        assert compiled == 2
        assert stderr.count("\n") == 1, stderr
        assert stderr.startswith("tinynet: ") and "set NUMBA_CACHE_DIR" in stderr


def test_without_a_folder_the_backend_is_available(copied, tmp_path):
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file/home")
    script = (
        f"import tinynet as tn; print({NUMBERS!r}); print(int('numba' in tn.available_backends()))"
    )
    count, stderr = run("", copied, script, HOME=home, XDG_CACHE_HOME=home)
    assert count == 1 and stderr.count("\n") == 1


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


@pytest.mark.parametrize("file", ["blas.py", "relu.py"])
def test_an_edit_to_a_kernels_file_or_to_a_file_that_all_kernels_use_is_seen(file, tmp_path):
    package = tmp_path / "copy/tinynet"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    cache = tmp_path / "kernels"
    assert run(cache, package) == (2, "")
    source = package / "backends/numba" / file
    source.write_text(source.read_text() + "\n")
    assert run(cache, package) == (2 if file == "blas.py" else 1, "")
    assert len(files_of(cache)) == 2


def test_without_compilation_the_kernels_are_plain_functions():
    script = f"""
import numpy as np, tinynet as tn
tn.use_backend("numba")
assert tn.relu(tn.Tensor(np.array([-1, 2.0]))).numpy().tolist() == [0, 2]
print({NUMBERS!r}); print(0)
"""
    assert run("", script=script, NUMBA_DISABLE_JIT="1") == (0, "")
