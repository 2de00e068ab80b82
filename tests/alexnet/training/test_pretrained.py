"""What of a file starts a network: layers, the spec and its changes, the normalisation."""

from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest

import alexnet
import tinynet as tn
from alexnet import SPECS
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, UsageError
from alexnet.network.variants import CHANGES
from alexnet.training.pretrained import Pretrained
from tests.alexnet.looked_into import CLASSES, save

pytestmark = pytest.mark.usefixtures("numpy_backend")

FLAGS = {name: None for name in ("spec", "image_size", *CHANGES)}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The checkpoint of a small network; tests only read it."""
    path = tmp_path_factory.mktemp("file") / "net.npz"
    saved = save(path)
    return path, saved.model


def built(classes=3, seed=8, spec="paper", **changes):
    tn.seed(seed)
    return alexnet.build(spec, classes, 67, **{"width": 0.05, "init": "he"} | changes)


def write_state(path, state):
    tn.save(path, {name: np.asarray(array) for name, array in state.items()})
    return path


def started(path, model, classes=("x", "y", "z")):
    lines = Pretrained.read(path).start(model, list(classes))
    return model.state_dict(), lines


# --- weights --------------------------------------------------------------------------------------


def test_fitting_layers_have_the_files_bits_and_the_others_are_what_the_seed_draws(file):
    path, theirs = file
    state, lines = started(path, built())
    random = built().state_dict()
    for name, array in state.items():
        expected = random if name.startswith("fc8") else theirs
        assert np.array_equal(array, expected[name]), name
    assert lines[0].endswith("net.npz, a checkpoint of this program: conv1-fc7")
    assert lines[1] == "random: fc8"
    width = theirs["fc8.weight"].shape[1]
    assert lines[2] == (
        f"left in the file: fc8.weight (7, {width}): fc8 has (3, {width}); "
        "fc8.bias (7,): fc8 has (3,)"
    )


def test_a_state_dict_and_a_pth_start_the_same_network_as_the_checkpoint(file, tmp_path):
    path, theirs = file
    expected, _ = started(path, built())
    state, _ = started(write_state(tmp_path / "state.npz", theirs), built())
    torch = pytest.importorskip("torch", reason="PyTorch writes the .pth")
    torch.save({n: torch.from_numpy(a.copy()) for n, a in theirs.items()}, tmp_path / "net.pth")
    by_torch, _ = started(tmp_path / "net.pth", built())
    for name in expected:
        assert np.array_equal(state[name], expected[name]), name
        assert np.array_equal(by_torch[name], expected[name]), name


def test_a_last_layer_for_other_classes_is_left_in_the_file_also_at_the_same_width(file):
    path, theirs = file
    state, lines = started(path, built(7), [*CLASSES[:6], "hen"])
    assert np.array_equal(state["fc8.weight"], built(7).state_dict()["fc8.weight"])
    assert np.array_equal(state["fc7.weight"], theirs["fc7.weight"])
    assert "random: fc8" in lines
    assert "left in the file: fc8: it names classes ant, bee, cat, ..." in lines


def test_a_last_layer_for_the_same_classes_is_loaded(file):
    path, theirs = file
    state, lines = started(path, built(7), CLASSES)
    assert np.array_equal(state["fc8.weight"], theirs["fc8.weight"])
    assert len(lines) == 1


def test_a_file_without_a_record_loads_a_last_layer_of_the_same_width(file, tmp_path):
    _, theirs = file
    state, _ = started(write_state(tmp_path / "state.npz", theirs), built(7), CLASSES[::-1])
    assert np.array_equal(state["fc8.weight"], theirs["fc8.weight"])


def test_a_bias_is_not_taken_without_its_weight(file, tmp_path):
    """conv2 in one tower reads all channels of conv1: its weight does not fit, its bias would."""
    _, theirs = file
    one_tower = np.repeat(theirs["conv2.weight"], 2, axis=1)
    biases = {name: np.full_like(a, 5) for name, a in theirs.items() if name.endswith("bias")}
    path = write_state(tmp_path / "state.npz", theirs | biases | {"conv2.weight": one_tower})
    state, lines = started(path, built())
    assert np.array_equal(state["conv2.bias"], built().state_dict()["conv2.bias"])
    assert (state["conv3.bias"] == 5).all()
    assert lines[1] == "random: conv2, fc8"
    assert "conv2.weight" in lines[2] and "conv2.bias" not in lines[2]


def test_a_bias_that_the_file_does_not_have_is_0(file, tmp_path):
    _, theirs = file
    state = {name: array for name, array in theirs.items() if name != "conv2.bias"}
    model = built(init="published")  # whose biases of conv2 are 1
    assert (model.state_dict()["conv2.bias"] == 1).all()
    result, _ = started(write_state(tmp_path / "state.npz", state), model)
    assert (result["conv2.bias"] == 0).all()
    assert np.array_equal(result["conv2.weight"], theirs["conv2.weight"])


def test_float64_weights_become_float32_and_numbers_beyond_it_are_an_error(file, tmp_path):
    _, theirs = file
    state = {name: array.astype(np.float64) for name, array in theirs.items()}
    result, _ = started(write_state(tmp_path / "double.npz", state), built())
    assert result["conv1.weight"].dtype == np.float32
    assert np.array_equal(result["conv1.weight"], theirs["conv1.weight"])
    state["conv3.weight"][0, 0, 0, 0] = 1e300
    path = write_state(tmp_path / "large.npz", state)
    with pytest.raises(DataError, match="large.npz: conv3.weight holds .* not finite in float32"):
        started(path, built())


def test_a_file_of_which_nothing_fits_is_an_error_that_names_its_arrays(file):
    path, theirs = file
    shape = str(theirs["conv1.weight"].shape).replace("(", r"\(").replace(")", r"\)")
    message = (
        rf"net.npz: none of its arrays fits paper; in the file: conv1.weight {shape}, .*\.\.\."
    )
    with pytest.raises(DataError, match=message):
        started(path, built(width=0.02))


# --- the network of the flags ---------------------------------------------------------------------


def with_flags(path, **flags):
    args = Pretrained.read(path).with_flags(Namespace(**FLAGS | flags))
    return {name: value for name, value in vars(args).items() if value is not None}


def test_the_network_is_the_files_where_no_flag_is_set(file):
    assert with_flags(file[0]) == {"spec": "paper", "image_size": 67, "width": 0.05}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"dropout": 0.2}, {"spec": "paper", "image_size": 67, "width": 0.05, "dropout": 0.2}),
        ({"image_size": 99}, {"spec": "paper", "image_size": 99, "width": 0.05}),
        ({"width": 0.1}, {"spec": "paper", "image_size": 67, "width": 0.1}),
        ({"spec": "paper"}, {"spec": "paper", "image_size": 67, "width": 0.05}),
        ({"spec": "torchvision"}, {"spec": "torchvision"}),
        ({"init": "glorot"},
         {"spec": "paper", "image_size": 67, "width": 0.05, "init": "glorot"}),
    ],
)  # fmt: skip
def test_a_flag_wins_and_leaves_the_others_to_the_file(file, flags, expected):
    assert with_flags(file[0], **flags) == expected


def test_initial_weights_are_not_the_files(tmp_path):
    save(tmp_path / "net.npz")  # its record says "he"
    assert "init" not in with_flags(tmp_path / "net.npz")


def trunk(path, spec):
    """The convolutions of a spec, full width, as arrays of ones."""
    layers = alexnet.network.plan.plan(SPECS[spec], 5, SPECS[spec].image_size)
    shapes = alexnet.network.plan.array_shapes([x for x in layers if x.kind == "Conv2d"])[0]
    return write_state(path, {n: np.ones(shape, np.float32) for n, shape in shapes.items()})


def test_a_part_of_a_network_is_the_spec_that_most_of_it_fits(tmp_path):
    assert with_flags(trunk(tmp_path / "t.npz", "cifar10")) == {"spec": "cifar10"}


def test_a_part_that_fits_several_specs_needs_the_users_word(tmp_path):
    path = trunk(tmp_path / "t.npz", "paper")
    with pytest.raises(UsageError, match=r"t\.npz: its arrays fit paper, .* alike; .*--spec paper"):
        with_flags(path)
    assert with_flags(path, spec="caffe") == {"spec": "caffe"}


def test_a_file_that_fits_no_spec_is_an_error(tmp_path):
    path = write_state(tmp_path / "t.npz", {"conv1.weight": np.ones((5, 3, 2, 2), np.float32)})
    with pytest.raises(
        DataError, match=r"t.npz: none of its arrays fits any spec; .*\(5, 3, 2, 2\)"
    ):
        with_flags(path)


def test_a_file_without_a_record_tells_its_image_size_by_its_first_connected_layer(tmp_path):
    model = built(5, spec="batch-norm", width=0.02)
    path = write_state(tmp_path / "state.npz", model.state_dict())
    assert with_flags(path, width=0.02, spec="batch-norm")["image_size"] == 67


# --- normalisation --------------------------------------------------------------------------------


def test_images_are_normalised_as_the_record_says(file):
    normalization = Pretrained.read(file[0]).normalization(SPECS["torchvision"], 99)
    assert (normalization.mean == 120).all() and (normalization.divisor == 60).all()


def test_a_mean_image_of_another_size_becomes_its_colour(tmp_path):
    saved = save(tmp_path / "net.npz")
    image = np.random.default_rng(0).uniform(90, 160, (3, 67, 67))
    normalization = Normalization(image, np.ones((3, 1, 1)))
    replace(saved, normalization=normalization).save(tmp_path / "net.npz")
    pretrained = Pretrained.read(tmp_path / "net.npz")
    assert np.array_equal(pretrained.normalization(SPECS["paper"], 67).mean, np.float32(image))
    other = pretrained.normalization(SPECS["paper"], 99).mean
    assert other.shape == (3, 1, 1)
    assert other.ravel() == pytest.approx(image.mean(axis=(1, 2)), rel=1e-6)


def test_without_a_record_images_are_normalised_as_the_published_network_takes_them(file, tmp_path):
    pretrained = Pretrained.read(write_state(tmp_path / "state.npz", file[1]))
    own = pretrained.normalization(SPECS["torchvision"], 67)
    assert own.mean.ravel() == pytest.approx(255 * np.array([0.485, 0.456, 0.406]), rel=1e-6)
    assert pretrained.normalization(SPECS["caffe"], 67).mean.ravel().tolist() == [123, 117, 104]
    assert pretrained.normalization(SPECS["paper"], 67) is None
