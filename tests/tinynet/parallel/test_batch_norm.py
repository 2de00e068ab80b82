"""Batch normalisation over the images of all ranks: the numbers of one process with all images."""

import itertools

import numpy as np
import pytest

import tinynet as tn
from tests.oracles.cases import on_host, relative_error
from tests.ranks import needs_mpi, on_ranks
from tinynet import nn

mpi = needs_mpi()
CHANNELS = 3


def images(count):
    """x and dy of a batch whose images differ in mean and deviation, so that ranks do."""
    generator = np.random.default_rng(0)
    x, dy = generator.standard_normal((2, count, CHANNELS, 2, 3))
    spread = np.arange(1, count + 1).reshape(-1, 1, 1, 1)
    return x * spread + spread**2, dy


def normalise(ranks, shares, dtype):
    """{name: result} of two training steps, and of the gradients of the second: this rank has
    shares[rank] images of the batch; without ranks it has all."""
    tn.use_backend("numpy")
    x, dy = (a.astype(dtype) for a in images(sum(shares)))
    if ranks is not None:
        edges = [0, *itertools.accumulate(shares)]
        mine = slice(edges[ranks.rank], edges[ranks.rank + 1])
        x, dy = x[mine], dy[mine]
    layer = nn.BatchNorm2d(CHANNELS, momentum=0.3, dtype=dtype)
    layer.weight.data = np.array([1.5, -0.5, 2.0], dtype)
    layer.ranks = ranks
    layer(tn.Tensor(x / 2))
    leaf = tn.Tensor(x, requires_grad=True)
    y = layer(leaf)
    y.backward(dy)
    return {
        "y": y.numpy(), "dx": leaf.grad, "dweight": layer.weight.grad, "dbias": layer.bias.grad,
        "running_mean": layer.running_mean.numpy(), "running_var": layer.running_var.numpy(),
    }  # fmt: skip


@mpi
@pytest.mark.parametrize("shares", [(5, 1), (2, 4, 1)], ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-6)])
def test_uneven_shares_of_a_batch_are_normalised_as_the_whole(shares, dtype, tolerance):
    whole = normalise(None, shares, dtype)
    every = on_ranks(len(shares), normalise, shares, dtype)
    joined = {name: np.concatenate([each[name] for each in every]) for name in ("y", "dx")}
    joined |= {name: sum(each[name] for each in every) for name in ("dweight", "dbias")}
    for name, array in joined.items():
        assert array.dtype == dtype
        assert relative_error(array, whole[name]) < tolerance, name
    for each in every:
        for name in ("running_mean", "running_var"):
            assert each[name].dtype == dtype
            assert relative_error(each[name], whole[name]) < tolerance, name
            assert np.array_equal(each[name], every[0][name])
    own = normalise(None, shares[:1], dtype)  # of the first rank's images alone
    assert relative_error(every[0]["y"], own["y"]) > 0.1


def slopes(ranks):
    """Pairs of a gradient and the slope of the sum of the ranks' losses, for each number that this
    test moves: x of each rank in turn, then weight and bias, which all ranks share."""
    tn.use_backend("numpy")
    generator = np.random.default_rng(0)
    weight, bias = generator.standard_normal((2, 2))
    everyone = [np.random.default_rng(r).standard_normal((r + 1, 2, 2, 1)) for r in range(3)]
    x = everyone[ranks.rank]

    def loss(requires_grad=False):
        running = tn.Tensor(np.zeros(2)), tn.Tensor(np.ones(2))
        tensors = [tn.Tensor(a, requires_grad) for a in (x, weight, bias)]
        y = tn.batch_norm(*tensors, *running, training=True, eps=0.1, ranks=ranks)
        return (y * y * y).sum() * (ranks.rank + 1), tensors

    total, tensors = loss(requires_grad=True)
    total.backward()
    dx, dweight, dbias = (t.grad for t in tensors)
    every_dx = ranks.share(dx)
    dweight, dbias = sum(ranks.share(dweight)), sum(ranks.share(dbias))
    moved = [(everyone[r], every_dx[r]) for r in range(ranks.size)]
    pairs = []
    for array, gradient in [*moved, (weight, dweight), (bias, dbias)]:
        for at in np.ndindex(array.shape):
            number, losses = array[at], []
            for step in (1e-5, -1e-5):
                array[at] = number + step
                losses.append(sum(ranks.share(loss()[0].item())))
            array[at] = number
            pairs.append((gradient[at], (losses[0] - losses[1]) / 2e-5))
    return pairs


@mpi
@pytest.mark.parametrize("size", [2, 3])
def test_the_gradient_is_the_slope_of_the_sum_of_the_ranks_losses(size):
    for pairs in on_ranks(size, slopes):
        assert len(pairs) == 4 * sum(range(1, size + 1)) + 4
        gradients, expected = np.array(pairs).T
        assert relative_error(gradients, expected) < 1e-8


def one_process(ranks, training, dtype):
    x, dy = (a.astype(dtype) for a in images(4))
    parameters = [np.arange(1, CHANNELS + 1).astype(dtype), np.zeros(CHANNELS, dtype)]
    tensors = [tn.Tensor(a, requires_grad=True) for a in (x, *parameters)]
    running = [tn.Tensor(np.full(CHANNELS, n, dtype)) for n in (2, 3)]
    y = tn.batch_norm(*tensors, *running, training, ranks=ranks)
    y.backward(dy)
    return [y.numpy(), *(t.numpy() for t in running), *(on_host(t.grad) for t in tensors)]


def test_one_rank_is_one_process(backend, dtype):
    tolerance = 2e-6 if dtype == np.float32 else 1e-14
    alone = one_process(None, True, dtype)
    for a, b in zip(one_process(tn.parallel.Single(), True, dtype), alone, strict=True):
        assert a.dtype == b.dtype == dtype
        assert relative_error(a, b) < tolerance


class Silent(tn.parallel.Single):
    """One rank that must not send."""

    def all_gather(self, array, name=""):
        raise AssertionError("all_gather")

    all_reduce = all_gather


def test_in_test_mode_nothing_is_exchanged(backend, dtype):
    alone = one_process(None, False, dtype)
    for a, b in zip(one_process(Silent(), False, dtype), alone, strict=True):
        assert np.array_equal(a, b)


def one_value_each(ranks):
    tn.use_backend("numpy")
    layer = nn.BatchNorm2d(1, momentum=1, dtype=np.float64)
    layer.ranks = ranks
    layer(tn.Tensor(np.full((1, 1, 1, 1), float(ranks.rank))))
    return layer.running_mean.item(), layer.running_var.item()


@mpi
def test_one_value_on_each_of_two_ranks_has_a_variance():
    assert on_ranks(2, one_value_each) == [(0.5, 0.5)] * 2  # 0 and 1


def test_one_value_on_one_rank_is_an_error():
    with pytest.raises(ValueError, match="1 value a channel"):
        one_value_each(tn.parallel.Single())


def test_what_is_no_engine_is_refused():
    ones = tn.Tensor(np.ones(1, np.float32))
    with pytest.raises(TypeError, match="batch_norm: ranks is a int.*tinynet.parallel"):
        tn.batch_norm(tn.Tensor(np.ones((2, 1, 2, 2), np.float32)), None, None, ones, ones, True,
                      ranks=4)  # fmt: skip
