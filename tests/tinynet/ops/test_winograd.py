"""Convolution by Winograd's tiles: the same numbers as im2col, and the choice between the two."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinynet as tn
from tests.oracles.cases import on_host, relative_error, spaced

TOLERANCE = {"float32": 1e-4, "float64": 1e-10}

kernel_sizes = pytest.mark.parametrize("kernel", [3, 5])


@pytest.fixture(autouse=True)
def by_winograd():
    """Convolutions in this file use Winograd's tiles; other files keep their algorithm."""
    with tn.conv_algorithm("winograd"):
        yield


def run(arrays, dtype, padding, groups=1):
    """y, dx, dweight and, if there is a bias, dbias."""
    tensors = [tn.Tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y = tn.conv2d(*tensors, padding=padding, groups=groups)
    y.backward(spaced(y.shape, "dy").astype(dtype))
    return [y.numpy(), *(on_host(t.grad) for t in tensors)]


def by_im2col(arrays, padding, groups=1):
    """The same arrays by the reference's im2col in float64."""
    with tn.use_backend("numpy"), tn.conv_algorithm("im2col"):
        return run(arrays, np.float64, padding, groups)


def assert_alike(ours, expected, dtype):
    for name, a, b in zip(["y", "dx", "dweight", "dbias"], ours, expected, strict=False):
        assert a.dtype == dtype and a.shape == b.shape, name
        assert relative_error(a, b) <= TOLERANCE[dtype.name], name


# --- the numbers ----------------------------------------------------------------------------------


@st.composite
def convolutions(draw):
    """(arrays, padding, groups): maps of one pixel or more, padding up to more than the kernel."""
    kernel, groups = draw(st.sampled_from([3, 5])), draw(st.integers(1, 2))
    padding = draw(st.tuples(st.integers(0, 6), st.integers(0, 6)))
    size = [draw(st.integers(max(1, kernel - 2 * p), 14)) for p in padding]
    channels, outputs = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    images = draw(st.integers(1, 5))
    shapes = [(images, groups * channels, *size), (groups * outputs, channels, kernel, kernel)]
    if draw(st.booleans()):
        shapes.append((groups * outputs,))
    return [spaced(shape, str(i)) for i, shape in enumerate(shapes)], padding, groups


@given(convolution=convolutions())
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_output_and_gradients_are_im2cols_for_all_shapes(backend, dtype, convolution):
    arrays, padding, groups = convolution
    assert_alike(run(arrays, dtype, padding, groups), by_im2col(arrays, padding, groups), dtype)


@kernel_sizes
def test_each_image_of_a_batch_larger_than_a_block_is_computed_independently(backend, kernel):
    arrays = [spaced((131, 2, 5, 6), "x"), spaced((3, 2, kernel, kernel), "weight")]
    ours, expected = run(arrays, np.dtype(float), 1), by_im2col(arrays, 1)
    assert_alike(ours, expected, np.dtype(float))
    alone = run([arrays[0][-1:], arrays[1]], np.dtype(float), 1)
    assert relative_error(ours[0][-1:], alone[0]) <= 1e-13


@pytest.mark.parametrize(
    ("x", "weight", "padding", "groups"),
    [
        ((2, 256, 13, 13), (32, 256, 3, 3), 1, 1),
        ((2, 96, 27, 27), (32, 48, 5, 5), 2, 2),
    ],
    ids=["conv3", "conv2"],
)
def test_float32_keeps_the_stated_tolerance_on_alexnets_layers(backend, x, weight, padding, groups):
    generator = np.random.default_rng(0)
    arrays = [generator.standard_normal(s).astype(np.float32) for s in (x, weight)]
    ours = run(arrays, np.dtype(np.float32), padding, groups)
    assert_alike(ours, by_im2col(arrays, padding, groups), np.dtype(np.float32))


@kernel_sizes
def test_output_and_gradients_are_pytorchs(backend, dtype, kernel):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    arrays = [spaced((3, 6, 9, 7), "x"), spaced((4, 3, kernel, kernel), "w"), spaced((4,), "b")]
    peers = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y = torch.conv2d(*peers, padding=(1, 2), groups=2)
    dy = torch.tensor(spaced(tuple(y.shape), "dy").astype(dtype))
    theirs = [y.detach().numpy(), *(g.numpy() for g in torch.autograd.grad(y, peers, dy))]
    assert_alike(run(arrays, dtype, (1, 2), groups=2), theirs, dtype)


@kernel_sizes
def test_gradients_are_slopes(backend, kernel):
    arrays = [spaced((2, 4, 6, 3), "x"), spaced((2, 2, kernel, kernel), "w"), spaced((2,), "b")]

    def function(x, weight, bias):
        return tn.conv2d(x, weight, bias, padding=(1, 2), groups=2)

    assert tn.check_gradients(function, arrays, directions=5) <= 1e-6


@kernel_sizes
@pytest.mark.parametrize("padding", [(1, 2), (0, 7)])
def test_each_backward_is_the_transpose_of_the_forward(backend, kernel, padding):
    """y is linear in x and in the weight, so <dy, y> = <dx, x> = <dweight, weight>."""
    x, weight = spaced((3, 4, 8, 9), "x"), spaced((6, 2, kernel, kernel), "weight")
    y, dx, dweight = run([x, weight], np.float64, padding, groups=2)
    product = (spaced(y.shape, "dy") * y).sum()
    assert np.isclose((dx * x).sum(), product, rtol=1e-11)
    assert np.isclose((dweight * weight).sum(), product, rtol=1e-11)


@kernel_sizes
def test_the_same_call_gives_the_same_bits_and_leaves_its_inputs_alone(backend, dtype, kernel):
    arrays = [spaced((9, 5, 11, 6), "x"), spaced((3, 5, kernel, kernel), "weight")]
    inputs = [a.astype(dtype) for a in arrays]
    first, second = run(inputs, dtype, 2), run(inputs, dtype, 2)
    assert [a.tobytes() for a in first] == [a.tobytes() for a in second]
    assert all(np.array_equal(a, b.astype(dtype)) for a, b in zip(inputs, arrays, strict=True))


@kernel_sizes
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_reaches_every_output_that_reads_it(
    backend, dtype, kernel, poison
):
    x, weight = spaced((3, 2, 14, 13), "x"), spaced((2, 2, kernel, kernel), "weight")
    x[1, 0, 4, 5] = poison
    ours, expected = run([x, weight], dtype, 1), by_im2col([x, weight], 1)
    for a, b in zip(ours, expected, strict=True):
        assert not np.isfinite(a[~np.isfinite(b)]).any()
    y = ours[0]
    assert np.isfinite(y[[0, 2]]).all(), "another image"
    assert np.isfinite(y[1, :, -3:]).all(), "a tile that does not read the pixel"


def test_the_matrices_of_3_x_3_are_lavin_and_grays():
    reference = importlib.import_module("tinynet.backends.numpy.winograd")
    A, B, G = reference.matrices(3, np.float64)
    assert A.T.tolist() == [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ]
    assert B.T.tolist() == [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
    expected = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
    assert np.allclose(24 * G, expected, rtol=1e-15, atol=0)


# --- the choice -----------------------------------------------------------------------------------


@pytest.fixture
def calls(backend, monkeypatch):
    """The names of the convolution kernels that are called, in order."""
    kernels, names = tn.get_backend(), []

    def recorder(name):
        kernel = getattr(kernels, name)

        def call(*arguments):
            names.append(name)
            return kernel(*arguments)

        return call

    for algorithm in ("conv2d", "winograd"):
        for name in (algorithm, f"{algorithm}_backward_input", f"{algorithm}_backward_weight"):
            monkeypatch.setattr(kernels, name, recorder(name))
    return names


def convolve(kernel=(3, 3), stride=1):
    x = tn.Tensor(np.ones((1, 1, 7, 7)), requires_grad=True)
    weight = tn.Tensor(np.ones((1, 1, *kernel)), requires_grad=True)
    return tn.conv2d(x, weight, stride=stride)


def step(algorithm):
    return [algorithm, f"{algorithm}_backward_input", f"{algorithm}_backward_weight"]


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5)])
@pytest.mark.parametrize("pays", [True, False])
def test_a_named_algorithm_is_used_whether_it_pays_or_not(calls, kernel, pays, monkeypatch):
    monkeypatch.setattr(tn.get_backend(), "winograd_pays", lambda *_: pays)
    convolve(kernel).sum().backward()
    assert calls == step("winograd")
    calls.clear()
    with tn.conv_algorithm("im2col"):
        convolve(kernel).sum().backward()
    assert calls == step("conv2d")


