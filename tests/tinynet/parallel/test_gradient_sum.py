"""The sum of gradients over ranks: a batch split among ranks has one process's gradients."""

import numpy as np
import pytest

import tinynet as tn
from tests.ranks import needs_mpi, on_ranks
from tinynet import nn

mpi = needs_mpi()
IMAGES = 6


def network():
    """A small one, with a frozen layer and one whose weight is read twice."""
    tn.seed(3)
    conv, tied = nn.Conv2d(2, 4, 3, dtype=np.float64), nn.Linear(16, 16, dtype=np.float64)
    frozen = nn.Linear(16, 16, dtype=np.float64)
    for parameter in frozen.parameters():
        parameter.requires_grad = False
    return nn.Sequential(
        [("conv", conv), ("flatten", nn.Flatten()), ("one", tied), ("relu", nn.ReLU()),
         ("frozen", frozen), ("two", tied), ("last", nn.Linear(16, 3, dtype=np.float64))]
    )  # fmt: skip


def gradients(ranks, bucket, backend="numpy"):
    """{name: gradient} of the mean loss of the whole batch, each rank with its share."""
    tn.use_backend(backend)
    random = np.random.default_rng(0)
    x, labels = random.standard_normal((IMAGES, 2, 4, 4)), random.integers(0, 3, IMAGES)
    model, mine = network(), tn.parallel.share_of(IMAGES, ranks.rank, ranks.size)
    sums = tn.parallel.GradientSum(model.named_parameters(), ranks, bucket)
    for _ in range(2):  # buckets are used again
        for parameter in model.parameters():
            parameter.grad = None
        logits = model(tn.Tensor(x[mine]))
        loss = tn.softmax_cross_entropy(logits, tn.Labels(labels[mine], 3))
        (loss * (len(labels[mine]) / IMAGES)).backward(when_whole=sums.add)
        sums.wait()
    named = model.named_parameters()
    return {name: tn.get_backend().to_numpy(p.grad) for name, p in named if p.requires_grad}


@mpi
@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_split_batch_has_the_gradients_of_one_process(size):
    whole = gradients(tn.parallel.Single(), 1 << 20)
    assert set(whole) == {
        f"{layer}.{part}" for layer in ("conv", "one", "last") for part in ("weight", "bias")
    }
    for bucket in (1, 500, 1 << 20):  # each alone, some together, all together
        for each in on_ranks(size, gradients, bucket):
            for name, gradient in whole.items():
                assert np.allclose(each[name], gradient, rtol=0, atol=1e-14), (bucket, name)


class Recorder(tn.parallel.Single):
    """One rank that notes the names of the sums it starts."""

    def __init__(self):
        super().__init__()
        self.names = []

    def all_reduce(self, array, name=""):
        self.names.append(name)
        return super().all_reduce(array, name)


def test_sums_start_from_the_last_layer_in_buckets():
    ranks, model = Recorder(), network()
    sums = tn.parallel.GradientSum(model.named_parameters(), ranks, bucket=400)
    logits = model(tn.Tensor(np.ones((1, 2, 4, 4))))
    loss = tn.softmax_cross_entropy(logits, tn.Labels(np.array([0]), 3))
    before_last = []

    def add(parameter):
        before_last.append(list(ranks.names))
        sums.add(parameter)

    loss.backward(when_whole=add)
    sums.wait()
    # last's two have 408 bytes together; one.weight and conv.weight have more, so they are alone.
    assert ranks.names == [
        "last.bias+last.weight", "one.weight", "conv.weight", "one.bias+conv.bias"
    ]  # fmt: skip
    # All but those of the last layer had started before its last gradient came.
    assert before_last[-1] == ranks.names[:3]


def test_a_parameter_without_a_gradient_is_an_error():
    model = network()
    sums = tn.parallel.GradientSum(model.named_parameters(), tn.parallel.Single())
    logits = model[:4](tn.Tensor(np.ones((1, 2, 4, 4))))
    logits.sum().backward(when_whole=sums.add)
    with pytest.raises(RuntimeError, match="last.weight.* got no gradient"):
        sums.wait()
