"""Processes with a GPU each, which reach each other by NCCL: arrays in the GPUs' memory.

The same mpiexec starts them, and MPI goes on to carry NumPy arrays and small Python values, and the
unique id by which the GPUs find each other. NCCL is called through CuPy's NcclCommunicator; its
calls are queued on a stream, as kernels are, and the processor goes on at once.

    computing stream   | backward of fc7 | backward of fc6 | backward of conv5 | ... | update
                                         |                 |                         |
                                       event             event                     wait()
                                         |                 |                         |
    stream of sums                       | sum of fc7    | | sum of fc6            | event

A sum begins after the kernels that were queued before it and runs beside those queued after it;
wait() lets the computing stream wait, not the processor. All other operations are queued on the
computing stream. NCCL may run operations of two streams one after another, so all ranks must call
all of them in the same order.

The same bits. The ring, or the tree, by which NCCL adds follows from the machines, their GPUs and
links, the number of elements and the dtype, not from which rank comes first. So sums have the same
bits on the same machines, with the same NCCL and the same NCCL_ variables; on other GPUs, in other
buckets or with another NCCL_ALGO they may differ in last bits. On every rank a sum is the same.
Switches of NVLink that add by themselves (NVLS) do not keep an order: they are switched off here,
unless NCCL_NVLS_ENABLE is set. NCCL's documentation promises no order; its authors say the above.

A rank that has died. The others' GPUs wait for it without end, and so does a processor that reads a
number from its GPU. mpiexec and srun end all processes then. Besides, barrier(), and with it
share() and spread(), waits for the work that the GPU had at the barrier before. So a training that
shares something after every step is at most a step ahead of its GPU, and waits in this code: it
looks for errors of NCCL (a broken connection), reports ranks that do not come (stalls.py), and can
be left by Ctrl-C.

A recorded step (tn.gpu.CudaGraph) may contain all of this, if it waits for its sums: NCCL's calls
are recorded with the kernels, and each launch runs them. All ranks must launch at the same calls: a
step that runs unrecorded on one rank, since its batch has another shape, must do so on all. A
launch runs none of this code, so it counts no traffic.

This file was run on a stand-in for GPUs and for NCCL (tests/gpu_on_cpu), not yet on several GPUs.

Source: NCCL User Guide, "CUDA Stream Semantics", "Using NCCL with CUDA Graphs", "Fault Tolerance";
NVIDIA/nccl, issues 23, 157, 855 and 1497, on the order of sums, issue 217 on streams; Li and
others, PyTorch Distributed (2020), for the stream of sums.
"""

import os

from tinynet.parallel.launch import ParallelError
from tinynet.parallel.mpi import Mpi, _check

# NCCL's names of the dtypes that can be summed. Arrays that are only moved are bytes.
_SUMMED = {
    "float32": "NCCL_FLOAT32", "float64": "NCCL_FLOAT64",
    "int32": "NCCL_INT32", "int64": "NCCL_INT64",
}  # fmt: skip


