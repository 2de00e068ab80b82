"""The images that a command is given: files, folders, and lists on standard input."""

import io
import os
import select
import subprocess
import sys

import pytest
from PIL import Image

from alexnet.cli import image_arguments
from alexnet.cli.image_arguments import Faults, image_paths
from alexnet.errors import DataError


def stdin(monkeypatch, content):
    """Standard input with these bytes, as Python opens it."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))


def paths_of(*arguments, null=False):
    """(the paths, the number of faults)."""
    faults = Faults("a test")
    return list(image_paths(arguments, faults, null)), faults.count


@pytest.mark.parametrize("piece", [1, 3, 1 << 16])
@pytest.mark.parametrize(
    ("content", "null", "paths"),
    [
        (b"a.png\nb c.png\n", False, ["a.png", "b c.png"]),
        (b"\n\na.png\n\nb.png", False, ["a.png", "b.png"]),
        (b"a.png\r\n\r\nb.png\r\n", False, ["a.png", "b.png"]),
        (b"\xef\xbb\xbfa.png\nb.png\n", False, ["a.png", "b.png"]),
        (b"-\n a\t.png \n", False, ["./-", " a\t.png "]),
        (b"\xff\xe9.png\n", False, ["\udcff\udce9.png"]),
        (b"a\rb.png\n", False, ["a\rb.png"]),
        (b"a.png\0b\nc.png\0", True, ["a.png", "b\nc.png"]),
        (b"\0a\r\n.png\r\0\0-\0b.png", True, ["a\r\n.png\r", "./-", "b.png"]),
        (b"\xff.png\0", True, ["\udcff.png"]),
        (b"a.png\n", True, ["a.png\n"]),
    ],
)
def test_a_list_on_standard_input_names_its_paths(monkeypatch, content, null, paths, piece):
    monkeypatch.setattr(image_arguments, "PIECE", piece)
    stdin(monkeypatch, content)
    assert paths_of("-", null=null) == (paths, 0)


@pytest.mark.parametrize(
    ("content", "null", "message"),
    [
        (b"", False, "standard input lists no images"),
        (b"\n\r\n\n", False, "standard input lists no images"),
        (b"\0\0", True, "standard input lists no images"),
        (b"a.png\0b.png\0", False, "zero byte; it should list paths, one a line, or with -0"),
    ],
)
def test_a_list_without_paths_is_a_fault(monkeypatch, capsys, content, null, message):
    stdin(monkeypatch, content)
    assert paths_of("-", null=null) == ([], 1)
    assert message in capsys.readouterr().err


def test_paths_before_a_zero_byte_are_answered(monkeypatch, capsys):
    stdin(monkeypatch, b"a.png\nb\0.png\nc.png\n")
    assert paths_of("-") == (["a.png"], 1)


def test_a_closed_or_unreadable_standard_input_is_a_fault(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    assert paths_of("-") == ([], 1)

    class Broken(io.StringIO):
        def readline(self, size):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("sys.stdin", Broken())
    assert paths_of("x.png", "-", "y.png") == (["x.png", "y.png"], 1)
    assert "standard input cannot be read: Input/output error" in capsys.readouterr().err


def test_folders_in_a_list_stand_for_their_images(monkeypatch, tmp_path, capsys):
    for name in ("photos/b.png", "photos/deep/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    (tmp_path / "empty").mkdir()
    stdin(monkeypatch, f"{tmp_path / 'photos'}\n{tmp_path / 'empty'}\nmissing.png\n".encode())
    paths, faults = paths_of("first.png", "-")
    inside = [str(tmp_path / name) for name in ("photos/b.png", "photos/deep/a.png")]
    assert paths == ["first.png", *inside, "missing.png"] and faults == 1  # reading tells the last
    assert "empty holds no images" in capsys.readouterr().err


def test_paths_come_as_they_are_typed():
    """A list from a slow program is not waited for to its end."""
    program = (
        "from alexnet.cli.image_arguments import Faults, image_paths\n"
        "for path in image_paths(['-'], Faults('x')): print(path, flush=True)"
    )
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0) as process:
        for name in (b"a.png\n", b"b.png\n"):
            process.stdin.write(name)
            assert select.select([process.stdout], [], [], 30)[0]
            assert process.stdout.readline() == name
        process.stdin.close()
        assert process.wait() == os.EX_OK


def test_faults_name_the_first_five(capsys):
    faults = Faults("a test")
    for number in range(7):
        faults.add(f"{number}.png", "broken")
    with pytest.raises(DataError, match=r"7 paths were not answered.*4\.png, \.\.\."):
        faults.raise_if_any()
