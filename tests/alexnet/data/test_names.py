"""Names of files and classes as text."""

import os

import pytest

from alexnet.data.names import printable, valid_text


@pytest.mark.parametrize(
    "name, shown",
    [
        ("cat", "cat"),
        ("[red]hot dog[/red]", "[red]hot dog[/red]"),
        ("Käse 猫 🐈", "Käse 猫 🐈"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("back\u202etxt", "back\\u202etxt"),
        (os.fsdecode(b"caf\xe9"), "caf\\xe9"),
        (os.fsdecode(b"\x80\xff"), "\\x80\\xff"),
        ("\ud800", "\\ud800"),
        ("\x85\x9b", "\\x85\\x9b"),
    ],
)
def test_what_cannot_be_shown_is_escaped(name, shown):
    assert printable(name) == shown
    shown.encode("utf-8")


def test_any_object_is_shown_as_its_text(tmp_path):
    assert printable(tmp_path / "a\nb") == f"{tmp_path}/a\\nb"


def test_valid_text_escapes_only_what_utf8_cannot_encode():
    assert valid_text(os.fsdecode(b"caf\xe9\n")) == "caf\\xe9\n"
    assert valid_text("Käse\u200d\x1b") == "Käse\u200d\x1b"
