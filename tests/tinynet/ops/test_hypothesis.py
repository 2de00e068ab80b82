"""Ops on random shapes against PyTorch, forward and backward."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

random_examples = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def pairs(least, most):
    return st.tuples(st.integers(least, most), st.integers(least, most))


def int_or_pair(least, most):
    return st.one_of(st.integers(least, most), pairs(least, most))


def assert_as_pytorch(op, peer, arrays):
    """Compare output and gradients of op(tensors) and peer(PyTorch's tensors)."""
    ours = [tn.Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, expected = op(*ours), peer(*theirs)
    assert y.shape == tuple(expected.shape)
    dy = spaced(y.shape, "dy")
    y.backward(dy)
    expected.backward(torch.tensor(dy))
    assert relative_error(y.numpy(), expected.detach().numpy()) <= 1e-12
    for a, b in zip(ours, theirs, strict=True):
        assert relative_error(on_host(a.grad), b.grad.numpy()) <= 1e-12


@st.composite
def convolutions(draw):
    groups = draw(st.integers(1, 3))
    channels, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel, padding = draw(pairs(1, 4)), draw(int_or_pair(0, 3))
    rows, columns = (padding, padding) if isinstance(padding, int) else padding
    height = draw(st.integers(max(1, kernel[0] - 2 * rows), 9))
    width = draw(st.integers(max(1, kernel[1] - 2 * columns), 9))
    return {
        "x": (draw(st.integers(1, 5)), channels, height, width),
        "weight": (outputs, channels // groups, *kernel),
        "stride": draw(int_or_pair(1, 4)),
        "padding": padding,
        "groups": groups,
        "bias": draw(st.booleans()),
    }


@given(conv=convolutions())
@random_examples
def test_conv2d_of_any_geometry_is_pytorchs(backend, conv):
    shapes = [conv["x"], conv["weight"], conv["weight"][:1]][: 3 if conv["bias"] else 2]
    arguments = {name: conv[name] for name in ("stride", "padding", "groups")}
    assert_as_pytorch(
        lambda *tensors: tn.conv2d(*tensors, **arguments),
        lambda *tensors: torch.conv2d(*tensors, **arguments),
        [spaced(shape, str(i)) for i, shape in enumerate(shapes)],
    )


@given(sizes=st.tuples(*[st.integers(1, 9)] * 3), bias=st.booleans())
@random_examples
def test_linear_of_any_sizes_is_pytorchs(backend, sizes, bias):
    images, inputs, outputs = sizes
    shapes = [(images, inputs), (outputs, inputs), (outputs,)][: 3 if bias else 2]
    arrays = [spaced(shape, str(i)) for i, shape in enumerate(shapes)]
    assert_as_pytorch(tn.linear, torch.nn.functional.linear, arrays)


@st.composite
def pools(draw):
    window = draw(pairs(1, 4))
    padding = tuple(draw(st.integers(0, w // 2)) for w in window)
    sizes = [draw(st.integers(max(1, w - 2 * p), 11)) for w, p in zip(window, padding, strict=True)]
    return {
        "x": (draw(st.integers(1, 3)), draw(st.integers(1, 7)), *sizes),
        "arguments": (window, draw(st.none() | int_or_pair(1, 5)), padding, draw(st.booleans())),
    }


@given(pool=pools())
@random_examples
def test_max_pool2d_of_any_geometry_is_pytorchs(backend, pool):
    window, stride, padding, ceil_mode = pool["arguments"]
    assert_as_pytorch(
        lambda x: tn.max_pool2d(x, *pool["arguments"]),
        lambda x: torch.nn.functional.max_pool2d(x, window, stride, padding, ceil_mode=ceil_mode),
        [spaced(pool["x"])],
    )


@given(pool=pools(), count_include_pad=st.booleans())
@random_examples
def test_avg_pool2d_of_any_geometry_is_pytorchs(backend, pool, count_include_pad):
    arguments = (*pool["arguments"], count_include_pad)
    assert_as_pytorch(
        lambda x: tn.avg_pool2d(x, *arguments),
        lambda x: torch.nn.functional.avg_pool2d(x, *arguments),
        [spaced(pool["x"])],
    )


@st.composite
def broadcasts(draw, count):
    """Shapes that broadcast: some axes of one shape are 1, or left out in front."""
    shape = draw(st.lists(st.integers(1, 4), max_size=4))
    shapes = []
    for _ in range(count):
        sizes = [draw(st.sampled_from([n, 1])) for n in shape]
        shapes.append(tuple(sizes[draw(st.integers(0, len(sizes))) :]))
    return shapes


@given(shapes=broadcasts(2), smaller=st.booleans())
@random_examples
def test_maximum_and_minimum_of_any_shapes_are_pytorchs_with_equal_numbers_too(
    backend, shapes, smaller
):
    name = "minimum" if smaller else "maximum"
    arrays = [np.round(spaced(shape, str(i))) for i, shape in enumerate(shapes)]
    assert_as_pytorch(getattr(tn, name), getattr(torch, name), arrays)


@given(shapes=broadcasts(3))
@random_examples
def test_where_of_any_shapes_is_pytorchs(backend, shapes):
    condition = spaced(shapes[0], "condition") > 0
    assert_as_pytorch(
        lambda a, b: tn.where(condition, a, b),
        lambda a, b: torch.where(torch.tensor(condition), a, b),
        [spaced(shape, str(i)) for i, shape in enumerate(shapes[1:])],
    )


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), data=st.data())
@random_examples
def test_concatenate_of_any_shapes_is_pytorchs(backend, shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    arrays = []
    for i, size in enumerate(sizes):
        part = list(shape)
        part[axis] = size
        arrays.append(spaced(tuple(part), str(i)))
    assert_as_pytorch(
        lambda *tensors: tn.concatenate(tensors, axis),
        lambda *tensors: torch.cat(tensors, axis),
        arrays,
    )


@given(
    shape=st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(1, 9)] * 2),
    reach=st.integers(0, 6),
    beta=st.sampled_from([0.5, 0.75, 1.25]),
)
@random_examples
def test_same_map_norm_of_any_window_is_pytorchs_average_of_squares(backend, shape, reach, beta):
    size = 2 * reach + 1

    def peer(x):
        mean = torch.nn.functional.avg_pool2d(x * x, size, 1, reach, count_include_pad=True)
        return x / (2.0 + 10.0 * mean) ** beta

    assert_as_pytorch(lambda x: tn.same_map_norm(x, size, 10.0, beta, 2.0), peer, [spaced(shape)])


@given(shape=st.tuples(*[st.integers(1, 4)] * 4), sides=st.tuples(*[st.integers(0, 3)] * 4))
@random_examples
def test_pad_of_any_sides_is_pytorchs(backend, shape, sides):
    top, bottom, left, right = sides
    assert_as_pytorch(
        lambda x: tn.pad(x, top, bottom, left, right, 0.5),
        lambda x: torch.nn.functional.pad(x, (left, right, top, bottom), value=0.5),
        [spaced(shape)],
    )


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), data=st.data())
@random_examples
def test_log_softmax_along_any_axis_is_pytorchs(backend, shape, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    assert_as_pytorch(
        lambda x: tn.log_softmax(x, axis),
        lambda x: torch.log_softmax(x, axis),
        [spaced(tuple(shape))],
    )


@given(
    sizes=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    weighted=st.booleans(),
    soft=st.booleans(),
    ignored=st.booleans(),
)
@random_examples
def test_the_loss_with_any_options_is_pytorchs(
    backend, sizes, reduction, smoothing, weighted, soft, ignored
):
    rows, classes = sizes
    options = {"reduction": reduction, "label_smoothing": smoothing}
    weight = spaced((classes,), "weight", positive=True)
    labels = np.arange(rows) % classes
    if ignored and not soft:
        options["ignore_index"] = int(labels[0]) if rows > classes else -100
        labels[1:2] = options["ignore_index"]
    inputs = [spaced(sizes)] + [spaced(sizes, "soft", positive=True)] * soft

    def ours(logits, *target):
        chosen = weight if weighted else None
        return tn.softmax_cross_entropy(logits, *(target or [labels]), weight=chosen, **options)

    def theirs(logits, *target):
        chosen = torch.tensor(weight) if weighted else None
        return torch.nn.functional.cross_entropy(
            logits, *(target or [torch.tensor(labels)]), weight=chosen, **options
        )

    assert_as_pytorch(ours, theirs, inputs)


@given(shape=st.tuples(*[st.integers(1, n) for n in (3, 4, 9, 9)]), size=int_or_pair(1, 7))
@random_examples
def test_adaptive_avg_pool2d_of_any_geometry_is_pytorchs(backend, shape, size):
    assert_as_pytorch(
        lambda x: tn.adaptive_avg_pool2d(x, size),
        lambda x: torch.nn.functional.adaptive_avg_pool2d(x, size),
        [spaced(shape)],
    )
