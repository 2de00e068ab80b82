"""Protocol buffers' wire format: a message is a row of fields, each a number and a value.

    field    tag value        tag = varint of (number << 3 | wire type)
    varint   base 128, the lowest seven bits first; every byte but the last has its high bit set

    wire type 0   a varint                    integers, booleans, enumerations
              1   8 bytes                     float64
              2   a varint n, then n bytes    texts, messages inside messages, packed numbers
              5   4 bytes                     float32

The format tells neither the names of fields nor whether n bytes are a text, a message or numbers:
the reader knows that from a schema (.proto). Numbers are little-endian. A field may come again: of
a single value the last one counts, of a list each is an element, or several elements if packed.
Wire types 3 and 4, groups, were given up before the formats read here existed; they are refused.

Source: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

import numpy as np

VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5  # wire types
WIRE_TYPES = {0: "a varint", 1: "8 bytes", 2: "bytes", 5: "4 bytes"}
MOST_FIELDS = 10_000  # a Message keeps each as an object, which takes more memory than its bytes
LONGEST_TEXT = 10_000  # bytes; the texts read here are names


def fields(buffer: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Each field of a message: (number, wire type, value).

    The value is an int from 0 to 2**64 - 1 for a varint, and else a part of the buffer, not copied.
    Raises ValueError, with the position in the message, for bytes that are no field.
    """
    position = 0
    while position < len(buffer):
        start = position
        tag, position = varint(buffer, position)
        number, wire_type = tag >> 3, tag & 7
        if not 1 <= number < 1 << 29:
            raise ValueError(f"byte {start:,}: there is no field number {number}")
        if wire_type == VARINT:
            value, position = varint(buffer, position)
            yield number, wire_type, value
            continue
        if wire_type == BYTES:
            length, position = varint(buffer, position)
        elif wire_type in (EIGHT_BYTES, FOUR_BYTES):
            length = 8 if wire_type == EIGHT_BYTES else 4
        else:
            kind = "is a group" if wire_type in (3, 4) else "does not exist"
            raise ValueError(f"byte {start:,}: wire type {wire_type} {kind}")
        if length > len(buffer) - position:
            raise ValueError(
                f"byte {start:,}: field {number} has {length:,} bytes, "
                f"{len(buffer) - position:,} are left"
            )
        yield number, wire_type, buffer[position : position + length]
        position += length


def field_start(number: int, length: int) -> bytes:
    """The bytes before a value of so many bytes: the field's tag, and the length."""
    encoded = bytearray()
    for value in (number << 3 | BYTES, length):
        while value > 127:
            encoded.append(value & 127 | 128)
            value >>= 7
        encoded.append(value)
    return bytes(encoded)


def varint(buffer: memoryview, position: int) -> tuple[int, int]:
    """The varint at this position, from 0 to 2**64 - 1, and the position after it."""
    value = 0
    for place, byte in enumerate(buffer[position : position + 10]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            if value >= 1 << 64:
                raise ValueError(f"byte {position:,}: a varint has more than 64 bits")
            return value, position + place + 1
    if len(buffer) - position >= 10:
        raise ValueError(f"byte {position:,}: a varint has more than 10 bytes")
    raise ValueError(f"byte {position:,}: a varint has no end")


def signed(value: int) -> int:
    """The integer that a varint of the types int32, int64 or enum means: two's complement."""
    return value - (1 << 64) if value >= 1 << 63 else value


class Message:
    """The fields of a message by number, for messages of a few fields.

    Each method reads a field as what the schema says it is, and raises ValueError if the field's
    wire type or its bytes do not fit. Raises ValueError for more than MOST_FIELDS fields.
    """

    def __init__(self, buffer: memoryview):
        self._fields: dict[int, list[tuple[int, int | memoryview]]] = {}
        for count, (number, wire_type, value) in enumerate(fields(buffer)):
            if count == MOST_FIELDS:
                raise ValueError(f"a message has more than {MOST_FIELDS:,} fields")
            self._fields.setdefault(number, []).append((wire_type, value))

    def numbers(self) -> list[int]:
        """The numbers of the fields that it has, in increasing order."""
        return sorted(self._fields)

    def parts(self, number: int) -> list[memoryview]:
        """The bytes of a field: messages or texts."""
        return [self._checked(number, BYTES, *field) for field in self._fields.get(number, [])]

    def message(self, number: int) -> "Message":
        """The message in a field; an empty one if the field is missing."""
        parts = self.parts(number)
        if len(parts) > 1:
            raise ValueError(f"field {number} is there {len(parts)} times")
        return Message(parts[0] if parts else memoryview(b""))

    def texts(self, number: int) -> list[str]:
        """A list of texts (UTF-8) of up to LONGEST_TEXT bytes."""
        parts = self.parts(number)
        if any(len(part) > LONGEST_TEXT for part in parts):
            raise ValueError(f"field {number} is a text of more than {LONGEST_TEXT:,} bytes")
        try:
            return [str(part, "utf-8") for part in parts]
        except UnicodeDecodeError as error:
            raise ValueError(f"field {number} is no text in UTF-8") from error

    def text(self, number: int) -> str:
        """A text; "" if the field is missing."""
        return (self.texts(number) or [""])[-1]

    def integers(self, number: int) -> list[int]:
        """A list of integers, packed or not."""
        values = []
        for wire_type, value in self._fields.get(number, []):
            if wire_type != BYTES:
                values.append(signed(self._checked(number, VARINT, wire_type, value)))
                continue
            position = 0
            while position < len(value):
                if len(values) >= MOST_FIELDS:
                    raise ValueError(f"field {number} has more than {MOST_FIELDS:,} integers")
                element, position = varint(value, position)
                values.append(signed(element))
        return values

    def integer(self, number: int, default: int | None = None) -> int | None:
        """An integer, a boolean (0 or 1) or an enumeration's number."""
        found = self._fields.get(number)
        return signed(self._checked(number, VARINT, *found[-1])) if found else default

    def float32(self, number: int, default: float) -> float:
        """A float32 as the shortest decimal number that rounds to it: 0.1, not 0.10000000149."""
        found = self._fields.get(number)
        if not found:
            return default
        (value,) = np.frombuffer(self._checked(number, FOUR_BYTES, *found[-1]), "<f4")
        if not np.isfinite(value):
            raise ValueError(f"field {number} is {value}")
        return float(str(value))

    def _checked(self, number, expected, wire_type, value):
        if wire_type != expected:
            raise ValueError(
                f"field {number} is {WIRE_TYPES[wire_type]}, should be {WIRE_TYPES[expected]}"
            )
        return value
