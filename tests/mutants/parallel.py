"""Mistakes in what several processes do together. Entries as in engine.py."""

PARALLEL = {
    "graph.py": (
        ["tests/tinynet/parallel/test_gradient_sum.py"],
        [
            (
                "a gradient called whole at the first of two reads",
                "if not reads_left[parent]:",
                "if True:",
            ),
        ],
    ),
    "parallel/split.py": (
        ["tests/tinynet/parallel/test_gradient_sum.py"],
        [
            (
                "shares that leave out the rest of a division",
                "return slice(count * rank // size, count * (rank + 1) // size)",
                "return slice(count // size * rank, count // size * (rank + 1))",
            ),
        ],
    ),
    "parallel/gradient_sum.py": (
        ["tests/tinynet/parallel/test_gradient_sum.py"],
        [
            (
                "a sum that starts before its gradients are whole",
                " and not self._buckets[self._started].missing:",
                ":",
            ),
            ("sums that stay in the flat copy", "parameter.grad[...] = part", "pass"),
            (
                "buckets that are never used again",
                "        self.missing = set(self.parameters)\n\n    def _parts",
                "\n    def _parts",
            ),
        ],
    ),
    "parallel/stalls.py": (
        ["tests/tinynet/parallel/test_stalls.py"],
        [
            (
                "ranks that wait themselves named as late",
                "self._waits.get(rank, -1) < operation",
                "self._waits.get(rank, -1) <= operation",
            ),
            ("a wait without an end", "if seconds >= patience:", "if False:"),
        ],
    ),
    "parallel/agreement.py": (
        ["tests/tinynet/parallel/test_engines.py"],
        [("a flag of rank 0 alone", "float(flag)", "float(flag and ranks.rank == 0)")],
    ),
    "parallel/exchange.py": (
        ["tests/tinynet/parallel/test_exchange.py"],
        [
            (
                "gathered parts whose gradients are not summed",
                "return ranks.reduce_scatter(parts, name)[at(slice(count))]",
                "return parts[ranks.rank][at(slice(count))]",
            ),
            (
                "a broadcast whose gradients are not summed",
                "ranks.reduce(total, root, name)",
                "pass",
            ),
            (
                "a gradient for what was not broadcast",
                "return total if ranks.rank == root else ctx.xp.zeros_like(dy)",
                "return total",
            ),
            ("a broadcast into x itself", "else ctx.empty_like(x)", "else x"),
            ("a sum over ranks in dy itself", "total = dy.copy()", "total = dy"),
            (
                "a border whose gradient is not sent back",
                "dx[:, :channels] += before",
                "pass",
            ),
            ("the border's gradient alone", "dx[:, last] += after", "dx[:, last] = after"),
        ],
    ),
    "parallel/nccl.py": (
        ["tests/tinynet/parallel/test_nccl.py", "tests/tinynet/parallel/test_nccl_errors.py"],
        [
            (
                "a sum that does not wait for the kernels before it",
                "self._sums.wait_event(self._cuda.get_current_stream().record())",
                "pass",
            ),
            (
                "kernels that do not wait for a sum",
                "self._cuda.get_current_stream().wait_event(self._end)",
                "pass",
            ),
            (
                "a sum whose memory may be given to another array",
                "return _Request(self._cuda, array, self._sums.record())",
                "return _Request(self._cuda, None, self._sums.record())",
            ),
            (
                "parts counted as long as the whole",
                "*addresses, part.size, dtype",
                "*addresses, array.size, dtype",
            ),
            ("two ranks on one GPU", "if count < len(gpus):", "if count == 0:"),
            ("errors of NCCL not asked for", 'self._ranks._call("check_async_error")', "pass"),
            ("a process that runs ahead of its GPU", "if before is not None:", "if False:"),
        ],
    ),
}
