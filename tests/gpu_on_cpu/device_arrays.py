"""Arrays that stand in for CuPy's: NumPy inside, but as strict as a device's. NumPy's functions and
arrays do not mix with them, and nothing turns one into a NumPy array but to_numpy.

What they take and refuse is CuPy 14's, of the part that tinynet and its tests use.
Source: cupy/_core/core.pyx, cupy/_core/_routines_indexing.pyx.

What is computed with them can be recorded, as a CUDA graph is: while `recorded` lasts nothing is
computed, and reading a number is an error, since a GPU would have to be waited for.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

_recordings = []


@contextmanager
def recorded():
    """Inside, work is put on a list instead of being done; yields the list, of functions."""
    _recordings.append([])
    try:
        yield _recordings[-1]
    finally:
        _recordings.pop()


def do(work):
    """Do what writes into arrays that are there already, or record it."""
    if _recordings:
        _recordings[-1].append(work)
    else:
        work()


def _made(compute):
    """The new array of what compute() returns. Recorded, it is written at each launch."""
    array = DeviceArray(compute())
    if _recordings:
        array.host.reshape(-1).view(np.uint8)[...] = 0xFF
        _recordings[-1].append(lambda: np.copyto(array.host, compute()))
    return array


def _waited_for(host):
    """What a GPU would be waited for."""
    if _recordings:
        raise RuntimeError("a number of a device's array is read while a step is recorded")
    return host


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A NumPy array behind a door. Operators and methods give DeviceArrays, of shape () too.

    host  the NumPy array
    base  None, or the array that owns the memory
    """

    __slots__ = ("host", "base", "__weakref__")

    def __init__(self, host, base=None):
        self.host, self.base = np.asarray(host), base

    def __array__(self, *args, **kwargs):
        raise TypeError("a device's array is no NumPy array; use to_numpy")

    def __array_function__(self, function, *_):
        raise TypeError(f"np.{function.__name__} does not take a device's array; use to_numpy")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        if method != "__call__":
            return NotImplemented
        inputs = [_operand(a) for a in inputs]
        if out is None:
            return _made(lambda: ufunc(*inputs, **kwargs))
        target = _operand(out[0])
        do(lambda: ufunc(*inputs, out=target, **kwargs))
        return out[0]

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    ndim = property(lambda self: self.host.ndim)
    size = property(lambda self: self.host.size)
    nbytes = property(lambda self: self.host.nbytes)
    strides = property(lambda self: self.host.strides)
    itemsize = property(lambda self: self.host.itemsize)
    T = property(lambda self: self if self.ndim < 2 else self.transpose())

    @property
    def flags(self):
        """What CuPy's flags have: not writeable."""
        flags = self.host.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous,
            f_contiguous=flags.f_contiguous,
            owndata=self.base is None,
        )

    def _view(self, host):
        """A view where it shares this array's memory, else an array of its own."""
        if not np.may_share_memory(host, self.host):
            return DeviceArray(host)
        return DeviceArray(host, self if self.base is None else self.base)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(_waited_for(self.host))

    def __float__(self):
        return float(_waited_for(self.host))

    def __int__(self):
        return int(_waited_for(self.host))

    def __getitem__(self, key):
        key = _key(key, self.shape)
        part = self.host[key]
        return self._view(self.host[(*key, ...)] if isinstance(part, np.generic) else part)

    def __setitem__(self, key, value):
        key, value = _key(key, self.shape), _operand(value)
        do(lambda: self.host.__setitem__(key, value))

    def item(self):
        return _waited_for(self.host).item()

    def tolist(self):
        return _waited_for(self.host).tolist()

    def tobytes(self):
        return _waited_for(self.host).tobytes()

    def fill(self, number):
        number = _operand(number)
        do(lambda: self.host.fill(number))

    def copy(self, order="C"):
        return _made(lambda: self.host.copy(order))

    def astype(self, dtype):
        return _made(lambda: self.host.astype(dtype))

    def view(self, dtype):
        return self._view(self.host.view(dtype))

    def reshape(self, *shape):
        return self._view(self.host.reshape(*shape))

    def transpose(self, *axes):
        return self._view(self.host.transpose(*axes))

    def swapaxes(self, one, other):
        return self._view(self.host.swapaxes(one, other))

    def sum(self, axis=None, dtype=None, keepdims=False):
        return _made(lambda: self.host.sum(axis, dtype, keepdims=keepdims))

    def mean(self, axis=None, dtype=None, keepdims=False):
        return _made(lambda: self.host.mean(axis, dtype, keepdims=keepdims))

    def max(self, axis=None, keepdims=False):
        return _made(lambda: self.host.max(axis, keepdims=keepdims))

    def all(self, axis=None):
        return _made(lambda: self.host.all(axis))