class Nccl(Mpi):
    """The ranks of an MPI communicator, each with its own GPU (tinynet/parallel/__init__.py).

    gpu     the GPU of the cupy backend (backends/cupy/device/gpu.py)
    comm    None: MPI's world
    waited  seconds that the processor has waited for other ranks; the GPU's waits are not in it
    Raises ParallelError on every rank where CuPy finds no NCCL on one, or two ranks have one GPU.
    """

    def __init__(self, gpu, comm=None):
        super().__init__(comm)
        from cupy.cuda import nccl

        self._gpu, self._cuda, self._nccl = gpu, gpu.xp.cuda, nccl
        self._communicator = self._last_barrier = None
        found = self.share((nccl.available, self._cuda.Device().pci_bus_id))
        check_gpus(self.hosts, found)  # the same on all ranks, which raise together
        os.environ.setdefault("NCCL_NVLS_ENABLE", "0")
        unique_id = self.share(nccl.get_unique_id() if self.rank == 0 else None)[0]
        try:
            self._communicator = nccl.NcclCommunicator(self.size, unique_id, self.rank)
        except nccl.NcclError as error:
            raise ParallelError(f"NCCL cannot connect the GPUs: {error}") from error
        self._sums = self._cuda.Stream(non_blocking=True)

    def all_reduce(self, array, name=""):
        """Start the sum over all ranks into the array, and return a Request. The array is kept
        alive until its wait()."""
        if not self._on_gpu(array):
            return super().all_reduce(array, name)
        dtype = self._summed(array)
        self._count("all_reduce", array, name)
        self._sums.wait_event(self._cuda.get_current_stream().record())
        address = self._gpu.address(array)
        self._call(
            "allReduce", address, address, array.size, dtype, self._nccl.NCCL_SUM, self._sums.ptr
        )
        return _Request(self._cuda, array, self._sums.record())

    def all_gather(self, array, name=""):
        if not self._on_gpu(array):
            return super().all_gather(array, name)
        self._count("all_gather", array, name)
        gathered = self._gpu.xp.empty((self.size, *array.shape), array.dtype)
        addresses = self._gpu.address(array), self._gpu.address(gathered)
        self._call("allGather", *addresses, array.nbytes, self._nccl.NCCL_UINT8, self._computing)
        return gathered

    def reduce_scatter(self, array, name=""):
        if not self._on_gpu(array):
            return super().reduce_scatter(array, name)
        dtype = self._summed(array)
        _check(array, name)
        self._count("reduce_scatter", array[0], name)
        part = self._gpu.xp.empty(array.shape[1:], array.dtype)
        addresses = self._gpu.address(array), self._gpu.address(part)
        self._call(
            "reduceScatter", *addresses, part.size, dtype, self._nccl.NCCL_SUM, self._computing
        )
        return part

    def broadcast(self, array, root=0, name=""):
        if not self._on_gpu(array):
            return super().broadcast(array, root, name)
        self._count("broadcast", array, name)
        address = self._gpu.address(array)
        self._call(
            "broadcast", address, address, array.nbytes, self._nccl.NCCL_UINT8, root,
            self._computing,
        )  # fmt: skip

    def reduce(self, array, root=0, name=""):
        if not self._on_gpu(array):
            return super().reduce(array, root, name)
        dtype = self._summed(array)
        self._count("reduce", array, name)
        address = self._gpu.address(array)
        self._call(
            "reduce", address, address, array.size, dtype, self._nccl.NCCL_SUM, root,
            self._computing,
        )  # fmt: skip

    def send(self, array, to, name=""):
        if not self._on_gpu(array):
            return super().send(array, to, name)
        self._count("send", array, name)
        address = self._gpu.address(array)
        self._call("send", address, array.nbytes, self._nccl.NCCL_UINT8, to, self._computing)

    def receive(self, array, source, name=""):
        if not self._on_gpu(array):
            return super().receive(array, source, name)
        _check(array, name)
        address = self._gpu.address(array)
        self._call("recv", address, array.nbytes, self._nccl.NCCL_UINT8, source, self._computing)

    def barrier(self):
        """Wait until every rank is here, and this GPU has done what it had at the last barrier."""
        if self._communicator is not None:
            before = self._last_barrier
            self._last_barrier = self._cuda.get_current_stream().record()
            if before is not None:
                self._finish(_End(self, before), "the end of a step")
        super().barrier()

    def _on_gpu(self, array):
        return isinstance(array, self._gpu.xp.ndarray)

    def _summed(self, array):
        """NCCL's number of a dtype."""
        if array.dtype.name not in _SUMMED:
            raise TypeError(f"NCCL adds {', '.join(_SUMMED)}; an array of {array.dtype} is given")
        return getattr(self._nccl, _SUMMED[array.dtype.name])

    @property
    def _computing(self):
        """The stream on which kernels are queued, as NCCL takes it."""
        return self._cuda.get_current_stream().ptr

    def _call(self, function, *arguments):
        """Call a function of the communicator. Raises ParallelError for an error of NCCL, which may
        be of an earlier operation; the GPU's operations are ended then."""
        try:
            getattr(self._communicator, function)(*arguments)
        except self._nccl.NcclError as error:
            self._communicator.abort()
            raise ParallelError(
                f"{error}: rank {self.rank} on {self.hosts[self.rank]} has lost other ranks, or "
                "NCCL cannot go on; NCCL_DEBUG=INFO shows what it does"
            ) from error


class _Request:
    """A sum under way, on the GPU."""

    def __init__(self, cuda, array, end):
        self._cuda, self._array, self._end = cuda, array, end

    def wait(self):
        """Let all that is queued from now on wait for the sum. The processor goes on."""
        self._cuda.get_current_stream().wait_event(self._end)
        self._array = None

    def advance(self):
        """A GPU needs no help to go on."""


class _End:
    """The end of queued work, asked for as Mpi asks its requests."""

    def __init__(self, ranks, event):
        self._ranks, self._event = ranks, event

    def Test(self):
        self._ranks._call("check_async_error")
        return self._event.done


def check_gpus(hosts: list[str], found: list[tuple[bool, str]]) -> None:
    """Raise ParallelError unless each rank has NCCL, and a GPU of its own.

    hosts  the machine of each rank
    found  for each rank, whether CuPy has found NCCL, and the name of its GPU on its machine
    """
    for rank, (has_nccl, _) in enumerate(found):
        if not has_nccl:
            raise ParallelError(
                f"rank {rank} on {hosts[rank]}: CuPy finds no NCCL; pip install nvidia-nccl-cu13, "
                "or nvidia-nccl-cu12 for cupy-cuda12x"
            )
    for host in sorted(set(hosts)):
        gpus = [gpu for its_host, (_, gpu) in zip(hosts, found, strict=True) if its_host == host]
        count = len(set(gpus))
        if count < len(gpus):
            raise ParallelError(
                f"{host} has {len(gpus)} ranks and {count} GPU{'s' if count > 1 else ''} for them, "
                f"and each rank needs its own; mpiexec --map-by ppr:{count}:node starts {count} on "
                "a machine"
            )
