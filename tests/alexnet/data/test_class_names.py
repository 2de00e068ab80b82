"""Names of classes from a file: every way of writing such a list, and files that are none."""

import os

import pytest

from alexnet.data import class_names
from alexnet.data.class_names import read_class_names
from alexnet.errors import DataError

WNIDS = ["n01440764", "n01443537"]
WORDS = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish"}


@pytest.fixture
def read(tmp_path):
    def read_content(content):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "names.txt").write_bytes(data)
        return read_class_names(tmp_path / "names.txt")

    return read_content


def test_a_plain_list_names_the_classes(read):
    assert read("tench\ngoldfish\n") == (["tench", "goldfish"], {})
    assert read(" tench \n\n\n  great white shark\n") == (["tench", "great white shark"], {})
    assert read("tench") == (["tench"], {})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_marks_of_windows_are_no_part_of_a_name(read, start, end):
    assert read(start + end.join(["tench", "goldfish", ""])) == (["tench", "goldfish"], {})


@pytest.mark.parametrize(
    "text",
    [
        "n01440764 tench, Tinca tinca\nn01443537 goldfish\n",
        "n01440764\ttench, Tinca tinca\nn01443537\tgoldfish\n",
        "0\tn01440764\ttench, Tinca tinca\n1\tn01443537\tgoldfish\n",
        "id\twnid\tname\n0\tn01440764\ttench, Tinca tinca\n1\tn01443537\tgoldfish\n",
        "wnid words\nn01440764  tench, Tinca tinca\nn01443537 goldfish",
    ],
)
def test_a_wnid_is_the_class_and_the_rest_its_name(read, text):
    assert read(text) == (WNIDS, WORDS)


def test_wnids_alone_are_the_classes(read):
    assert read("\n".join(WNIDS)) == (WNIDS, {})


def test_letters_that_split_lines_elsewhere_stay_in_a_name(read):
    names = ["a\x0bb", "c\u2028d", "e\x85f", "\U0001f41f"]
    assert read("\n".join(names)) == (names, {})


def test_a_name_that_stands_twice_gets_the_number_of_its_output(read):
    """ImageNet's names have crane, the bird, and crane, the machine."""
    assert read("crane\nant\ncrane\n")[0] == ["crane (0)", "ant", "crane (2)"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("\n \r\n\n", "is empty"),
        ("n01440764 tench\nn01440764 goldfish", "'n01440764' as class 1 and class 2"),
        ("crane\ncrane\ncrane (0)", r"'crane \(0\)' as class 1 and class 3"),
        ('{"0": ["n01440764", "tench"]}', "is JSON or Python; a name on each line fits"),
        ("{0: 'tench, Tinca tinca',\n 1: 'goldfish'}", "is JSON or Python"),
        (b'["tench"]', "is JSON or Python"),
        ("tench\ngoldfish".encode("utf-16"), "is no text in UTF-8"),
        (b"\xff\xd8\xff\xe0", "is no text in UTF-8"),
    ],
)
def test_another_file_is_an_error_that_names_the_reason(read, content, reason):
    with pytest.raises(DataError, match=f"class names: .*names.txt .*{reason}"):
        read(content)


def test_a_file_that_is_too_long_is_not_read(read, monkeypatch):
    monkeypatch.setattr(class_names, "MOST_BYTES", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        read("a\n" * 6)


def test_a_missing_file_a_folder_and_a_pipe_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nothing"):
        with pytest.raises(DataError, match="class names: .* is not there, or no file"):
            read_class_names(path)
