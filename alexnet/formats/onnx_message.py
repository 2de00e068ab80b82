"""Parse the bytes of a protobuf message, with a bound on the memory that it takes.

The protobuf library makes an object of 80 to 160 bytes even of an empty message, which takes 2
bytes in the file, so a file of 2 GiB could fill any memory. Hence the fields are counted first, by
our own reader of the wire format (protobuf.py).
"""

from alexnet.errors import DataError
from alexnet.formats.protobuf import BYTES, fields
from alexnet.weights.record import short

MOST_FIELDS = 200_000  # an AlexNet of PyTorch's exporter has about 1,000


def parse(message_class, data: bytes):
    """message_class.FromString(data). Raises DataError for bytes that are no such message, and for
    one of more than MOST_FIELDS fields, of its messages together."""
    try:
        _check_fields(memoryview(data), message_class.DESCRIPTOR)
        return message_class.FromString(data)
    except DataError:
        raise
    except Exception as error:  # DecodeError, of whichever protobuf is installed
        raise DataError(f"its bytes are no message of this format: {short(str(error))}") from error


def _check_fields(data, descriptor):
    count, left, inner = 0, [(data, descriptor)], {}
    while left:
        part, kind = left.pop()
        if kind.full_name not in inner:
            inner[kind.full_name] = {
                field.number: field.message_type for field in kind.fields if field.message_type
            }
        messages = inner[kind.full_name]
        for number, wire_type, value in fields(part):
            count += 1
            if count > MOST_FIELDS:
                raise DataError(
                    f"it has more than {MOST_FIELDS:,} fields, an AlexNet has about 1,000"
                )
            if wire_type == BYTES and number in messages:
                left.append((value, messages[number]))
