"""The parts of a module in lists, tuples and dicts: found by name, or refused in words."""

import itertools
import types
from collections import ChainMap, UserDict, UserList, deque

NO_NAMES = (set, frozenset, type({}.values()), type({}.items()))
ONE_PASS = (
    types.GeneratorType, map, filter, zip, enumerate, reversed, itertools.chain,
    type(iter([])), type(reversed([])), type(iter(())),
)  # fmt: skip
WITH_NAMES = (dict, UserDict, ChainMap, types.MappingProxyType)
CONTAINERS = (list, tuple, deque, UserList, *WITH_NAMES, *NO_NAMES, *ONE_PASS)


def parts_in(path, value, kinds, outer=()):
    """(name, part) of the parts in an attribute's value, through lists and dicts.

    path   the names on the way joined by dots, from the attribute's
    kinds  the classes of parts
    outer  the lists and dicts on the way: one that holds itself is not entered again
    Raises TypeError for a container that would hide parts, ValueError for a name with a dot.
    """
    if isinstance(value, kinds):
        yield path, value
    elif isinstance(value, ONE_PASS):
        raise TypeError(
            f"the attribute {path} is a {type(value).__name__}, whose layers can be read only "
            "once; write list(...)"
        )
    elif isinstance(value, NO_NAMES):
        if any(True for _ in parts_in(path, list(value), kinds, outer)):
            raise TypeError(
                f"the attribute {path} is a {type(value).__name__} with layers or tensors, which "
                "have no names there; a list or a dict fits"
            )
    elif isinstance(value, CONTAINERS) and not any(value is one for one in outer):
        for name, item in value.items() if isinstance(value, WITH_NAMES) else enumerate(value):
            if isinstance(item, kinds):
                check_name(str(name), item)
            if isinstance(item, (*kinds, *CONTAINERS)):
                yield from parts_in(f"{path}.{name}", item, kinds, (*outer, value))


def check_name(name, part):
    """Raises ValueError for a part's name that state_dict cannot hold."""
    if not name or "." in name:
        raise ValueError(
            f"the name {name!r} of a {type(part).__name__} is empty or has a dot; dots separate "
            "the names in state_dict, so choose another, such as conv1_1"
        )
