"""The sum of gradients over all ranks, taken while backward goes on.

    backward    fc8 -> fc7 -> fc6 -> conv5 -> conv4 -> ... -> conv1        time ->
    sums            [  fc8, fc7  ][   fc6   ][  conv5, conv4, conv3 ] ...

backward goes down the layers, so the gradients of the last layers are whole first. Neighbours are
put into a bucket, since many small sums take longer than a large one. A bucket's sum starts when
all of its gradients are whole, and runs while backward computes the layers below. Buckets start in
the same order on every rank, whatever order their gradients come in.

Source: Li and others, PyTorch Distributed (2020), section 3.2, for buckets.
"""

from collections.abc import Iterable

from tinynet.tensor import Tensor

BUCKET = 4 << 20  # bytes


class GradientSum:
    """Sums the gradients of these parameters over all ranks:

        loss.backward(when_whole=gradients.add)
        gradients.wait()

    Afterwards parameter.grad is the sum, the same bits on every rank.

    named_parameters  pairs of a name and a parameter, in the order of the layers; those that
                      require no gradient are left out
    ranks             an engine (tinynet/parallel)
    bucket            bytes: neighbours are summed together until they are as many
    """

    def __init__(self, named_parameters: Iterable[tuple[str, Tensor]], ranks, bucket: int = BUCKET):
        self._ranks = ranks
        trained = [(name, p) for name, p in named_parameters if p.requires_grad]
        self._buckets = [_Bucket(pairs) for pairs in _grouped(trained[::-1], bucket)]
        self._bucket_of = {p: b for b in self._buckets for p in b.parameters}
        self._started = 0

    def add(self, parameter: Tensor) -> None:
        """Count a parameter whose gradient is whole. Starts the sums that can start, and lets those
        under way advance."""
        bucket = self._bucket_of.get(parameter)
        if bucket is not None:
            bucket.missing.discard(parameter)
        while self._started < len(self._buckets) and not self._buckets[self._started].missing:
            self._buckets[self._started].start(self._ranks)
            self._started += 1
        for bucket in self._buckets[: self._started]:
            bucket.request.advance()

    def wait(self) -> None:
        """Wait for all sums. Raises RuntimeError if a parameter has no gradient."""
        if self._started < len(self._buckets):
            names = [name for b in self._buckets[self._started :] for name in b.names_missing()]
            raise RuntimeError(
                f"GradientSum: {', '.join(names)} got no gradient, so nothing can be summed; pass "
                "backward(when_whole=gradients.add), or leave out what the loss does not depend on"
            )
        for bucket in self._buckets:
            bucket.finish()
        self._started = 0


class _Bucket:
    """Gradients that are summed together.

    parameters  in the order of backward
    missing     those whose gradient is not whole yet
    """

    def __init__(self, pairs):
        self.names, self.parameters = [name for name, _ in pairs], [p for _, p in pairs]
        self.missing = set(self.parameters)
        self._flat = None

    def names_missing(self):
        pairs = zip(self.names, self.parameters, strict=True)
        return [name for name, p in pairs if p in self.missing]

    def start(self, ranks):
        """Start the sum: of one gradient where it lies, of several in one flat copy."""
        name = "+".join(self.names)
        if len(self.parameters) == 1:
            self.request = ranks.all_reduce(self.parameters[0].grad, name)
            return
        if self._flat is None:
            first = self.parameters[0]
            count = sum(p.size for p in self.parameters)
            self._flat = first._kernels.xp.empty(count, first.dtype)
        for parameter, part in self._parts():
            part[...] = parameter.grad
        self.request = ranks.all_reduce(self._flat, name)

    def finish(self):
        self.request.wait()
        if self._flat is not None:
            for parameter, part in self._parts():
                parameter.grad[...] = part
        self.missing = set(self.parameters)

    def _parts(self):
        """Pairs of a parameter and its part of the flat copy, in the parameter's shape."""
        start = 0
        for parameter in self.parameters:
            part = self._flat[start : start + parameter.size]
            yield parameter, part.reshape(parameter.shape)
            start += parameter.size


def _grouped(pairs, bucket):
    """The groups, in the order in which they are whole. An array of `bucket` bytes or more is
    alone, so that it is not copied; smaller ones of one dtype are put together, past large ones
    too, until they are as many bytes."""
    groups, small, nbytes = [], [], 0
    for pair in pairs:
        parameter = pair[1]
        size = parameter.size * parameter.dtype.itemsize
        if size >= bucket:
            groups.append([pair])
            continue
        if small and small[0][1].dtype != parameter.dtype:
            groups.append(small)
            small, nbytes = [], 0
        small.append(pair)
        nbytes += size
        if nbytes >= bucket:
            groups.append(small)
            small, nbytes = [], 0
    return groups + [small] if small else groups
