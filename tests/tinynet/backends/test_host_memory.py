"""Reused memory: never while an array still uses it, and no more than needed."""

import gc
import resource

import numpy as np
import pytest

import tinynet as tn
from tests.conftest import EVERY_BACKEND
from tests.oracles.cases import on_host
from tinynet.backends import host_memory
from tinynet.backends.host_memory import SMALLEST, empty, workspace

CLASSES = 10


@pytest.fixture(params=[each for each in EVERY_BACKEND if each.values != ("cupy-host",)])
def backend(request):
    """The backends that reuse memory: through host_memory on a processor, CuPy's pool on a GPU.
    cupy-host is left out, because its arrays are new NumPy arrays each time."""
    with tn.use_backend(request.param):
        yield request.param


class Network:
    """Two layers whose activations and gradients are so large that their memory is reused."""

    def __init__(self):
        self.conv = tn.nn.Conv2d(3, 8, 3, padding=1)
        self.fc = tn.nn.Linear(8 * 16 * 16, CLASSES)
        self.parameters = [*self.conv.parameters(), *self.fc.parameters()]
        for index, parameter in enumerate(self.parameters):
            tn.nn.init.normal(parameter, 0.1, index=index)
        self.sgd = tn.optim.SGD(self.parameters, lr=0.01, momentum=0.9)

    def step(self, number):
        """Take one step; returns its activation, its output and a gradient."""
        images = np.random.default_rng(number).standard_normal((16, 3, 32, 32), np.float32)
        self.sgd.zero_grad()
        activation = tn.relu(self.conv(tn.Tensor(images)))
        logits = self.fc(tn.max_pool2d(activation, 2).flatten())
        wide = activation * 1.0
        loss = tn.softmax_cross_entropy(logits, np.arange(16) % CLASSES) + wide.mean()
        loss.backward()
        self.sgd.step()
        return activation.data, wide.data, self.fc.weight.grad


def test_views_of_an_activation_an_output_and_a_gradient_keep_their_bits(backend):
    network = Network()
    network.step(0)  # from here on memory is reused
    pairs = []
    for number in range(1, 5):
        activation, output, gradient = network.step(number)
        views = [activation[2:, 1], output.reshape(-1)[5:].T, gradient[3:, ::2]]
        pairs.append((views, [view.copy() for view in views]))
        del activation, output, gradient
    for views, copies in pairs:
        for view, copy in zip(views, copies, strict=True):
            assert np.array_equal(on_host(view), on_host(copy))


def test_steps_are_the_same_whether_memory_is_reused_or_not(backend):
    def weights(keep):
        network, arrays = Network(), []
        for number in range(4):
            new = network.step(number)
            if keep:
                arrays.append(new)
        return [p.numpy().tobytes() for p in network.parameters]

    assert weights(keep=True) == weights(keep=False)


def test_memory_stays_flat_without_the_collector(backend):
    network = Network()
    for number in range(4):
        network.step(number)
    gc.collect()
    gc.disable()
    try:
        before = _held_bytes(backend)
        for number in range(20):
            network.step(number)
        # Keeping one activation of each step would take 10 MiB.
        assert _held_bytes(backend) - before < 4 * 1024 * 1024
    finally:
        gc.enable()


def _held_bytes(backend):
    """The bytes of memory that this process holds: on the GPU if the arrays are there."""
    if backend == "cupy":
        return tn.get_backend().xp.get_default_memory_pool().used_bytes()
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        pytest.skip("this system has no /proc/self/statm")


def address(array):
    return array.__array_interface__["data"][0]


SHAPE, FLOAT = (SMALLEST // 4 + 4,), np.dtype(np.float32)


def test_a_block_comes_back_when_its_array_is_gone():
    first = empty(SHAPE, FLOAT)
    where = address(first)
    del first
    assert address(empty(SHAPE, FLOAT)) == where


def test_a_block_that_is_not_requested_again_is_freed(monkeypatch):
    monkeypatch.setattr(host_memory, "KEPT", 10)
    rare = (SMALLEST // 4 + 12,)
    arrays = [empty(rare, FLOAT) for _ in range(3)]
    del arrays
    assert len(host_memory._unused[4 * rare[0]]) == 3
    for extra in range(12):
        empty((SMALLEST // 4 + 100 + extra,), FLOAT)  # sizes not requested before
    assert len(host_memory._unused[4 * rare[0]]) == 0


@pytest.mark.parametrize(
    "look",
    [
        lambda a: a[10:],
        lambda a: a[10:][5:].reshape(1, -1)[0],
        lambda a: a.view(np.int32),
        lambda a: memoryview(a),
        lambda a: np.asarray(memoryview(a)),
        lambda a: a.ctypes,
        lambda a: np.lib.stride_tricks.as_strided(a, (4, 2), (16, 4)),
        lambda a: np.broadcast_to(a, (2, *a.shape)),
        lambda a: iter(a),
    ],
)
def test_a_block_is_not_handed_out_while_an_object_refers_to_it(look):
    array = empty(SHAPE, FLOAT)
    where, view = address(array), look(array)
    del array
    others = [empty(SHAPE, FLOAT) for _ in range(3)]
    assert where not in [address(other) for other in others]
    del view, others


def test_a_block_that_a_pytorch_tensor_uses_is_not_handed_out():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    array = empty(SHAPE, FLOAT)
    where, view = address(array), torch.from_numpy(array)[3:]
    del array
    assert address(empty(SHAPE, FLOAT)) != where
    del view


def test_an_array_is_aligned_contiguous_and_of_the_requested_shape():
    for shape in [(3,), (2, 0, 5), (), (300, 77)]:
        for dtype in (np.float32, np.float64, np.int32):
            array = empty(shape, np.dtype(dtype))
            assert array.shape == shape and array.dtype == dtype
            assert array.flags.c_contiguous and array.flags.writeable and array.flags.aligned


def test_each_key_has_a_workspace_of_its_own():
    a = workspace("test a", (3, 4), FLOAT)
    b = workspace("test b", (3, 4), FLOAT)
    assert not np.shares_memory(a, b)
    assert np.shares_memory(a, workspace("test a", (2, 2), np.dtype(np.float64)))
    assert workspace("test a", (30, 40), FLOAT).shape == (30, 40)
