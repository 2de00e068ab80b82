"""--config FILE: flags from a TOML file.

    data = "photos"
    epochs = 30
    lr-scale = "fc8=10"
    pool = [2, 2]
    decay-biases = false

A key is a flag's name, with - or _; data is DATA. Values are checked as the flags' are. A flag on
the command line wins over the file, and a key wins over the recipe as its flag does. Paths are
relative to the file's folder, so that a file means the same wherever the command is given.
"""

import argparse
import difflib
import tomllib
from pathlib import Path

from alexnet.cli import flags
from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError

AUTO = "auto"  # --resume auto
_NO_KEYS = ("config", "help", "version")
_PATHS = (flags.path, flags.data)


def parse(parser: argparse.ArgumentParser, argv=None) -> argparse.Namespace:
    """The flags of the command line, and those of --config that the command line leaves out.

    parser  one whose flags are None where they are left out, with --config
    Raises DataError for a file that cannot be read, and UsageError for a key or value that does not
    fit.
    """
    args = parser.parse_args(argv)
    if args.config:
        for name, value in read(Path(args.config), parser).items():
            if getattr(args, name) is None:
                setattr(args, name, value)
    return args


def read(path: Path, parser: argparse.ArgumentParser) -> dict:
    """{name of a flag: its value} of this file."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"--config {printable(path)}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"--config {printable(path)} is no TOML file: {error}") from error
    actions, values = _actions(parser), {}
    for key, value in table.items():
        where = f"--config {printable(path)}: {printable(key)}"
        action = actions.get(key.replace("_", "-"))
        if action is None:
            raise UsageError(f"{where} is no flag of this command; {_what_fits(key, actions)}")
        if action.dest in values:
            raise UsageError(f"{where} is there twice, with - and with _; leave one of them out")
        try:
            values[action.dest] = _value(action, value, path.parent)
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"{where}: {error}") from error
    return values


def _actions(parser):
    """{key: the parser's action}."""
    actions = {}
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:  # an older name
            continue
        names = [name[2:] for name in action.option_strings if name.startswith("--")]
        names = [name for name in names if not (_is_switch(action) and name.startswith("no-"))]
        actions |= {name: action for name in names or [action.dest]}
    return {name: action for name, action in actions.items() if name not in _NO_KEYS}


def _what_fits(key, actions):
    near = difflib.get_close_matches(key.replace("_", "-"), actions, 1)
    return f"{near[0]} is" if near else f"these are: {', '.join(sorted(actions))}"


def _is_switch(action):
    return action.nargs == 0


def _value(action, value, folder):
    """The value of a flag, as the command line would have it. Raises ArgumentTypeError."""
    if _is_switch(action):
        if not isinstance(value, bool):
            raise _misfit(value, "true or false")
        # A flag without a --no- form is only ever set.
        return value or (False if isinstance(action, argparse.BooleanOptionalAction) else None)
    if isinstance(action.nargs, int):
        if not isinstance(value, list) or len(value) != action.nargs:
            raise _misfit(value, f"a list of {action.nargs}")
        return [_one(action, each, folder) for each in value]
    return _one(action, value, folder)


def _one(action, value, folder):
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _misfit(value, _words(action))
    try:
        parsed = action.type(str(value)) if action.type else str(value)
    except ValueError as error:  # int
        raise _misfit(value, _words(action)) from error
    if isinstance(value, str) and not isinstance(parsed, str):
        raise _misfit(value, f"a number: {parsed}")
    if action.choices is not None and parsed not in action.choices:
        raise _misfit(value, f"one of {', '.join(map(str, action.choices))}")
    return _in_folder(parsed, folder) if action.type in _PATHS else parsed


def _in_folder(text, folder):
    """A path, or DATA, relative to this folder. Words that are no paths stay."""
    if text in ("synthetic", AUTO) or folder == Path("."):
        return text
    kind, colon, name = text.partition(":")
    if kind == "cifar10" and colon:
        return f"cifar10:{folder / name}" if name else text
    return str(folder / text)


def _words(action):
    """What fits a flag, for a value that is no text and no number."""
    if action.choices is not None:
        return f"one of {', '.join(map(str, action.choices))}"
    return "a number or a text in quotes, as the flag takes it"


def _misfit(value, words):
    text = printable(repr(value))
    text = text if len(text) <= 60 else text[:60] + "..."
    return argparse.ArgumentTypeError(f"{text} does not fit; {words} does")
