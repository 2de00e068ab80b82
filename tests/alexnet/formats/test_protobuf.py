"""The reader of protobuf's wire format, against bytes made by hand from the format's page."""

import struct

import pytest

from alexnet.formats import protobuf
from alexnet.formats.protobuf import Message, fields, signed, varint


def parsed(content):
    return [
        (number, wire_type, value if isinstance(value, int) else bytes(value))
        for number, wire_type, value in fields(memoryview(content))
    ]


def test_the_examples_of_the_formats_page_are_read():
    assert parsed(b"\x08\x96\x01") == [(1, 0, 150)]
    assert parsed(b"\x12\x07testing") == [(2, 2, b"testing")]
    assert parsed(b"\x1a\x03\x08\x96\x01") == [(3, 2, b"\x08\x96\x01")]
    assert Message(memoryview(b"\x32\x06\x03\x8e\x02\x9e\xa7\x05")).integers(6) == [3, 270, 86942]


def test_each_wire_type_and_large_numbers_are_read():
    content = b"\x09" + struct.pack("<d", 0.5) + b"\x15" + struct.pack("<f", 2.0)
    content += b"\xa0\x06\x05" + b"\xfa\xff\xff\xff\x0f\x00"  # fields 100 and 2**29 - 1
    assert parsed(content) == [
        (1, 1, struct.pack("<d", 0.5)),
        (2, 5, struct.pack("<f", 2.0)),
        (100, 0, 5),
        (2**29 - 1, 2, b""),
    ]


def test_bytes_are_parts_of_the_buffer():
    content = bytearray(b"\x0a\x02ab")
    ((_, _, value),) = fields(memoryview(content))
    content[2] = ord("c")
    assert bytes(value) == b"cb"


def test_a_negative_integer_takes_ten_bytes():
    value, end = varint(memoryview(b"\xff" * 9 + b"\x01"), 0)
    assert (value, end, signed(value)) == (2**64 - 1, 10, -1)
    assert signed(2**63 - 1) == 2**63 - 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x08", "byte 1: a varint has no end"),
        (b"\x08\x80\x80", "byte 1: a varint has no end"),
        (b"\x08" + b"\x80" * 10 + b"\x01", "byte 1: a varint has more than 10 bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "byte 1: a varint has more than 64 bits"),
        (b"\x08\x01\x0a\x05abcd", "byte 2: field 1 has 5 bytes, 4 are left"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "18,446,744,073,709,551,615 bytes, 0 are left"),
        (b"\x09abcdefg", "field 1 has 8 bytes, 7 are left"),
        (b"\x0dabc", "field 1 has 4 bytes, 3 are left"),
        (b"\x00\x01", "byte 0: there is no field number 0"),
        (b"\x80\x80\x80\x80\x10\x01", "there is no field number 536,?870,?912"),
        (b"\x0b\x0c", "wire type 3 is a group"),
        (b"\x0e", "wire type 6 does not exist"),
        (b"\x0f", "wire type 7 does not exist"),
    ],
)
def test_bytes_that_are_no_field_are_an_error_with_their_position(content, reason):
    with pytest.raises(ValueError, match=reason):
        parsed(content)


def test_a_message_reads_its_fields_as_the_schema_says():
    content = b"\x0a\x02hi" + b"\x10\x03" + b"\x10\x04" + b"\x1d" + struct.pack("<f", 0.1)
    content += b"\x22\x02\x08\x07"  # field 4: a message with field 1 = 7
    message = Message(memoryview(content))
    assert message.numbers() == [1, 2, 3, 4]
    assert (message.text(1), message.text(9)) == ("hi", "")
    assert (message.integer(2), message.integer(9), message.integer(9, 5)) == (4, None, 5)
    assert message.integers(2) == [3, 4]  # a list that is not packed
    assert message.float32(3, 1.0) == 0.1  # the decimal number that was written as float32
    assert message.float32(9, 1.0) == 1.0
    assert message.message(4).integer(1) == 7
    assert message.message(9).numbers() == []


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda message: message.text(2), "field 2 is a varint, should be bytes"),
        (lambda message: message.integer(1), "field 1 is bytes, should be a varint"),
        (lambda message: message.float32(2, 0.0), "field 2 is a varint, should be 4 bytes"),
        (lambda message: message.float32(3, 0.0), "field 3 is nan"),
        (lambda message: message.text(1), "no text in UTF-8"),
        (lambda message: message.text(4), "more than 10,000 bytes"),
        (lambda message: message.integers(4), "more than 10,000 integers"),
        (lambda message: message.message(5), "field 5 is there 2 times"),
    ],
)
def test_a_field_of_another_kind_is_an_error(read, reason):
    content = b"\x0a\x01\xff" + b"\x10\x03" + b"\x1d" + struct.pack("<f", float("nan"))
    content += b"\x22\x91\x4e" + b"a" * 10_001 + b"\x2a\x00" * 2
    with pytest.raises(ValueError, match=reason):
        read(Message(memoryview(content)))


def test_a_message_of_very_many_fields_is_refused(monkeypatch):
    monkeypatch.setattr(protobuf, "MOST_FIELDS", 3)
    Message(memoryview(b"\x08\x01" * 3))
    with pytest.raises(ValueError, match="more than 3 fields"):
        Message(memoryview(b"\x08\x01" * 4))