def _operand(a):
    """The NumPy array or number that an operator works on, refusing what CuPy refuses."""
    if isinstance(a, DeviceArray):
        return a.host
    if isinstance(a, (bool, int, float, np.generic)):
        return a
    raise TypeError(f"{type(a).__name__} does not mix with a device's array; use from_numpy")


def _key(key, shape):
    """A key as a tuple for NumPy. Lists and NumPy arrays may be keys: CuPy copies them over. Their
    numbers go around where they are out of range, without an error."""
    keys = [np.asarray(_asnumpy(k)) if isinstance(k, (DeviceArray, list)) else k
            for k in (key if isinstance(key, tuple) else (key,))]  # fmt: skip
    axes = [
        0 if k is None or k is ... else k.ndim if getattr(k, "dtype", int) == np.bool_ else 1
        for k in keys
    ]
    axis = 0
    for i, k in enumerate(keys):
        if isinstance(k, np.ndarray) and k.dtype.kind in "iu":
            keys[i] = k % shape[axis]
        axis += len(shape) - sum(axes) if k is ... else axes[i]
    return tuple(keys)


def _empty(shape, dtype):
    """Not zeros but NaN: an output that a kernel forgets shows."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[...] = 0xFF
    return DeviceArray(array)


def _asarray(a, dtype=None, order=None):
    """The array itself where it is a device's, of this dtype and in this order; else a copy."""
    if not isinstance(a, DeviceArray):
        return _array(a, dtype, order)
    same = np.asarray(a.host, dtype, order=order) is a.host
    return a if same else _array(a, dtype, order)


def _array(a, dtype=None, order="K"):
    if isinstance(a, DeviceArray):
        return _made(lambda: np.array(a.host, dtype, order=order))
    return DeviceArray(np.array(_waited_for(a), dtype, order=order))


def _asnumpy(a):
    return _waited_for(a.host).copy() if isinstance(a, DeviceArray) else np.asarray(a)


def _device(a):
    """a, refusing what is not a device's array."""
    if not isinstance(a, DeviceArray):
        raise TypeError(f"{type(a).__name__} is no device's array; use from_numpy")
    return a


def _add_at(a, key, b):
    a, key, b = _device(a).host, _key(key, a.shape), _operand(b)
    do(lambda: np.add.at(a, key, b))


# The functions of the array module that tinynet calls.
xp = SimpleNamespace(
    ndarray=DeviceArray,
    empty=_empty,
    zeros=lambda shape, dtype: _made(lambda: np.zeros(shape, dtype)),
    zeros_like=lambda a: _made(lambda: np.zeros_like(_device(a).host)),
    ones_like=lambda a: _made(lambda: np.ones_like(_device(a).host)),
    full=lambda shape, value, dtype: _made(lambda: np.full(shape, value, dtype)),
    array=_array,
    asarray=_asarray,
    asnumpy=_asnumpy,
    broadcast_to=lambda a, shape: _device(a)._view(np.broadcast_to(a.host, shape)),
    exp=lambda a: np.exp(_device(a)),
    log=lambda a: np.log(_device(a)),
    add=SimpleNamespace(at=_add_at),
)
