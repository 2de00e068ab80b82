"""The stream and the memory pool that a CUDA graph is recorded with (tinynet/gpu.py: CudaGraph).

The memory that a graph's kernels use must stay theirs. So it is recorded with a memory pool of its
own, from which no other array is taken. The first call of a CudaGraph, which is not recorded, fills
the pool, compiles kernels and makes cuBLAS ready.

Source: CUDA C++ Programming Guide, "CUDA Graphs"; CuPy's Stream.begin_capture, MemoryPool.
"""

import weakref

_ended = []  # memory pools of deleted graphs that still own live arrays


class Recorder:
    """Inside `with recorder:` its stream and its memory pool are CuPy's current ones. The GPU runs
    the work queued before the block first, then the block's, then the work queued after it."""

    def __init__(self, cupy):
        _give_back()
        self._cuda = cupy.cuda
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._pool = cupy.cuda.MemoryPool()
        weakref.finalize(self, _end, self._stream, self._pool).atexit = False

    def __enter__(self):
        self._before = self._cuda.get_current_stream()
        self._stream.wait_event(self._before.record())
        self._allocator = self._cuda.using_allocator(self._pool.malloc)
        self._allocator.__enter__()
        self._stream.__enter__()
        return self

    def __exit__(self, *error):
        self._stream.__exit__(*error)
        self._allocator.__exit__(*error)
        self._before.wait_event(self._stream.record())

    def record(self, function):
        """(graph, what function returned). The recorded work runs at each graph.launch(), and not
        before."""
        self._stream.begin_capture()
        try:
            outputs = function()
        finally:
            graph = self._stream.end_capture()
        return graph, outputs


def _end(stream, pool):
    """A graph was deleted: wait for its last launch and free its memory."""
    stream.synchronize()
    _ended.append(pool)
    _give_back()


def _give_back():
    """Free the memory of deleted graphs' pools. CuPy keeps a pool alive while it holds blocks, and
    the blocks while the pool is alive: a pool that is dropped with blocks never frees them."""
    for pool in list(_ended):
        pool.free_all_blocks()
        if not pool.total_bytes():
            _ended.remove(pool)
