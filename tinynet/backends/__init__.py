"""The backends: which exist, which can be used here, and which is the default.

A backend has every function of contract.py: it is a package that exports them, or the object that
the package's load() returns. A backend is loaded at its first use, so importing tinynet neither
needs Numba or CuPy nor waits for them.
"""

import importlib
import os

NAMES = ("numpy", "numba", "cupy")
AUTO = "auto"  # cupy where a GPU answers, else numba
_loaded: dict = {}
_default = None


class BackendError(RuntimeError):
    """A backend that does not exist or cannot be used here; the message says why and what to do.

    reason  the cause alone, in a few words
    """

    def __init__(self, message, reason=None):
        super().__init__(message)
        self.reason = reason or message


def get_backend(name=None):
    """The backend of this name; without a name the default one.

    name  one of NAMES, or "auto": cupy where a GPU answers, else numba
    The default is the backend that use_backend set, else the one that the environment variable
    TINYNET_BACKEND names, else numba.
    Raises BackendError where the backend is unknown or cannot be loaded.
    """
    global _default
    if name is None:
        if _default is None:
            _default = get_backend(os.environ.get("TINYNET_BACKEND") or "numba")
        return _default
    if name == AUTO:
        name = _found()
    if name not in _loaded:
        _loaded[name] = _load(name)
    return _loaded[name]


def _found():
    """The name of the backend that "auto" selects."""
    without_cupy = why_not("cupy")
    if without_cupy is None:
        return "cupy"
    without_numba = why_not("numba")
    if without_numba is None:
        return "numba"
    raise BackendError(
        f"backend {AUTO!r}: none can be used: cupy ({without_cupy}), numba ({without_numba}); "
        "pip install numba, or use numpy"
    )


def _load(name):
    if name not in NAMES:
        raise BackendError(f"backend {name!r} is not one of {', '.join(NAMES)}, {AUTO}")
    others = ", ".join(other for other in NAMES if other != name)
    try:
        package = importlib.import_module(f"tinynet.backends.{name}")
    except BackendError:
        raise
    except ImportError as error:
        raise BackendError(
            f"backend {name!r} cannot be loaded: {error}; install it with "
            f"'pip install {error.name or name}', or use one of {others}",
            str(error),
        ) from error
    except (ValueError, RuntimeError, OSError) as error:  # Numba's, of the machine or environment
        reason = " ".join(str(error).split()).rstrip(".")
        raise BackendError(
            f"backend {name!r} cannot be used: {reason}; mend it, or use one of {others}", reason
        ) from error
    return package.load() if hasattr(package, "load") else package


def why_not(name):
    """Why the backend of this name cannot be used here, in a few words; None where it can."""
    try:
        get_backend(name)
    except BackendError as error:
        return error.reason


def available_backends():
    """The names of the backends that can be used here. Loads each of them once."""
    return [name for name in NAMES if why_not(name) is None]


class use_backend:
    """Make a backend the default for new tensors, from now on or inside a with block:

        tn.use_backend("numpy")
        with tn.use_backend("numpy"): ...

    The default belongs to the process, not to a thread. Existing tensors keep their backend.
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
