"""Names of files and classes, as text that is safe to print and to store.

A file's name is bytes, and Python shows bytes that are not UTF-8 as lone surrogates, which no
terminal and no UTF-8 file takes. A name may also hold codes that move the cursor or change colours.
"""


def printable(text: object) -> str:
    """str(text) in which every character that cannot be shown is an escape.

    Control characters (line breaks and terminal codes among them), characters that turn the
    direction of text, and invisible ones become \\n, \\x1b, \\u202e, ...; a byte of a file name
    that is not UTF-8 becomes \\xff. Spaces, letters of every script and [brackets] stay.
    """
    return "".join(c if c.isprintable() else _escape(c) for c in str(text))


def valid_text(name: str) -> str:
    """A file's name as text that UTF-8 can encode: a byte that is not UTF-8 becomes \\xff."""
    return "".join(_escape(c) if "\ud800" <= c <= "\udfff" else c for c in name)


def _escape(character):
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python shows the byte code - 0xDC00 of a file's name
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
