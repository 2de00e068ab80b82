"""What a converted network takes from the file, from the flags, and from the published network."""

from dataclasses import replace

import numpy as np
import pytest

from alexnet import formats
from alexnet.data.normalization import Normalization
from alexnet.errors import DataError, UsageError
from alexnet.network.specs import SPECS
from alexnet.weights.file_network import FileLayer, FileNetwork
from alexnet.weights.imported import recorded_normalization, to_checkpoint, usual_normalization
from tests.alexnet.formats.small_checkpoints import CLASSES, assert_same, small

GREY = Normalization(np.full((3, 1, 1), 128.0), np.full((3, 1, 1), 64.0))


def foreign(saved, complete=True, **fields):
    """The network of a checkpoint as a file of another program has it."""
    layers = []
    for layer in saved.layers():
        prefix = f"{layer.name}."
        arrays = {
            name.removeprefix(prefix): array
            for name, array in saved.model.items()
            if name.startswith(prefix)
        }
        if arrays or complete:
            layers.append(FileLayer(layer.name, layer.kind, layer.arguments, arrays))
    return FileNetwork("a file", layers, complete=complete, **fields)


def ours(saved, **fields):
    """The same, as a file of this program has it."""
    record = {
        "build": saved.build, "classes": saved.classes, "stored_size": saved.stored_size,
        "normalization": saved.normalization.arrays(), "words": saved.words,
    }  # fmt: skip
    return foreign(saved, complete=False, record=record | fields)


# --- how images are prepared ----------------------------------------------------------------------


def test_torchvisions_network_takes_the_mean_and_deviation_of_0_to_1():
    usual = usual_normalization(SPECS["torchvision"])
    assert np.allclose(usual.mean.ravel() / 255, [0.485, 0.456, 0.406])
    assert np.allclose(usual.divisor.ravel() / 255, [0.229, 0.224, 0.225])


@pytest.mark.parametrize("spec", ["caffe", "caffenet", "onnx-zoo"])
def test_caffes_networks_take_imagenets_mean_colour(spec):
    usual = usual_normalization(SPECS[spec])
    assert usual.mean.ravel().tolist() == [123, 117, 104]  # R, G, B
    assert usual.divisor.ravel().tolist() == [1, 1, 1]


PUBLISHED = {"torchvision", "caffe", "caffenet", "onnx-zoo"}


@pytest.mark.parametrize("spec", sorted(set(SPECS) - PUBLISHED))
def test_of_other_networks_the_user_has_to_say_it(spec):
    with pytest.raises(UsageError, match=f"{spec}, but .* --mean 0 0 0 --divisor 255 255 255"):
        usual_normalization(SPECS[spec])


def test_the_record_wins_over_the_published_network_and_the_flags_over_both():
    saved = small("caffe")
    changes = {"width": 0.03}
    usual = to_checkpoint(foreign(saved), "a", spec="caffe", changes=changes, image_size=67)
    assert usual.normalization.mean.ravel().tolist() == [123, 117, 104]
    recorded = to_checkpoint(ours(saved), "a")
    assert np.array_equal(recorded.normalization.mean, saved.normalization.mean)
    assert to_checkpoint(ours(saved), "a", normalization=GREY).normalization is GREY
    flags = to_checkpoint(
        foreign(saved), "a", spec="caffe", changes=changes, image_size=67, normalization=GREY
    )
    assert flags.normalization is GREY


def test_a_mean_image_of_another_size_becomes_its_colour():
    saved = small("torchvision", 63, mean_image=True)
    record = {"normalization": saved.normalization.arrays()}
    mean = saved.normalization.mean
    assert np.array_equal(recorded_normalization(record, 63).mean, mean)
    colour = recorded_normalization(record, 70).mean
    assert colour.shape == (3, 1, 1)
    assert np.allclose(colour.ravel(), mean.mean(axis=(1, 2)))


# --- which network --------------------------------------------------------------------------------


def test_a_record_makes_the_same_checkpoint():
    saved = small("paper", norm="batch", mean_image=True)
    assert_same(to_checkpoint(ours(saved), "a"), saved)


def test_arrays_alone_need_the_users_word_and_take_it():
    saved = small("caffenet")
    network = foreign(saved, complete=False)
    flags = {"changes": {"width": 0.03}, "image_size": 67}
    with pytest.raises(UsageError, match="fit paper, code-2012, caffe, .*caffenet.* alike.*--spec"):
        to_checkpoint(network, "a", **flags)
    made = to_checkpoint(network, "a", spec="caffenet", **flags)
    assert (made.build["spec"], made.build["width"]) == ("caffenet", 0.03)
    assert all(np.array_equal(made.model[name], a) for name, a in saved.model.items())


def test_a_change_goes_on_top_of_the_recorded_ones():
    saved = small("paper", norm="batch")
    build = to_checkpoint(ours(saved), "a", changes={"dropout": 0.25}).build
    assert (build["norm"], build["dropout"], build["width"]) == ("batch", 0.25, 0.03)
    with pytest.raises(DataError, match="differs in"):
        to_checkpoint(ours(saved), "a", changes={"norm": "lrn"})


def test_a_change_that_fits_no_network_is_refused():
    saved = small("caffe")
    with pytest.raises(UsageError, match="groups|two"):
        to_checkpoint(foreign(saved), "a", spec="cifar10", changes={"groups": 2})
    with pytest.raises(UsageError, match="no published network can be changed so: .*pool"):
        to_checkpoint(foreign(saved), "a", changes={"pool": (0, 0)})


