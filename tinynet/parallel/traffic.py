"""How many bytes a rank sends, by the formula of each operation, and a count of them by name.

The formulas are those of the best algorithms known, for n ranks and arrays of b bytes:

    all_reduce       2 (n - 1) / n b    a ring: each rank sends n - 1 parts to be summed, and then
                                        n - 1 sums
    all_gather       (n - 1) b          b of one rank
    reduce_scatter   (n - 1) b          b of one part
    broadcast        (n - 1) / n b      a rank's mean; root's b reach n - 1 ranks
    reduce           (n - 1) / n b      the same backwards
    send             b

Headers of packets, and the few bytes by which ranks agree, come on top.

Source: Thakur, Rabenseifner, Gropp, Optimization of collective communication operations in MPICH
(2005), sections 4.1 and 4.5.
"""

from collections import Counter


class Traffic:
    """The bytes that a rank has sent.

    size             the number of ranks
    bytes_by_name    {name: bytes}
    calls_by_name    {name: number of operations}
    """

    def __init__(self, size: int):
        self._size = size
        self.bytes_by_name: Counter[str] = Counter()
        self.calls_by_name: Counter[str] = Counter()

    def add(self, operation: str, nbytes: int, name: str) -> None:
        """Count an operation of an array of so many bytes; name: of the array, "fc6.weight"."""
        self.calls_by_name[name] += 1
        self.bytes_by_name[name] += sent_bytes(operation, nbytes, self._size)

    @property
    def total(self) -> float:
        return sum(self.bytes_by_name.values())

    @property
    def calls(self) -> int:
        return self.calls_by_name.total()


def sent_bytes(operation: str, nbytes: int, size: int) -> float:
    """The bytes that each of `size` ranks sends, a mean over the ranks, where the array has
    nbytes: for all_gather a rank's own array, for reduce_scatter a part of it."""
    others = size - 1
    match operation:
        case "all_reduce":
            return 2 * others / size * nbytes
        case "all_gather" | "reduce_scatter":
            return others * nbytes
        case "broadcast" | "reduce":
            return others / size * nbytes
        case "send":
            return nbytes
    raise ValueError(f"sent_bytes: {operation!r} is no operation that sends")
