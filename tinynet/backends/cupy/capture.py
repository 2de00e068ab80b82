"""A step recorded once and launched whole: a CUDA graph.

Queueing a kernel costs the processor some microseconds, and a training step queues hundreds of
them. A graph is queued at once. What a recording holds is fixed: kernels, grids, the addresses of
arrays, and numbers. What changes from step to step therefore lies in arrays:

    images, labels     written to the same arrays before each launch
    the rate           an array () instead of a number (sgd.py)
    dropout's draw     the recorded one plus gpu.draws_before, how many were drawn since

The memory that a graph's kernels use must stay theirs. So it is recorded with a memory pool of its
own, from which nobody else takes; the first call, which is not recorded, fills the pool, compiles
kernels and makes cuBLAS ready.

Source: CUDA C++ Programming Guide, "CUDA Graphs"; CuPy's Stream.begin_capture, MemoryPool.
"""

import weakref

from tinynet import random

_ended = []  # the pools of recordings that are gone, until nobody holds an array of theirs


class Captured:
    """A function of no arguments that queues the same work on the same arrays each time.

    gpu       the device
    function  queues kernels, waits for nothing, and returns arrays; products are gpu.product's, as
              CuPy's own (a @ b) cannot be recorded

    The first call runs function, the second one records it, and that recording is launched by this
    and every later call. Each returns what function returned, whose arrays hold the launch's
    results. A launch computes the same bits as the function would.
    """

    def __init__(self, gpu, function):
        self._function, self._gpu = function, gpu
        self._recorder = gpu.recorder()
        self._warm, self._graph = False, None

    def __call__(self):
        with self._recorder:
            if not self._warm:
                self._warm = True
                return self._function()
            draw = random.get_state()["dropout_draws"]
            if self._graph is None:
                self._graph, self._outputs = self._recorder.record(self._function)
                self._first_draw = draw
                self._draws = random.get_state()["dropout_draws"] - draw
                # Scratch memory that grows is another array; the recording keeps to this one.
                self._scratch = list(self._gpu.buffers.values())
            else:
                random.skip_dropout_draws(self._draws)
            self._gpu.draws_before.fill(draw - self._first_draw)
            self._graph.launch()
            self._gpu.draws_before.fill(0)
        return self._outputs


class Recorder:
    """A stream and a memory pool for what is recorded. Inside `with recorder:` both are CuPy's
    current ones; what was queued before comes before, what is queued afterwards comes after."""

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
        """(graph, what function returned): nothing of it runs before graph.launch()."""
        self._stream.begin_capture()
        try:
            outputs = function()
        finally:
            graph = self._stream.end_capture()
        return graph, outputs


def _end(stream, pool):
    """A recording is gone: give its memory back when what was queued is done."""
    stream.synchronize()
    _ended.append(pool)
    _give_back()


def _give_back():
    """Free what the pools of ended recordings hold. A pool that is dropped with blocks in it would
    never give them back: in CuPy blocks and pool keep each other alive."""
    for pool in list(_ended):
        pool.free_all_blocks()
        if not pool.total_bytes():
            _ended.remove(pool)
