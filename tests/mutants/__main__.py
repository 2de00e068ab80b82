"""Plant each known mistake in a copy of the code, and fail if the tests do not see it.

A mutant is one change of one file, such as the stride of the wrong axis, a missing 1 / n, a window
too wide or a lost NaN. A kernel's mutant is tried on the tests of its layer and backend in float64.
The Numba kernels of the other files come from the copy's compilation cache.

    python -m tests.mutants                 all of them, two at a time
    python -m tests.mutants --only numba/conv2d
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.mutants.cupy import CUPY
from tests.mutants.engine import ENGINE
from tests.mutants.numba import NUMBA
from tests.mutants.numpy import NUMPY
from tests.mutants.parallel import PARALLEL

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("tinynet", "alexnet", "tests", "pyproject.toml", "setup.cfg")
FLOAT64 = "not float32 and not slopes"
# Layers that have a test file of their own besides ops/test_layers.py.
OWN_TESTS = (
    "conv2d winograd dropout local_response_norm same_map_norm batch_norm max_pool2d "
    "softmax_cross_entropy"
).split()


# Code that several layers share -> the layers whose tests must see its mistakes.
SHARED = {
    "sums": "(conv2d or sums or batch_norm)",
    "elements": "(relu or max_pool2d)",
    "philox": "dropout",
    "powers": "(local_response_norm or same_map_norm)",
    "windows": "(max_pool2d or avg_pool2d)",
}


@dataclass(frozen=True)
class Mutant:
    """file      the path under tinynet/
    mistake   the mistake in words
    old, new  the correct text and the text that replaces it
    tests     pytest's arguments
    """

    file: str
    mistake: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def path(self):
        return f"tinynet/{self.file}"


def tests_of(backend, file):
    """pytest's arguments for the tests of one layer's file on one backend, in float64."""
    layer = Path(file).stem
    words = f"{'cupy-host' if backend == 'cupy' else backend} and {FLOAT64}"
    layer = SHARED.get(layer, layer)
    if layer == "sgd":
        return ("tests/tinynet/test_optim.py", "-k", words)
    layer = layer.removesuffix("_weights")
    own = (f"tests/tinynet/ops/test_{layer}.py",) if layer in OWN_TESTS else ()
    if "sums" in layer:
        own = ("tests/tinynet/ops/test_sums.py",)
    if backend == "cupy":
        own += ("tests/tinynet/backends/cupy/test_kernels.py",)
    name = "softmax" if layer == "softmax_cross_entropy" else layer
    return ("tests/tinynet/ops/test_layers.py", *own, "-k", f"{name} and {words}")


KERNELS = [
    Mutant(f"backends/{backend}/{file}", *mistake, tests_of(backend, file))
    for backend, files in (("numpy", NUMPY), ("numba", NUMBA), ("cupy", CUPY))
    for file, mistakes in files.items()
    for mistake in mistakes
]
MUTANTS = KERNELS + [
    Mutant(file, *mistake, tuple(tests))
    for file, (tests, mistakes) in [*ENGINE.items(), *PARALLEL.items()]
    for mistake in mistakes
]


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--only", default="", help="mutants whose file has this in its name")
    parser.add_argument("--processes", type=int, default=2, help="how many at a time (%(default)s)")
    options = parser.parse_args(arguments)
    mutants = [mutant for mutant in MUTANTS if options.only in mutant.file]
    if not mutants:
        parser.error(f"--only {options.only}: no mutant's file has this in its name")
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        base = Path(folder) / "base"
        copy_tree(ROOT, base)
        check_base(base, mutants)
        with ThreadPoolExecutor(options.processes) as pool:
            outcomes = list(pool.map(lambda mutant: attempt(mutant, base), mutants))
    seen = outcomes.count("seen")
    minutes = (time.perf_counter() - start) / 60
    print(f"{seen} of {len(mutants)} mistakes seen by the tests, in {minutes:.1f} minutes")
    return 0 if seen == len(mutants) else 1


def copy_tree(source, target):
    """Copy the code and its tests. The files keep their dates, because caches depend on them."""
    target.mkdir()
    for name in COPIED:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        elif (source / name).exists():
            shutil.copy2(source / name, target / name)


def check_base(base, mutants):
    """Check that the tests pass without a mistake. This also fills the compilation cache."""
    files = {test for mutant in mutants for test in mutant.tests if test.startswith("tests/")}
    result = run_tests(base, [*sorted(files), "-k", FLOAT64])
    if result.returncode:
        raise SystemExit(f"the tests fail without a mistake:\n{result.stdout}{result.stderr}")


def attempt(mutant, base):
    """Returns "seen" if the tests fail, "MISSED" if they pass, "BROKEN" if they do not run."""
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=base.parent) as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(base, copy)
        path = copy / mutant.path
        text = path.read_text()
        if text.count(mutant.old) != 1:
            outcome = "BROKEN"
        else:
            path.write_text(text.replace(mutant.old, mutant.new))
            code = run_tests(copy, mutant.tests).returncode
            outcome = {0: "MISSED", 1: "seen"}.get(code, "BROKEN")
    print(f"{outcome:<6}  {mutant.file:<41}  {mutant.mistake}", flush=True)
    return outcome


def run_tests(folder, tests):
    """Run pytest in this folder, on the folder's own code, up to the first failure."""
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"}
    environment["PYTHONPATH"] = str(folder)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--import-mode=importlib"]
    command += ["-p", "no:cacheprovider", *tests]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )


if __name__ == "__main__":
    sys.exit(main())
