"""Training on several processes, called ranks, on one machine or many.

    mpiexec -n 4 python program.py      starts four processes of one program, ranks 0 to 3
    ranks = tn.parallel.start()         what each of them reaches the others by

One rule makes every gradient right: the loss of the whole is the sum of the ranks' losses. A
gradient is the derivative of that sum, so

    data parallel    each rank has some of a batch's images, and all have the same weights. A rank's
                     loss is its share of the batch's mean; a weight's gradient is the sum of the
                     ranks' gradients (gradient_sum.py)
    model parallel   each rank has some of a layer's units. What another rank's units read is sent
                     there, and its gradient comes back (exchange.py: an op with a backward)

`ranks` is one of three engines with the same methods:

    single.py  one process: a sum over one rank, sent nowhere
    mpi.py     processes, by MPI (mpi4py); arrays in a processor's memory
    nccl.py    one GPU for each process, by NCCL; the same mpiexec starts it

    rank, size, hosts           this process's number, the number of processes, where each runs
    all_reduce(array)           starts the sum over all ranks, into the array itself; the Request
                                that it returns has wait() and advance()
    all_gather(array)           (size, ...): every rank's array, in the order of ranks
    reduce_scatter(array)       array (size, ...): the sum over all ranks of the part [rank]
    broadcast(array, root)      root's array, into every rank's
    reduce(array, root)         the sum over all ranks, into root's array
    send(array, to)  receive(array, source)
    share(value)                [value of rank 0, of rank 1, ...]: small Python values
    spread(value)               rank 0's Python value, on every rank
    barrier()                   wait until every rank is here
    traffic                     the bytes that were sent so far (traffic.py)
    waited                      the seconds that this rank has waited for others

Arrays are C-contiguous, of the same shape and dtype on every rank. Every rank must call the same
methods in the same order. A sum has the same order of terms in every run, so it has the same bits.

Source: Krizhevsky, One weird trick for parallelizing convolutional neural networks (2014); the
methods are MPI's collective operations (MPI 4.0, chapter 6).
"""

from tinynet.parallel.agreement import any_rank
from tinynet.parallel.engines import end_all, start
from tinynet.parallel.exchange import (
    all_gather,
    broadcast,
    with_neighbours,
    without_neighbours,
)
from tinynet.parallel.gradient_sum import GradientSum
from tinynet.parallel.launch import (
    ParallelError,
    by_open_mpi,
    launched,
    launched_rank,
    words_of_launch,
)
from tinynet.parallel.single import Single
from tinynet.parallel.split import share_of

__all__ = [
    "GradientSum", "ParallelError", "Single", "all_gather", "any_rank", "broadcast", "end_all",
    "by_open_mpi", "launched", "launched_rank", "share_of", "start", "with_neighbours",
    "without_neighbours", "words_of_launch",
]  # fmt: skip
