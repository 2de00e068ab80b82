"""What README.md shows holds: its programs run as pasted, its commands, files, headings exist."""

import re
from importlib import import_module

import pytest

import alexnet.train
import tinynet as tn
from tests.alexnet.small_training import FLAGS, make_images
from tests.readme_blocks import README, ROOT, blocks

PROGRAMS = blocks("python")
COMMANDS = re.findall(r"python -m ((?:alexnet|benchmarks)[.\w]*)([^`\n&]*)", README)


@pytest.fixture(scope="module")
def folder_with_a_run(tmp_path_factory):
    """A folder in which python -m alexnet.train has run (on a small data set)."""
    folder = tmp_path_factory.mktemp("readme")
    images = make_images(folder / "images")
    out = folder / "runs" / "paper-synthetic-20260101-000000"
    with tn.use_backend("numpy"):
        assert alexnet.train.main([str(images), *FLAGS, "--max-steps", "1", "--out", str(out)]) == 0
    return folder


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: text.splitlines()[-1])
def test_a_program_runs_as_pasted(program, folder_with_a_run, monkeypatch, capsys):
    """Without an error, and each print() that it shows prints a line or more."""
    monkeypatch.chdir(folder_with_a_run)
    exec(compile(program, "README.md", "exec"), {"__name__": "__main__"})
    assert len(capsys.readouterr().out.splitlines()) >= program.count("print(")


def test_the_network_of_ones_own_learns_and_is_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    (program,) = (text for text in PROGRAMS if "nn.Sequential" in text)
    exec(compile(program, "README.md", "exec"), names)
    assert names["loss"].item() < 0.3  # guessing: 0.69
    assert (tmp_path / "model.npz").is_file()


def test_the_new_op_has_the_right_gradient():
    names = {}
    (program,) = (text for text in PROGRAMS if "@op" in text)
    exec(compile(program, "README.md", "exec"), names)
    assert tn.check_gradients(names["softplus"], [names["np"].linspace(-3, 3, 9)]) < 1e-6


@pytest.mark.parametrize(("module", "arguments"), COMMANDS)
def test_a_command_exists_and_has_the_flags_that_are_shown(module, arguments, capsys):
    if module == "alexnet":
        module = "alexnet.__main__"
    with pytest.raises(SystemExit) as end:
        import_module(module).main(["--help"])
    assert end.value.code == 0
    words = capsys.readouterr().out.replace(",", " ").replace("[", " ").split()
    assert [flag for flag in re.findall(r"--[\w-]+", arguments) if flag not in words] == []


def test_the_commands_of_the_readme_are_found():
    assert ("alexnet.train", "") in COMMANDS and len(COMMANDS) > 12


def test_every_link_leads_to_a_file_or_a_heading_of_the_readme():
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
    for target in re.findall(r"\]\(([^)]*)\)", README):
        assert target in anchors or (ROOT / target).is_file(), target


def test_the_lines_of_kernels_that_are_shown_are_lines_of_their_files():
    shown = "".join(blocks("") + blocks("cuda"))
    kernel = r"^(?:#|//) (backends/\S+?\.\w+).*\n((?:(?!#|//).+\n)+)"
    kernels = re.findall(kernel, shown, re.MULTILINE)
    assert [file for file, _ in kernels] == [
        "backends/numpy/relu.py", "backends/numba/relu.py", "backends/cupy/relu.cu",
    ]  # fmt: skip
    for file, lines in kernels:
        source = {line.strip() for line in (ROOT / "tinynet" / file).read_text().splitlines()}
        assert {line.strip() for line in lines.splitlines()} <= source
