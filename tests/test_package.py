"""The wheel: what is in it besides the modules, and its page on a package index."""

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from alexnet.explore import PROGRAM

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE", "tinynet", "alexnet")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the repository, as an open ZipFile."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools >= 77 builds the wheel")
    folder = tmp_path_factory.mktemp("package")
    for part in PARTS:
        if (ROOT / part).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        else:
            shutil.copy(ROOT / part, folder)
    program = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, check=True,
        capture_output=True,
    )  # fmt: skip
    (path,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def metadata(wheel, file):
    (name,) = (name for name in wheel.namelist() if name.endswith(f".dist-info/{file}"))
    return wheel.read(name).decode()


def test_the_wheel_holds_every_module_kernel_and_marker_of_types(wheel):
    files = {
        str(file.relative_to(ROOT))
        for package in ("tinynet", "alexnet")
        for file in (ROOT / package).rglob("*")
        if file.suffix in (".py", ".cu", ".cuh", ".typed")
    }
    files |= {f"alexnet/inside/page/{name}" for name in PROGRAM}
    assert {"tinynet/py.typed", "alexnet/py.typed"} <= files
    assert files == {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_script_alexnet_is_python_m_alexnet(wheel):
    assert "alexnet = alexnet.__main__:main" in metadata(wheel, "entry_points.txt").splitlines()


def test_the_page_on_a_package_index_is_the_readme_without_links_that_lead_nowhere(wheel):
    message = email.message_from_string(metadata(wheel, "METADATA"))
    page, readme = message.get_payload(), (ROOT / "README.md").read_text(encoding="utf-8")
    assert page.splitlines()[0] == readme.splitlines()[0]
    assert all(t.startswith(("http://", "https://")) for t in re.findall(r"\]\(([^)]*)\)", page))
    targets = re.findall(r"\]\(([^)]*)\)", readme)
    files = [t for t in targets if not t.startswith(("http://", "https://", "#"))]
    assert files and all(f"`{file}`" in page for file in files)
    assert "Typing :: Typed" in message.get_all("Classifier")
