"""Parse the bytes of a protobuf message, with a bound on the memory that it takes.

The protobuf library makes an object of 80 to 160 bytes even of an empty message, which takes 2
bytes in the file, so a file of 2 GiB could fill any memory. Hence the fields are counted first. A
field is a tag, number << 3 | wire type, and its value:

    wire type 0: a varint     1: 8 bytes     5: 4 bytes     2: a length, and so many bytes

Source: protobuf.dev, Encoding.
"""

from alexnet.errors import DataError
from alexnet.weights.record import short

MOST_FIELDS = 200_000  # an AlexNet of PyTorch's exporter has about 1,000


def parse(message_class, data: bytes):
    """message_class.FromString(data). Raises DataError for bytes that are no such message, and for
    one of more than MOST_FIELDS fields, of its messages together."""
    _count_fields(data, message_class.DESCRIPTOR)
    try:
        return message_class.FromString(data)
    except Exception as error:  # DecodeError, of whichever protobuf is installed
        raise _damaged(short(str(error))) from error


def _count_fields(data, descriptor):
    count, left, inner = 0, [(0, len(data), descriptor)], {}
    while left:
        position, end, kind = left.pop()
        if kind.full_name not in inner:
            inner[kind.full_name] = {
                field.number: field.message_type for field in kind.fields if field.message_type
            }
        messages = inner[kind.full_name]
        while position < end:
            count += 1
            if count > MOST_FIELDS:
                raise DataError(
                    f"it has more than {MOST_FIELDS:,} fields, an AlexNet has about 1,000"
                )
            tag, position = _varint(data, position, end)
            wire = tag & 7
            if wire == 2:
                length, position = _varint(data, position, end)
                if tag >> 3 in messages:
                    left.append((position, position + length, messages[tag >> 3]))
                position += length
            elif wire == 0:
                _, position = _varint(data, position, end)
            elif wire in (1, 5):
                position += 8 if wire == 1 else 4
            else:  # groups, which ONNX does not use
                raise _damaged(f"wire type {wire} at byte {position:,}")
            if position > end:
                raise _damaged(
                    f"a length leads {position - end:,} bytes past the end of its message, byte "
                    f"{end:,}"
                )


def _varint(data, position, end):
    """(the number, the position behind it): seven bits a byte, the lowest first."""
    number = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        number |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return number, position
    raise _damaged(f"a number does not end at byte {position:,}")


def _damaged(reason):
    return DataError(f"its bytes are no message of this format: {reason}")
