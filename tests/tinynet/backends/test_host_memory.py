"""Reused memory: never while an array still uses it, and no more than needed."""

import errno
import gc
import itertools
import pathlib
import re
import resource

import numpy as np
import pytest

import alexnet
import tinynet as tn
from tests.conftest import EVERY_BACKEND
from tests.oracles.cases import on_host
from tinynet.backends import host_memory
from tinynet.backends.host_memory import SMALLEST, empty, workspace

CLASSES = 10
PROCESSOR = [name for name in ("numpy", "numba") if name in tn.available_backends()]


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

    def evaluate(self, number, images):
        images = np.random.default_rng(number).standard_normal((images, 3, 32, 32), np.float32)
        with tn.no_grad():
            activation = tn.relu(self.conv(tn.Tensor(images)))
            return self.fc(tn.max_pool2d(activation, 2).flatten())


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


@pytest.fixture
def made(monkeypatch):
    """The sizes of the blocks that were made in the test, which begins without any block."""
    sizes = []

    def make(size):
        sizes.append(size)
        return private_memory(size)

    private_memory = host_memory._private_memory
    monkeypatch.setattr(host_memory, "_private_memory", make)
    monkeypatch.setattr(host_memory, "_blocks", host_memory._Blocks())
    return sizes


def of_bytes(size):
    return empty((size,), np.uint8)


def held():
    """The bytes of all blocks, used and unused."""
    host_memory._blocks._take_back_returned()
    return host_memory._blocks.used + sum(
        len(block) for blocks in host_memory._blocks.unused.values() for _, block in blocks
    )


def test_arrays_of_ever_new_sizes_take_no_more_memory_than_three_times_the_largest(made):
    largest = SMALLEST + 4000
    for number in range(1000):
        of_bytes(SMALLEST + 4 * number)
        assert held() <= 3 * largest
    assert len(made) == 1000


def test_of_the_unused_blocks_the_one_that_came_back_first_is_freed(made):
    sizes = [SMALLEST, SMALLEST + 1, SMALLEST + 2]
    for size in sizes:
        of_bytes(size)
    of_bytes(sizes[0])  # used again
    assert made == sizes
    of_bytes(SMALLEST + 3)  # one too many: frees sizes[1]
    of_bytes(sizes[0])
    of_bytes(sizes[2])
    assert made == [*sizes, SMALLEST + 3]
    of_bytes(sizes[1])
    assert made[4:] == [sizes[1]]


def test_the_memory_of_a_large_model_is_freed_while_a_small_one_runs(made, monkeypatch):
    monkeypatch.setattr(host_memory, "RECENT", 10)
    for _ in range(2):
        large = [of_bytes(100 * SMALLEST) for _ in range(3)]
        del large
    assert held() == 300 * SMALLEST
    for _ in range(20):
        of_bytes(SMALLEST)  # the same block each time
    assert made == [100 * SMALLEST] * 3 + [SMALLEST]
    assert held() == SMALLEST


@pytest.mark.parametrize("name", PROCESSOR)
def test_training_steps_find_every_block_again_also_after_evaluations(name, made):
    with tn.use_backend(name):
        network = Network()
        for number in range(3):
            network.step(number)
            network.evaluate(number, images=7)
        warm = len(made)
        assert warm > 5
        for number in range(20):
            network.step(number)
            if number % 5 == 4:
                network.evaluate(number, images=16)
                network.evaluate(number, images=7)
        assert len(made) == warm


@pytest.mark.parametrize("spec", ["paper", "batch-norm"])
def test_alexnets_training_step_finds_every_block_again(spec, made):
    with tn.use_backend("numpy"):
        model = alexnet.build(spec, num_classes=10, image_size=67, width=0.25)
        sgd = tn.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        counts = []
        for number in range(5):
            images = np.random.default_rng(number).standard_normal((8, 3, 67, 67), np.float32)
            loss = tn.softmax_cross_entropy(model(tn.Tensor(images)), np.arange(8))
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            del loss
            counts.append(len(made))
    assert counts[0] > 5
    assert counts[2:] == [counts[1]] * 3


def test_layers_of_all_different_sizes_find_every_block_again(made):
    with tn.use_backend("numpy"):
        widths = range(400, 540, 10)
        layers = [tn.nn.Linear(*pair) for pair in itertools.pairwise(widths)]
        counts = []
        for _ in range(4):
            x = tn.Tensor(np.ones((128, 400), np.float32))
            for layer in layers:
                x = tn.relu(layer(x))
            x.sum().backward()
            del x
            counts.append(len(made))
    assert counts[0] > 2 * len(layers)
    assert counts[2:] == [counts[1]] * 2


def test_unused_blocks_are_freed_before_full_memory_is_reported(made, monkeypatch):
    of_bytes(SMALLEST)
    limit = 10 * SMALLEST
    make = host_memory._private_memory

    def limited(size):
        if held() + size > limit:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return make(size)

    monkeypatch.setattr(host_memory, "_private_memory", limited)
    array = of_bytes(limit)
    assert held() == limit
    with pytest.raises(MemoryError) as caught:
        empty((300, 1024), np.float32)
    assert str(caught.value) == (
        "an array (300, 1024) of float32 takes 0.00123 GB, and the arrays in use 0.000655 GB; "
        "beside them at most (0, 1024) fits"
    )
    del array
    with pytest.raises(
        MemoryError, match=r"in use 0 GB; beside them at most \((159|160), 1024\) fits"
    ):
        empty((300, 1024), np.float32)
    assert empty((150, 1024), np.float32).shape == (150, 1024)


@pytest.mark.parametrize("shape", [(1 << 30, 1 << 20), (1 << 60, 1 << 60)])
def test_an_array_larger_than_any_memory_is_a_memory_error_with_its_shape(shape):
    with pytest.raises(MemoryError, match=str(shape[0])):
        empty(shape, np.float32)
    assert empty(SHAPE, FLOAT).shape == SHAPE


def test_a_grown_workspace_frees_unused_blocks_first(made, monkeypatch):
    of_bytes(SMALLEST)

    def limited(size, dtype):
        if held():
            raise MemoryError
        return np.zeros(size, dtype)

    monkeypatch.setattr(host_memory.np, "empty", limited)
    assert workspace("test full", (3, 4), FLOAT).shape == (3, 4)


def test_large_arrays_lie_in_huge_pages():
    setting = pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not setting.exists() or "[never]" in setting.read_text():
        pytest.skip("this system has no transparent huge pages, or forbids them")
    array = empty((64 << 20,), np.uint8)
    array[:] = 1
    assert _huge_bytes(array) > 0


def _huge_bytes(array):
    """The bytes in huge pages of the mapping that holds this array."""
    inside = False
    for line in pathlib.Path("/proc/self/smaps").read_text().splitlines():
        if mapping := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            first, end = (int(text, 16) for text in mapping.groups())
            inside = first <= address(array) < end
        elif inside and line.startswith("AnonHugePages:"):
            return 1024 * int(line.split()[1])


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
