"""The texts of an attribute, read from the bytes of an HDF5 file.

The HDF5 library believes what an attribute says of its texts: it takes memory for a length of up to
4 GiB before it looks for the text, copies a text for each element that refers to it, and never
returns from some damaged heaps (version 2.0). So these few structures are read here, as far as
files of Keras have them: addresses and lengths of 8 bytes, attributes in their object's header.

    object header    messages of (type, size, flags); type 12 is an attribute, type 16 says where
                     the header goes on
    attribute        sizes of its name, its datatype and its shape; these three; the elements
    element          a text of fixed length, or: length, 4 bytes; address of a heap, 8; index, 4
    heap             GCOL 1 0 0 0; size, 8 bytes; objects of (index, 2 bytes; uses, 2; 0, 4; size,
                     8; the bytes, to a multiple of 8). Index 0 is the rest, its head and all

Source: The HDF Group, HDF5 File Format Specification, version 3, sections II, III.E, IV.A.1 and
IV.A.2.m.
"""

import struct
from collections.abc import Iterator

from alexnet.errors import DataError

MOST_TEXTS = 1_000  # in an attribute
LONGEST_TEXT = 1 << 22  # 4 MiB, all texts of an attribute; a network's description takes 20 KiB
_MOST_BLOCKS = 100  # of an object header
_MOST_OBJECTS = 10_000  # in a heap; Keras' heaps of 4096 bytes hold at most 255
_ATTRIBUTE, _CONTINUATION = 12, 16


def check_superblock(content) -> None:
    """Raise DataError for a file with addresses or lengths of other than 8 bytes, or that does not
    begin with HDF5's superblock. content: bytes or a mapped file, here and below."""
    widths = content[13:15] if content[8:9] in (b"\0", b"\1") else content[9:11]
    if content[:8] != b"\x89HDF\r\n\x1a\n" or widths != b"\x08\x08":
        raise DataError("it is no HDF5 file, or not of the form that Keras writes")


def texts(content, address: int, name: str, count: int, length: int | None) -> list[bytes]:
    """The texts of an attribute.

    address  of the object's header
    count    how many texts it has
    length   of each, or None if each has its own
    Raises DataError if the attribute is not there, is damaged or is too long.
    """
    if count > MOST_TEXTS or count * (length or 0) > LONGEST_TEXT:
        raise DataError(f"attribute {name} is too long")
    elements = _elements(content, address, name.encode())
    width = 16 if length is None else length
    if elements is None or len(elements) < count * width:
        raise DataError(f"attribute {name} is damaged, or not where Keras writes it")
    parts = [elements[place : place + width] for place in range(0, count * width, width)]
    if length is not None:
        return [part.rstrip(b"\0") for part in parts]
    found, last, objects = [], None, {}
    references = [struct.unpack("<IQI", part) for part in parts]
    if sum(size for size, _, _ in references) > LONGEST_TEXT:
        raise DataError(f"attribute {name} is too long")
    for size, heap, index in references:
        if size and heap != last:
            last, objects = heap, _heap(content, heap)
        begin, most = objects.get(index, (0, 0)) if size else (0, 0)
        if size > most:
            raise DataError(f"attribute {name} is damaged: its texts are not in the file")
        found.append(content[begin : begin + size].rstrip(b"\0"))
    return found


def _elements(content, address, name):
    """The bytes of an attribute's elements, or None if the header does not have it."""
    for kind, body in _messages(content, address):
        if kind != _ATTRIBUTE or len(body) < 9 or body[0] not in (1, 2, 3):
            continue
        sizes = list(struct.unpack("<3H", body[2:8]))
        place = 9 if body[0] == 3 else 8  # version 3 has one byte more: the name's encoding
        if body[place : place + sizes[0]].rstrip(b"\0") == name:
            if body[0] == 1:  # each part fills a multiple of 8 bytes
                sizes = [-(-size // 8) * 8 for size in sizes]
            return body[place + sum(sizes) :]
    return None


def _messages(content, address) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each message in an object's header."""
    start = content[address : address + 64]
    if start[:4] == b"OHDR" and len(start) == 64:
        flags = start[5]
        head = "<BHB" + "xx" * bool(flags & 4)
        place = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        size = int.from_bytes(start[place : place + width], "little")
        blocks, edge = [(address + place + width, size)], 4  # OCHK before, a checksum behind
    elif start[:1] == b"\1" and len(start) == 64:
        head, edge = "<HHBxxx", 0
        blocks = [(address + 16, int.from_bytes(start[8:12], "little"))]
    else:
        raise DataError("an object has no header")
    for count, (place, size) in enumerate(blocks):
        if count == _MOST_BLOCKS or not 0 <= size <= len(content) - place:
            raise DataError("an object's header is damaged")
        end = place + size
        while end - place >= struct.calcsize(head):
            kind, length, _ = struct.unpack_from(head, content, place)
            place += struct.calcsize(head)
            if length > end - place:
                raise DataError("an object's header is damaged")
            body = content[place : place + length]
            place += length
            if kind == _CONTINUATION and length >= 16:
                block, size = struct.unpack("<QQ", body[:16])
                blocks.append((block + edge, size - 2 * edge))
            else:
                yield kind, body


def _heap(content, address):
    """{index: (place, size)} of the texts in a heap."""
    start = content[address : address + 16]
    if len(start) < 16 or start[:8] != b"GCOL\x01\0\0\0":
        raise DataError("a heap of texts is not in the file")
    place, end = address + 16, address + int.from_bytes(start[8:], "little")
    objects = {}
    while min(end, len(content)) - place >= 16:
        index, size = struct.unpack_from("<HxxxxxxQ", content, place)
        step = 16 + -(-size // 8) * 8 if index else size
        if not 16 <= step <= end - place or len(objects) == _MOST_OBJECTS:
            raise DataError("a heap of texts is damaged")
        if index and place + 16 + size <= len(content):
            objects[index] = place + 16, size
        place += step
    return objects