@pytest.mark.parametrize(
    ("kernel", "stride"), [((3, 3), 2), ((5, 5), (1, 2)), ((3, 5), 1), ((1, 1), 1), ((4, 4), 1)]
)
@pytest.mark.parametrize("algorithm", ["winograd", "auto"])
def test_im2col_is_used_where_winograd_is_not_defined(calls, kernel, stride, algorithm):
    with tn.conv_algorithm(algorithm):
        convolve(kernel, stride).sum().backward()
    assert calls == step("conv2d")


@pytest.mark.parametrize("pays", [True, False])
def test_auto_asks_the_backend_whether_winograd_pays(calls, pays, monkeypatch):
    questions = []
    monkeypatch.setattr(tn.get_backend(), "winograd_pays", lambda *a: questions.append(a) or pays)
    with tn.conv_algorithm("auto"):
        convolve().sum().backward()
    assert calls == step("winograd" if pays else "conv2d")
    assert questions == [((1, 1, 7, 7), (1, 1, 3, 3), (1, 1), (0, 0), 1)]


def test_the_default_choice_is_auto():
    program = (
        "import numpy as np, tinynet as tn\n"
        "tn.use_backend('numpy')\n"
        "tn.get_backend().winograd_pays = lambda *_: print('asked')\n"
        "tn.conv2d(tn.Tensor(np.ones((1, 1, 3, 3))), tn.Tensor(np.ones((1, 1, 3, 3))))\n"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "asked\n"


def test_auto_chooses_im2col_on_the_reference(monkeypatch):
    with tn.use_backend("numpy"), tn.conv_algorithm("auto"):
        monkeypatch.setattr(tn.get_backend(), "winograd", None)
        assert convolve().shape == (1, 1, 5, 5)


def test_backward_uses_the_algorithm_of_its_forward(calls):
    y = convolve().sum()
    with tn.conv_algorithm("im2col"):
        y.backward()
    assert calls == step("winograd")


def test_a_choice_holds_inside_its_block_and_blocks_nest(calls):
    with tn.conv_algorithm("im2col"):
        with pytest.raises(RuntimeError), tn.conv_algorithm("winograd"):
            convolve()
            raise RuntimeError
        convolve()
    convolve()
    assert calls == ["winograd", "conv2d", "winograd"]


def test_a_choice_without_a_block_holds_from_then_on(calls):
    tn.conv_algorithm("im2col")  # the fixture's block restores the choice before
    convolve()
    assert calls == ["conv2d"]


@pytest.mark.parametrize("name", ["fft", "Winograd", None])
def test_an_unknown_algorithm_is_an_error_that_names_the_known_ones(calls, name):
    with pytest.raises(ValueError, match=f"conv_algorithm: {name!r}.*im2col, winograd, auto"):
        tn.conv_algorithm(name)
    convolve()
    assert calls == ["winograd"]


def test_an_infinite_pixel_makes_nan_of_its_tiles_but_infinity_by_im2col(backend):
    """As the README says. The pixel lies in one tile, of 4 x 4 outputs, and at a corner of four."""
    weight = tn.Tensor(spaced((16, 16, 3, 3), "weight").astype(np.float32))
    for at, least in ((17, 16), (16, 17)):
        x = spaced((1, 16, 40, 40), "x").astype(np.float32)
        x[0, 0, at, at] = np.inf
        outputs = {}
        for algorithm in ("im2col", "winograd"):
            with tn.conv_algorithm(algorithm), np.errstate(invalid="ignore"):
                outputs[algorithm] = tn.conv2d(tn.Tensor(x), weight, padding=1).numpy()[0, 0]
        assert np.isinf(outputs["im2col"]).sum() == 9 and not np.isnan(outputs["im2col"]).any()
        spread = np.isnan(outputs["winograd"]).sum()
        assert least <= spread <= 64 and (spread == 16) == (least == 16)
