"""The backends: which there are, which can be used here, and which is the default.

A backend is a package that exports every function of contract.py. It is loaded when it is first
asked for, so that importing tinynet does not wait for Numba.
"""

import importlib
import os

NAMES = ("numpy", "numba")
_loaded: dict = {}
_default = None


class BackendError(RuntimeError):
    """A backend that does not exist or cannot be used here; the message says why and what to do."""


def get_backend(name=None):
    """The backend's module; without a name the default one.

    The default is what use_backend set, else the variable TINYNET_BACKEND, else numba.
    Raises BackendError where the backend is unknown or cannot be loaded.
    """
    global _default
    if name is None:
        if _default is None:
            _default = get_backend(os.environ.get("TINYNET_BACKEND") or "numba")
        return _default
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def _load(name):
    if name not in NAMES:
        raise BackendError(f"backend {name!r} is not one of {', '.join(NAMES)}")
    try:
        return importlib.import_module(f"tinynet.backends.{name}")
    except ImportError as error:
        others = [other for other in NAMES if other != name]
        raise BackendError(
            f"backend {name!r} cannot be loaded: {error}; install it with "
            f"'pip install {name}', or use one of {', '.join(others)}"
        ) from error


def available_backends():
    """The names of the backends that can be used here. Loads each of them once."""
    names = []
    for name in NAMES:
        try:
            get_backend(name)
        except BackendError:
            continue
        names.append(name)
    return names


class use_backend:
    """Make a backend the default for new tensors, from now on or inside a with block:

        tn.use_backend("numpy")
        with tn.use_backend("numpy"): ...

    The default belongs to the process, not to a thread. Tensors that exist keep theirs.
    Raises BackendError where the backend is unknown or cannot be loaded.
    """

    def __init__(self, name):
        global _default
        chosen = get_backend(name)
        self._previous = _default
        _default = chosen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        global _default
        _default = self._previous
