"""A recorded step is the step: the same bits, whatever changes from one launch to the next."""

from types import SimpleNamespace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet.steps import CapturedStep
from alexnet.train import take_step
from tests.cases import on_host
from tinynet.backends.cupy.capture import Captured, Recorder

RATES = (0.02, 0.02, 0.01, 0.005, 0.0025)


def losses_and_state(spec, norm, recorded):
    """Five steps with other batches and rates; a validation between them, and a smaller batch."""
    tn.seed(5)
    model = alexnet.build(spec, 4, 67, width=0.03, init="he", norm=norm)
    optimizer = tn.optim.SGD(model.parameters(), 0.02, 0.9, 5e-4)
    gpu = tn.get_backend().gpu

    def plain(*batch):
        return take_step(model, optimizer, *batch)

    step = CapturedStep(gpu, plain) if recorded else plain
    generator = np.random.default_rng(0)
    x = gpu.xp.asarray(np.zeros((3, 3, 67, 67), np.float32))
    labels = gpu.xp.asarray(np.zeros(3, np.int64))
    losses = []
    for number, rate in enumerate(RATES):
        count = 2 if number == 3 else 3
        x[...] = gpu.xp.asarray(generator.standard_normal(x.shape).astype(np.float32))
        host = generator.integers(0, 4, 3)
        labels[...] = gpu.xp.asarray(host)
        batch = tn.Tensor(x[:count]), tn.Labels(host[:count], 4, labels[:count])
        loss, logits = step(*batch, rate)
        losses += [loss.numpy().tobytes(), logits.numpy().tobytes()]
        with tn.no_grad():
            losses.append(model.eval()(batch[0]).numpy().tobytes())
        model.train()
    velocities = optimizer.state_dict()
    return losses, model.state_dict() | velocities, tn.random.get_state()


@pytest.mark.parametrize("norm", [None, "batch"])
def test_recorded_steps_are_the_plain_ones_bit_by_bit(norm, on_gpu):
    plain, recorded = (losses_and_state("paper", norm, how) for how in (False, True))
    assert recorded[0] == plain[0]
    assert recorded[2] == plain[2], "the count of dropout masks"
    assert recorded[1].keys() == plain[1].keys()
    for name, array in plain[1].items():
        assert recorded[1][name].tobytes() == array.tobytes(), name


def test_dropout_draws_anew_at_every_launch(on_gpu):
    tn.seed(0)
    x = tn.Tensor(np.ones((4, 9), np.float32))
    captured = Captured(tn.get_backend().gpu, lambda: tn.dropout(x, 0.5).data)
    launched = [on_host(captured()).tolist() for _ in range(4)]
    draws = [tn.dropout(x, 0.5, draw=draw).numpy().tolist() for draw in range(4)]
    assert launched == draws
    assert tn.dropout(x, 0.5).numpy().tolist() == tn.dropout(x, 0.5, draw=4).numpy().tolist()


def test_a_function_runs_once_and_is_recorded_once(on_gpu):
    calls, x = [], tn.Tensor(np.ones(3, np.float32))
    captured = Captured(tn.get_backend().gpu, lambda: calls.append(0) or (x * 2).data)
    first, *later = (captured() for _ in range(4))
    assert len(calls) == 2
    assert all(array is later[0] for array in later) and first is not later[0]
    x.data.fill(5)
    assert on_host(captured()).tolist() == [10, 10, 10]


def test_a_step_that_reads_a_number_cannot_be_recorded(on_gpu):
    x = tn.Tensor(np.ones(3, np.float32))
    captured = Captured(tn.get_backend().gpu, lambda: x.sum().item())
    assert captured() == 3
    with pytest.raises(Exception, match="record|captur"):
        captured()


# --- with CuPy's objects --------------------------------------------------------------------------


class Events(list):
    """A cupy module whose streams and pools write down what is done to them."""

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
                self.bytes -= 50  # the rest belongs to an array that somebody holds

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


def test_a_recorder_waits_for_what_was_queued_and_is_waited_for():
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


def test_the_memory_of_a_recording_that_is_gone_is_given_back():
    """At once, and what somebody held then, when the next recording begins."""
    events = Events()
    module = events.module()
    recorder = Recorder(module)
    del recorder
    assert events == ["waited for", "freed"]
    Recorder(module)
    assert events[2] == "freed"
