"""Names of classes from a words file."""

import os

import pytest

from alexnet.data.words import read_words, shown, words_for
from alexnet.errors import DataError

WNIDS = ["n01443537", "n02124075"]
LINES = "n00001740\tentity\nn02124075\tEgyptian cat\r\nn01443537\tgoldfish, Carassius auratus\n"


@pytest.fixture
def words_file(tmp_path):
    (tmp_path / "words.txt").write_text(LINES, newline="")
    return tmp_path / "words.txt"


def test_the_names_of_the_classes_are_read_and_no_others(words_file):
    assert read_words(words_file, WNIDS) == {
        "n01443537": "goldfish, Carassius auratus",
        "n02124075": "Egyptian cat",
    }


def test_a_mark_of_the_order_of_bytes_is_no_part_of_the_first_class(tmp_path):
    (tmp_path / "words.txt").write_text("cat\tfeline\n", encoding="utf-8-sig")
    assert read_words(tmp_path / "words.txt", ["cat", "dog"]) == {"cat": "feline"}


def test_a_words_file_in_the_folder_of_the_data_is_used_without_a_word(words_file):
    folder = str(words_file.parent)
    assert words_for(None, folder, WNIDS) == read_words(words_file, WNIDS)
    assert words_for(None, folder, ["cat", "dog"]) == {}  # it is about something else
    assert words_for(None, "synthetic", WNIDS) == words_for(None, None, WNIDS) == {}
    assert words_for(None, "x" * 5000, WNIDS) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cat\tfeline\n", "names none of the 2 classes; it needs lines of a class, a tab"),
        (b"n01443537 goldfish\n", "names none of the 2 classes"),
        (bytes(1 << 20), "names none of the 2 classes"),
        (None, "is not there, or no file"),
    ],
)
def test_a_words_file_that_names_no_class_is_an_error_that_names_it(tmp_path, content, message):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f"words.txt {message}"):
        words_for(str(path), None, WNIDS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "words.txt")
    with pytest.raises(DataError, match="is not there, or no file"):
        read_words(tmp_path / "words.txt", WNIDS)
    assert words_for(None, str(tmp_path), WNIDS) == {}


def test_a_class_is_shown_by_its_first_name_and_its_number(words_file):
    words = {**read_words(words_file, WNIDS), "bad": "\x1b[31mred\x1b[0m"}
    assert shown("n01443537", words) == "goldfish (n01443537)"
    assert shown("[cat]", words) == "[cat]"
    assert shown("bad", words) == "\\x1b[31mred\\x1b[0m (bad)"
    assert shown("a\x1bb", {}) == "a\\x1bb"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("LOC_synset_mapping.txt", "n02124075 Egyptian cat\nn01443537 goldfish, Carassius auratus"),
        ("synset_words.txt", "n01443537 goldfish\n"),
        ("imagenet_classes.tsv", "index\twnid\tname\n1\tn01443537\tgoldfish, Carassius auratus\n"),
    ],
)
def test_imagenets_lists_name_classes_too(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    words = words_for(None, str(tmp_path), WNIDS)
    assert words["n01443537"].startswith("goldfish") and set(words) <= set(WNIDS)
    assert words_for(None, str(tmp_path), ["n00000001", "cat"]) == {}
    (tmp_path / "words.txt").write_text("n01443537\tits own\n")
    assert words_for(None, str(tmp_path), WNIDS) == {"n01443537": "its own"}
