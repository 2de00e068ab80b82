"""Arrays that stand in for CuPy's: they hold NumPy arrays, but are as strict as device arrays.

NumPy's functions and arrays do not mix with them, and only to_numpy turns one into a NumPy array.
They accept and refuse the same arguments as CuPy 14, in the part that tinynet and its tests use.
Source: cupy/_core/core.pyx, cupy/_core/_routines_indexing.pyx.

Computations can be recorded, as in a CUDA graph. Inside `recording` the work is only noted, and
reading a number is an error, because the program would have to wait for the GPU.
"""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

_recordings = []


def is_recording():
    """Whether work is noted now, not done."""
    return bool(_recordings)


@contextmanager
def recording():
    """Inside this block work is not done but put on a list of functions; yields the list."""
    _recordings.append([])
    try:
        yield _recordings[-1]
    finally:
        _recordings.pop()


def do(work):
    """Do work that writes into existing arrays, or record it."""
    if _recordings:
        _recordings[-1].append(work)
    else:
        work()


def _new(compute):
    """A new array with the result of compute(). In a recording each launch writes it anew."""
    array = DeviceArray(compute())
    if _recordings:
        array.host.reshape(-1).view(np.uint8)[...] = 0xFF
        _recordings[-1].append(lambda: np.copyto(array.host, compute()))
    return array


def _wait_for(host):
    """host, after the wait that a GPU needs; an error in a recording."""
    if _recordings:
        raise RuntimeError("a number of a device's array is read while a step is recorded")
    return host


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """A wrapped NumPy array. Operators and methods return DeviceArrays, even for shape ().

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
            return _new(lambda: ufunc(*inputs, **kwargs))
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
        """The flags that CuPy has; `writeable` is missing there."""
        flags = self.host.flags
        return SimpleNamespace(
            c_contiguous=flags.c_contiguous,
            f_contiguous=flags.f_contiguous,
            owndata=self.base is None,
        )

    def _view(self, host):
        """A view if host shares this array's memory, else an array that owns its memory."""
        if not np.may_share_memory(host, self.host):
            return DeviceArray(host)
        return DeviceArray(host, self if self.base is None else self.base)

    def __len__(self):
        return len(self.host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(_wait_for(self.host))

    def __float__(self):
        return float(_wait_for(self.host))

    def __int__(self):
        return int(_wait_for(self.host))

    def __getitem__(self, key):
        key = _key(key, self.shape)
        part = self.host[key]
        return self._view(self.host[(*key, ...)] if isinstance(part, np.generic) else part)

    def __setitem__(self, key, value):
        key, value = _key(key, self.shape), _operand(value)
        do(lambda: self.host.__setitem__(key, value))

    def item(self):
        return _wait_for(self.host).item()

    def tolist(self):
        return _wait_for(self.host).tolist()

    def tobytes(self):
        return _wait_for(self.host).tobytes()

    def fill(self, number):
        number = _operand(number)
        do(lambda: self.host.fill(number))

    def copy(self, order="C"):
        return _new(lambda: self.host.copy(order))

    def astype(self, dtype):
        return _new(lambda: self.host.astype(dtype))

    def view(self, dtype):
        return self._view(self.host.view(dtype))

    def reshape(self, *shape):
        return self._view(self.host.reshape(*shape))

    def transpose(self, *axes):
        return self._view(self.host.transpose(*axes))

    def swapaxes(self, one, other):
        return self._view(self.host.swapaxes(one, other))

    def sum(self, axis=None, dtype=None, keepdims=False):
        return _new(lambda: self.host.sum(axis, dtype, keepdims=keepdims))

    def mean(self, axis=None, dtype=None, keepdims=False):
        return _new(lambda: self.host.mean(axis, dtype, keepdims=keepdims))

    def max(self, axis=None, keepdims=False):
        return _new(lambda: self.host.max(axis, keepdims=keepdims))

    def argmax(self, axis=None, keepdims=False):
        return _new(lambda: self.host.argmax(axis, keepdims=keepdims))

    def all(self, axis=None):
        return _new(lambda: self.host.all(axis))


def _operand(a):
    """The NumPy array or number for an operator; types that CuPy refuses are an error."""
    if isinstance(a, DeviceArray):
        return a.host
    if isinstance(a, (bool, int, float, np.generic)):
        return a
    raise TypeError(f"{type(a).__name__} does not mix with a device's array; use from_numpy")


def _key(key, shape):
    """A key as a tuple for NumPy. Lists and NumPy arrays may be keys: CuPy copies them to the GPU.
    Their indices wrap around without an error if they are out of range."""
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
    """An array full of NaN, so that an output that a kernel does not write is visible."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[...] = 0xFF
    return DeviceArray(array)


def _asarray(a, dtype=None, order=None):
    """a itself if it is a device array of this dtype and order, else a copy."""
    if not isinstance(a, DeviceArray):
        return _array(a, dtype, order)
    same = np.asarray(a.host, dtype, order=order) is a.host
    return a if same else _array(a, dtype, order)


def _array(a, dtype=None, order="K"):
    if isinstance(a, DeviceArray):
        return _new(lambda: np.array(a.host, dtype, order=order))
    return DeviceArray(np.array(_wait_for(a), dtype, order=order))


def _asnumpy(a):
    return _wait_for(a.host).copy() if isinstance(a, DeviceArray) else np.asarray(a)


def _device(a):
    """a, if it is a device array; anything else is an error."""
    if not isinstance(a, DeviceArray):
        raise TypeError(f"{type(a).__name__} is no device's array; use from_numpy")
    return a


def _as_strided(a, shape, strides):
    return _device(a)._view(np.lib.stride_tricks.as_strided(a.host, shape, strides))


def _add_at(a, key, b):
    a, key, b = _device(a).host, _key(key, a.shape), _operand(b)
    do(lambda: np.add.at(a, key, b))


# The functions of the array module that tinynet and its benchmarks call.
xp = SimpleNamespace(
    ndarray=DeviceArray,
    empty=_empty,
    empty_like=lambda a: _empty(_device(a).shape, a.dtype),
    zeros=lambda shape, dtype: _new(lambda: np.zeros(shape, dtype)),
    zeros_like=lambda a: _new(lambda: np.zeros_like(_device(a).host)),
    ones_like=lambda a: _new(lambda: np.ones_like(_device(a).host)),
    full=lambda shape, value, dtype: _new(lambda: np.full(shape, value, dtype)),
    array=_array,
    asarray=_asarray,
    asnumpy=_asnumpy,
    ascontiguousarray=lambda a: _asarray(_device(a), order="C"),
    concatenate=lambda arrays, axis=0: _new(
        lambda: np.concatenate([_device(a).host for a in arrays], axis)
    ),
    split=lambda a, ends, axis=0: [a._view(part) for part in np.split(a.host, ends, axis)],
    broadcast_to=lambda a, shape: _device(a)._view(np.broadcast_to(a.host, shape)),
    where=lambda condition, a, b: _new(
        lambda: np.where(_device(condition).host, _operand(a), _operand(b))
    ),
    exp=lambda a: np.exp(_device(a)),
    log=lambda a: np.log(_device(a)),
    sqrt=lambda a: np.sqrt(_device(a)),
    arange=lambda stop: _new(lambda: np.arange(stop)),
    abs=lambda a: np.abs(_device(a)),
    maximum=lambda a, b: np.maximum(_device(a), b),
    minimum=lambda a, b: np.minimum(_device(a), b),
    add=SimpleNamespace(at=_add_at),
    lib=SimpleNamespace(stride_tricks=SimpleNamespace(as_strided=_as_strided)),
)
