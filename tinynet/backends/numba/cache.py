"""The machine code of the kernels, kept for the next process.

Each kernel and each list of argument types has a file. It lies in NUMBA_CACHE_DIR, else in
__pycache__ beside the kernel's source, else, where that cannot be written, in the user's cache
folder:

    SHA-256 of the rest | SHA-256 of what the machine code depends on | pickle of the machine code

Numba's own cache has no checksum: a file that was cut short ends every process with an error, and
zeros amid the machine code end it by a signal. Here a damaged file is passed over, and the kernel
is compiled and written anew. Without a folder each process compiles its kernels. In both cases one
line on stderr says so.
"""

import functools
import hashlib
import os
import pickle
import pkgutil
import sys
import uuid

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

_SHARED = ("blas.py", "cache.py", "compilation.py")  # every kernel's code depends on them


def keep(kernel):
    """Let a kernel, compiled by numba.njit, read and write its machine code. Returns the kernel."""
    if numba.config.DISABLE_JIT:  # it is a plain function, for a debugger
        return kernel
    try:
        kernel._cache = _KernelCache(kernel.py_func)
    except (RuntimeError, OSError) as error:
        _say_not_kept(str(error))
    return kernel


class _KernelCache(FunctionCache):
    """Numba's cache of one function, with files of ours. Numba chooses the folder."""

    def __init__(self, function):
        super().__init__(function)
        source = self._impl.locator.get_source_stamp()
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, source)

    def save_overload(self, types, compiled):
        try:
            super().save_overload(types, compiled)
        except OSError as error:  # for example a full disk
            _say_not_kept(str(error))


class _Files:
    """The files of one kernel, with the methods of numba.core.caching.IndexDataCacheFile.

    source  a stamp of the kernel's source file
    key     (argument types, processor, hash of the function's bytecode)
    """

    def __init__(self, folder, name, source):
        self._folder, self._name, self._source = folder, name, source

    def load(self, key):
        """The machine code, None where it has to be compiled."""
        path = self._path(key)
        try:
            with open(path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            _say_damaged(path, error.strerror)
            return None
        checksum, rest = content[:32], content[32:]
        if _sha256(rest) != checksum:
            _say_damaged(path, "its checksum is wrong")
            return None
        depends_on, code = rest[:32], rest[32:]
        return pickle.loads(code) if depends_on == self._depends_on(key) else None

    def save(self, key, code):
        path = self._path(key)
        temporary = f"{path}.{uuid.uuid4().hex[:16]}"  # two processes may write at once
        rest = self._depends_on(key) + dumps(code)
        try:
            with open(temporary, "wb") as file:
                file.write(_sha256(rest) + rest)
            os.replace(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise

    def _path(self, key):
        types, processor, _ = key
        name = _sha256(repr((types, processor)).encode()).hex()[:16]
        return os.path.join(self._folder, f"{self._name}.{name}.kernel")

    def _depends_on(self, key):
        return _sha256(repr((key, self._source, _shared_sources(), numba.__version__)).encode())


def _sha256(data):
    return hashlib.sha256(data).digest()


@functools.cache
def _shared_sources():
    return [_sha256(pkgutil.get_data(__package__, file)) for file in _SHARED]


_said = set()


def _say_not_kept(reason):
    _say_once(
        "not kept",
        f"compiled kernels cannot be kept ({reason}), so each process compiles them, for up to a "
        "minute; set NUMBA_CACHE_DIR to a folder that can be written",
    )


def _say_damaged(path, reason):
    _say_once(
        "damaged",
        f"{path}: a compiled kernel that cannot be used ({reason}); this one and others like it "
        "are compiled and written anew",
    )


def _say_once(subject, line):
    if subject not in _said:
        _said.add(subject)
        print(f"tinynet: {line}", file=sys.stderr, flush=True)
