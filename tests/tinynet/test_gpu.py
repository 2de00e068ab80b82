"""tinynet.gpu: recorded steps give the bits of plain steps; downloads; errors on a processor."""

from types import SimpleNamespace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.train import take_step
from tinynet.backends.cupy.device.recorder import Recorder

RATES = (0.02, 0.02, 0.01, 0.005, 0.0025)


def losses_and_state(spec, norm, record):
    """Train five steps with different batches and rates, one batch smaller; validate after each."""
    tn.seed(5)
    model = alexnet.build(spec, 4, 67, width=0.03, init="he", norm=norm)
    optimizer = tn.optim.SGD(model.parameters(), 0.02, 0.9, 5e-4)
    xp = tn.gpu.device().xp
    step = tn.gpu.CudaGraph(take_step) if record else take_step
    generator = np.random.default_rng(0)
    x = xp.asarray(np.zeros((3, 3, 67, 67), np.float32))
    labels = xp.asarray(np.zeros(3, np.int64))
    losses = []
    for number, rate in enumerate(RATES):
        count = 2 if number == 3 else 3
        x[...] = xp.asarray(generator.standard_normal(x.shape).astype(np.float32))
        host = generator.integers(0, 4, 3)
        labels[...] = xp.asarray(host)
        batch = tn.Tensor(x[:count]), tn.Labels(host[:count], 4, labels[:count])
        loss, logits = step(model, optimizer, *batch, rate)
        losses += [loss.numpy().tobytes(), logits.numpy().tobytes()]
        with tn.no_grad():
            losses.append(model.eval()(batch[0]).numpy().tobytes())
        model.train()
    velocities = optimizer.state_dict()
    return losses, model.state_dict() | velocities, tn.random.get_state()


@pytest.mark.parametrize("norm", [None, "batch"])
def test_recorded_steps_give_the_same_bits_as_plain_steps(norm, on_gpu):
    plain, recorded = (losses_and_state("paper", norm, record) for record in (False, True))
    assert recorded[0] == plain[0]
    assert recorded[2] == plain[2], "the count of dropout masks"
    assert recorded[1].keys() == plain[1].keys()
    for name, array in plain[1].items():
        assert recorded[1][name].tobytes() == array.tobytes(), name


def test_a_recorded_rate_is_scaled_for_each_group(on_gpu):
    """As in a plain step, the same bits; 0.01 is no float32, and 0.01 x 10 is rounded."""
    weights = []
    for record in (False, True):
        a, b = (tn.nn.Parameter(np.ones(3, np.float32)) for _ in range(2))
        groups = [{"parameters": [a]}, {"parameters": [b], "lr_scale": 10.0}]
        sgd = tn.optim.SGD(groups, lr=9.0)

        def move(sgd, a, b, lr):
            sgd.zero_grad()
            loss = (a + b).sum()
            loss.backward()
            sgd.step(lr)
            return loss

        move = tn.gpu.CudaGraph(move) if record else move
        for rate in (0.01, 0.02, 0.03):
            move(sgd, a, b, rate)
        weights.append(np.stack([a.numpy(), b.numpy()]))
    np.testing.assert_array_equal(*weights)
    np.testing.assert_allclose(weights[0], [[0.94] * 3, [0.4] * 3], rtol=1e-6)


def test_a_rate_in_another_dtype_than_the_parameters_is_refused(on_gpu):
    weight = tn.nn.Parameter(np.ones(3))  # float64
    sgd = tn.optim.SGD([weight], lr=1.0)
    (weight * 2.0).sum().backward()
    rate = tn.Tensor(np.float32(0.5))
    with pytest.raises(TypeError, match="lr is a Tensor of float32, the parameters are float64"):
        sgd.step(rate)


def test_dropout_draws_anew_at_every_launch(on_gpu):
    tn.seed(0)
    x = tn.Tensor(np.ones((4, 9), np.float32))
    graph = tn.gpu.CudaGraph(lambda x: tn.dropout(x, 0.5))
    masks = [graph(x).numpy().tolist() for _ in range(4)]
    draws = [tn.dropout(x, 0.5, draw=draw).numpy().tolist() for draw in range(4)]
    assert masks == draws
    assert tn.dropout(x, 0.5).numpy().tolist() == tn.dropout(x, 0.5, draw=4).numpy().tolist()


def test_a_function_runs_once_and_is_recorded_once(on_gpu):
    calls, x = [], tn.Tensor(np.ones(3, np.float32))
    graph = tn.gpu.CudaGraph(lambda x: calls.append(0) or x * 2)
    first, *later = (graph(x) for _ in range(4))
    assert len(calls) == 2
    assert all(y is later[0] for y in later) and first is not later[0]
    x.data.fill(5)
    assert graph(x).numpy().tolist() == [10, 10, 10]


def test_another_shape_runs_the_function_itself(on_gpu):
    calls = []
    graph = tn.gpu.CudaGraph(lambda x, lr: calls.append(type(lr)) or x * 2)
    x = tn.Tensor(np.ones(3, np.float32))
    for _ in range(3):
        graph(x, 0.5)
    y = graph(tn.Tensor(np.full(2, 7, np.float32)), 0.5)
    assert y.numpy().tolist() == [14, 14]
    assert calls == [tn.Tensor, tn.Tensor, float]


