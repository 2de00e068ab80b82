"""The record of a checkpoint, checked: JSON from a file may hold anything.

A kind is a pair: what fits, in words, and the test of a value. check() compares a value with a
kind, and its error names the field.
"""

import json
import math
import sys
from collections.abc import Callable

from alexnet.errors import DataError, UsageError
from alexnet.network.layer_names import layers_with_parameters
from alexnet.network.plan import Layer, plan
from alexnet.network.specs import SPECS, find_spec
from alexnet.network.variants import ACTIVATIONS, INITS, NORMS, changed

Kind = tuple[str, Callable[[object], bool]]

LARGEST_IMAGE = 4096  # rows and columns; a batch of such images fills any machine
MOST_THREADS = 4096  # each holds a batch
MOST = 1 << 53  # whole numbers up to here are the same in every reader of JSON
# Of the JSON in .pth, .onnx and .safetensors, where a mean image is text: 700 x 700 pixels fit.
FILE_BYTES = 1 << 25


def check(field: str, value, kind: Kind) -> None:
    """Raise DataError that names the field if the value is of another kind."""
    words, fits = kind
    if not fits(value):
        raise DataError(f"{field} is {short(value)}, should be {words}")


def short(value) -> str:
    """A value from a file for a message: repr(value), cut to 60 characters."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} of many others"
    return text if len(text) <= 60 else text[:60] + "..."


def as_json(field: str, value) -> str:
    """The JSON of a value for .pth, .onnx or .safetensors. Raises UsageError if it is longer than
    a reader takes."""
    text = json.dumps(value, allow_nan=False)
    if len(text) > FILE_BYTES:
        raise UsageError(
            f"{field} takes {len(text):,} bytes as JSON, {FILE_BYTES:,} fit; .npz holds mean "
            "images of any size"
        )
    return text


def check_fields(name: str, record, kinds: dict[str, Kind], needed=(), known=None) -> None:
    """Check that a record is a dict with the needed fields, and every field that has a kind.

    known  the names of all fields; None: other fields are passed over
    """
    check(name, record, OBJECT)
    missing = [field for field in needed if field not in record]
    if missing:
        raise DataError(f"{name} lacks {', '.join(missing)}")
    unknown = sorted(set(record) - set(record if known is None else known))
    if unknown:
        raise DataError(f"{name} has {short(unknown)}, which this program does not know")
    for field, kind in kinds.items():
        if field in record:
            check(f"{name}.{field}", record[field], kind)


# --- kinds ----------------------------------------------------------------------------------------

TEXT: Kind = ("text", lambda value: isinstance(value, str))
TRUTH: Kind = ("true or false", lambda value: isinstance(value, bool))
OBJECT: Kind = ("a JSON object", lambda value: isinstance(value, dict))
WORDS: Kind = (
    "a JSON object of texts",
    lambda value: isinstance(value, dict) and all(isinstance(text, str) for text in value.values()),
)
SHARE: Kind = (
    "a number from 0 to 1",
    lambda value: type(value) in (int, float) and 0 <= value <= 1,
)


def whole(least: int, most: int = MOST) -> Kind:
    """A whole number from least to most."""
    words = f"a whole number from {least}" + (f" to {most}" if most != MOST else "")
    return words, lambda value: type(value) is int and least <= value <= most


def real(least: float, below: float = math.inf, above: bool = False) -> Kind:
    """A finite number from least (above: not least itself), smaller than below."""

    def fits(value):
        number = type(value) in (int, float) and abs(value) <= sys.float_info.max  # NaN is not
        return number and (least < value if above else least <= value) and value < below

    words = f"a number {'above' if above else 'from'} {least:g}"
    return words + (f", below {below:g}" if below < math.inf else ""), fits


def one_of(names) -> Kind:
    """One of these names."""
    return f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names


def optional(kind: Kind) -> Kind:
    """The kind, or null: the spec's own value, or no limit."""
    words, fits = kind
    return f"{words}, or null", lambda value: value is None or fits(value)


def pair(kind: Kind) -> Kind:
    """A list of two."""
    words, fits = kind
    return f"two of: {words}", lambda v: isinstance(v, list) and len(v) == 2 and all(map(fits, v))


# --- what evaluation needs ------------------------------------------------------------------------

# The changes of a spec: arguments of alexnet.build and options of a run.
CHANGES_KINDS = {
    "activation": optional(one_of(ACTIVATIONS)),
    "norm": optional(one_of(NORMS)),
    "pool": optional(pair(whole(1))),
    "dropout": optional(real(0, below=1)),
    "groups": optional(whole(1, 2)),
    "width": real(0, above=True),
    # Older records lack these.
    "apart": optional(TRUTH),
    "without": optional(TEXT),
    "init": optional(one_of(INITS)),
}
BUILD_KINDS = {
    "spec": one_of(SPECS),
    "num_classes": whole(1),
    "image_size": whole(1, LARGEST_IMAGE),
    "dtype": one_of(("float32", "float64")),
    **CHANGES_KINDS,
}
NEEDED_TO_BUILD = ("spec", "num_classes", "image_size")


def parse(data: bytes) -> dict:
    """The record from its JSON. Raises DataError."""
    record = parse_json(data, "its record")
    check("its record", record, OBJECT)
    return record


def parse_json(data: bytes | str, name: str):
    """The value of a JSON text. Raises DataError that names the field."""
    if len(data) > FILE_BYTES:
        raise DataError(f"{name} has {len(data):,} bytes, {FILE_BYTES:,} fit")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError too
        raise DataError(f"{name} is no JSON ({error})") from error


def check_network(record: dict) -> list[Layer]:
    """Check build, classes and stored_size, and return the plan of the network."""
    arguments = record["build"]
    check_fields("build", arguments, BUILD_KINDS, NEEDED_TO_BUILD, known=BUILD_KINDS)
    size, classes = arguments["image_size"], record["classes"]
    check("stored_size", record["stored_size"], whole(size, 2 * size))
    names = isinstance(classes, list) and all(isinstance(name, str) and name for name in classes)
    if not names or len(set(classes)) != len(classes):
        check("classes", classes, ("a list of different names", lambda value: False))
    if len(classes) != arguments["num_classes"]:
        raise DataError(
            f"classes has {len(classes)} names, build.num_classes is {arguments['num_classes']}"
        )
    return planned(arguments)


def planned(build: dict) -> list[Layer]:
    """The plan of the network of these arguments of alexnet.build, once each is of its kind. Raises
    DataError if they do not fit one another."""
    try:
        spec = changed(find_spec(build["spec"]), **changes_of(build))
        return plan(spec, build["num_classes"], build["image_size"])
    except (ValueError, OverflowError) as error:
        raise DataError(f"its record cannot be built: {error}") from error


def changes_of(build: dict) -> dict:
    """The changes of the spec among the arguments of alexnet.build."""
    return {name: build[name] for name in CHANGES_KINDS if name in build}


def check_frozen(record: dict, layers: list[Layer]) -> list[str]:
    """The names of the layers that were not trained, checked. A record without the field has none:
    older versions trained every layer."""
    names, frozen = layers_with_parameters(layers), record.get("frozen", [])

    def fits(value):
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            return False
        return value == [name for name in names if name in value] and value != names

    words = "a list of layers with parameters, in the network's order, and not all of them"
    check("frozen", frozen, (words, fits))
    return frozen