def test_another_image_size_has_another_stored_size():
    saved = small("torchvision", 63)
    assert to_checkpoint(ours(saved), "a").stored_size == saved.stored_size == 72
    larger = to_checkpoint(ours(saved), "a", image_size=200)
    assert (larger.build["image_size"], larger.stored_size) == (200, 226)
    published = to_checkpoint(ours(saved), "a", image_size=224)
    assert published.stored_size == 256
    with pytest.raises(DataError, match=r"fc6: weight \(123, 8\), fc6 has \(123, 288\)"):
        to_checkpoint(ours(small("caffe")), "a", image_size=200)


def test_a_checkpoint_of_another_image_size_can_be_saved_and_loaded(tmp_path):
    made = to_checkpoint(ours(small("torchvision", 63, mean_image=True)), "a", image_size=300)
    made.save(tmp_path / "a.npz")
    again = to_checkpoint(formats.read(tmp_path / "a.npz"), "a.npz")
    assert_same(again, made)


# --- classes --------------------------------------------------------------------------------------


def test_classes_are_numbers_where_nothing_names_them():
    saved = small("caffe")
    made = to_checkpoint(foreign(saved), "a", changes={"width": 0.03}, image_size=67)
    assert (made.classes, made.words) == (list("0123456"), {})


def test_given_names_replace_the_recorded_ones_with_their_words():
    saved = small("caffe")
    made = to_checkpoint(ours(saved), "a")
    assert (made.classes, made.words) == (CLASSES, saved.words)
    given = to_checkpoint(ours(saved), "a", classes=list("abcdefg"))
    assert (given.classes, given.words) == (list("abcdefg"), {})
    words = {"a": "ant"}
    assert to_checkpoint(ours(saved), "a", classes=list("abcdefg"), words=words).words == words


@pytest.mark.parametrize("count", [0, 6, 8])
def test_names_of_another_number_of_classes_are_refused(count):
    with pytest.raises(UsageError, match=f"--class-names: {count} names for 7 classes"):
        to_checkpoint(ours(small("caffe")), "a", classes=list("abcdefgh")[:count])


def test_a_record_of_another_number_of_classes_is_the_files_fault():
    saved = small("caffe")
    build = saved.build | {"num_classes": 2}
    with pytest.raises(DataError, match="2 classes, its last layer 7"):
        to_checkpoint(ours(saved, build=build, classes=["a", "b"]), "a")


# --- order of channels, origin, dtype -------------------------------------------------------------


def test_the_order_of_channels_is_the_formats_or_the_users():
    saved = small("caffe")
    conv1, flags = saved.model["conv1.weight"], {"changes": {"width": 0.03}, "image_size": 67}

    def first(network, **more):
        made = to_checkpoint(network, "a.x", **flags, **more)
        return made.model["conv1.weight"], made.origin

    rgb, bgr = foreign(saved), foreign(saved, channels="bgr")
    assert np.array_equal(first(rgb)[0], conv1) and first(rgb)[1] == "a.x, a file"
    assert np.array_equal(first(bgr)[0], conv1[:, ::-1])
    assert first(bgr)[1] == "a.x, a file; conv1 turned from BGR to RGB"
    assert np.array_equal(first(bgr, channels="rgb")[0], conv1)
    assert np.array_equal(first(rgb, channels="bgr")[0], conv1[:, ::-1])
    assert to_checkpoint(ours(saved), "a", channels="rgb").origin == "a, a file"
    with pytest.raises(UsageError, match="--channels bgr: this program wrote the file"):
        to_checkpoint(ours(saved), "a", channels="bgr")


def test_flattened_maps_are_turned_and_the_origin_says_so():
    saved = small("caffe", image_size=100)  # fc6 reads maps of 2 x 2
    made = to_checkpoint(
        foreign(saved, flatten="hwc"), "x/a.h5", changes={"width": 0.03}, image_size=100
    )
    weight = saved.model["fc6.weight"]
    maps = weight.reshape(len(weight), 2, 2, -1).transpose(0, 3, 1, 2).reshape(weight.shape)
    assert np.array_equal(made.model["fc6.weight"], maps) and not np.array_equal(maps, weight)
    assert made.origin.endswith("the first fully connected layer from rows, columns, channels")
    assert made.origin.startswith("a.h5, a file")


def test_float64_of_another_program_is_rounded_in_words_and_of_this_one_kept():
    saved = small("caffe", dtype="float64")
    made = to_checkpoint(foreign(saved), "a", changes={"width": 0.03}, image_size=67)
    assert made.build["dtype"] == "float32" and made.model["fc8.bias"].dtype == np.float32
    assert made.origin == "a, a file; numbers rounded from float64 to float32"
    kept = to_checkpoint(ours(saved), "a")
    assert_same(kept, saved)
    assert kept.origin == "a, a file"


def test_numbers_beyond_float32_are_an_error():
    saved = small("caffe", dtype="float64")
    saved.model["fc7.bias"][3] = 1e300
    with pytest.raises(DataError, match="fc7.bias holds numbers that are not finite in float32"):
        to_checkpoint(foreign(saved), "a", changes={"width": 0.03}, image_size=67)


def test_a_name_with_control_characters_is_escaped_in_the_origin():
    network = replace(ours(small("caffe")), format="a file")
    assert to_checkpoint(network, "x/\x1b[2J.pth").origin == "\\x1b[2J.pth, a file"