def test_a_step_that_reads_a_number_cannot_be_recorded(on_gpu):
    x = tn.Tensor(np.ones(3, np.float32))
    graph = tn.gpu.CudaGraph(lambda: x.sum().item())
    assert graph() == 3
    with pytest.raises(Exception, match="record|captur"):
        graph()


OTHER_ARGUMENTS = {
    "an array elsewhere": (lambda x: (tn.Tensor(np.ones(3, np.float32)), "a"), "another array"),
    "another object": (lambda x: (x, "b"), "argument 1 is 'b', in the first call it was 'a'"),
    "one fewer": (lambda x: (x,), "had 2 arguments, this one has 1"),
    "labels elsewhere": (lambda x: (tn.Labels([0, 1, 1], 2), "a"), "argument 0 is"),
}


@pytest.mark.parametrize("name", OTHER_ARGUMENTS)
def test_arguments_that_a_recording_would_ignore_are_an_error(name, on_gpu):
    x = tn.Tensor(np.ones(3, np.float32))
    graph = tn.gpu.CudaGraph(lambda x, name: x * 2)
    graph(x, "a")
    arguments, message = OTHER_ARGUMENTS[name]
    with pytest.raises(ValueError, match=f"CudaGraph: .*{message}"):
        graph(*arguments(x))


def test_labels_that_lie_elsewhere_are_an_error(on_gpu):
    logits, labels = tn.Tensor(np.ones((2, 3), np.float32)), tn.Labels([0, 1], 3)
    graph = tn.gpu.CudaGraph(tn.softmax_cross_entropy)
    graph(logits, labels)
    with pytest.raises(ValueError, match="argument 1 lies in another array"):
        graph(logits, tn.Labels([2, 2], 3))


def test_a_download_returns_the_tensors_numbers(backend):
    tensor = tn.Tensor(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert tn.gpu.download(tensor)().tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_download_keeps_the_numbers_from_the_time_of_its_call(on_gpu):
    tensor = tn.Tensor(np.ones(3, np.float32))
    copy = tn.gpu.download(tensor)
    tensor.data.fill(2)
    assert copy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_processor_has_no_device_and_no_cuda_graphs(name):
    if name not in tn.available_backends():
        pytest.skip(f"{name} is not installed")
    with tn.use_backend(name):
        assert tn.gpu.device() is None
        with pytest.raises(tn.BackendError, match=f"backend {name} records no CUDA graphs"):
            tn.gpu.CudaGraph(take_step)


def test_the_device_is_the_gpu_of_the_backend_in_use(on_gpu):
    assert tn.gpu.device() is tn.get_backend().gpu


# --- with stand-ins for CuPy's objects ------------------------------------------------------------


class Events(list):
    """A list of events; module() is a stand-in for cupy whose streams and pools append to it."""

    def module(self):
        events = self

        class Stream:
            def __init__(self, name="recorder's", non_blocking=False):
                self.name, self.non_blocking = name, non_blocking

            def __enter__(self):
                events.append(f"enter {self.name} stream")

            def __exit__(self, *error):
                events.append(f"leave {self.name} stream")

            def record(self):
                return f"{self.name} event"

            def wait_event(self, event):
                events.append(f"{self.name} stream waits for {event}")

            def begin_capture(self):
                assert self.non_blocking
                events.append("begin")

            def end_capture(self):
                events.append("end")
                return "graph"

            def synchronize(self):
                events.append("waited for")

        class Pool:
            malloc, bytes = "own malloc", 100

            def free_all_blocks(self):
                events.append("freed")
                self.bytes -= 50  # an array that still exists holds the rest

            def total_bytes(self):
                return self.bytes

        class Allocator:
            def __init__(self, malloc):
                assert malloc == "own malloc"

            def __enter__(self):
                events.append("own pool")

            def __exit__(self, *error):
                events.append("common pool")

        current = Stream("current")
        return SimpleNamespace(
            cuda=SimpleNamespace(
                Stream=Stream,
                MemoryPool=Pool,
                get_current_stream=lambda: current,
                using_allocator=Allocator,
            )
        )


def test_a_recorder_waits_for_queued_work_and_later_work_waits_for_it():
    events = Events()
    recorder = Recorder(events.module())
    with recorder:
        assert recorder.record(lambda: events.append("work") or "outputs") == ("graph", "outputs")
    assert events == [
        "recorder's stream waits for current event", "own pool", "enter recorder's stream",
        "begin", "work", "end",
        "leave recorder's stream", "common pool", "current stream waits for recorder's event",
    ]  # fmt: skip


def test_a_recording_that_fails_is_ended():
    events = Events()
    with pytest.raises(ZeroDivisionError), Recorder(events.module()) as recorder:
        recorder.record(lambda: 1 / 0)
    assert events[3:5] == ["begin", "end"]


def test_a_deleted_recording_gives_its_memory_back():
    """At once; the memory of arrays that still exist, when the next recording begins."""
    events = Events()
    module = events.module()
    recorder = Recorder(module)
    del recorder
    assert events == ["waited for", "freed"]
    Recorder(module)
    assert events[2] == "freed"
