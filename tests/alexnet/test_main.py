"""python -m alexnet, which is also the script alexnet: what there is, the version, a command."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import alexnet
import tinynet as tn
from alexnet.__main__ import COMMANDS, main

VERSION = f"tinynet-alexnet {tn.__version__}\n"
MODULES = ["alexnet.__main__", *(f"alexnet.{name}" for name in COMMANDS), "alexnet.data.synthetic"]


def test_without_a_command_it_names_every_command_in_a_line(capsys):
    assert main([]) == 0
    text = capsys.readouterr().out
    for name, what in COMMANDS.items():
        assert f"\n  {name:10}{what}\n" in text
    assert "--version" in text


def test_every_module_that_runs_as_a_command_is_named():
    files = Path(alexnet.__file__).parent.glob("[!_]*.py")
    assert set(COMMANDS) == {file.stem for file in files if "__main__" in file.read_text()}


def test_a_command_gets_the_arguments_after_its_name(capsys):
    arguments = ["--spec", "cifar10", "--json"]
    assert main(["summary", *arguments]) == 0
    text = capsys.readouterr().out
    assert import_module("alexnet.summary").main(arguments) == 0
    assert capsys.readouterr().out == text


def test_a_commands_help_and_exit_code_are_its_own(capsys):
    with pytest.raises(SystemExit) as help_asked:
        main(["predict", "--help"])
    assert help_asked.value.code == 0
    assert "usage: python -m alexnet.predict" in capsys.readouterr().out
    assert main(["predict", "no-such-file.npz", "no-such-image.jpg", "--backend", "numpy"]) == 3


def test_a_command_that_does_not_exist_exits_with_2_and_the_names_of_those_that_do(capsys):
    with pytest.raises(SystemExit) as end:
        main(["trian"])
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "'trian'" in last and all(name in last for name in COMMANDS)


@pytest.mark.parametrize("module", MODULES)
def test_every_command_says_its_version(module, capsys):
    with pytest.raises(SystemExit) as end:
        import_module(module).main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == VERSION


def test_it_runs_with_python_m():
    command = [sys.executable, "-m", "alexnet", "summary", "--version"]
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, VERSION)
