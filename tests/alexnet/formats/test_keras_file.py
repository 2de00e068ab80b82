"""Files of Keras, written by h5py in the four layouts of Keras 2 and 3."""

import builtins
import io
import json
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

import alexnet
from alexnet.errors import DataError, UsageError
from alexnet.formats import keras_file
from alexnet.formats.hdf5 import HDF5File
from alexnet.network.plan import plan
from alexnet.weights.file_network import arranged

h5py = pytest.importorskip("h5py", reason="h5py reads and writes files of Keras")

SIZE = 67
COUNTS = {"Conv2D": "conv2d", "Dense": "dense", "BatchNormalization": "batch_normalization"}


def small(spec="batch-norm", **changes):
    model = alexnet.build(spec, num_classes=7, image_size=SIZE, width=0.05, **changes)
    draw = np.random.default_rng(1)
    arrays = model.state_dict()
    model.load_state_dict({n: draw.random(a.shape, np.float32) for n, a in arrays.items()})
    return model


# --- what Keras writes ----------------------------------------------------------------------------


def keras_layers(model):
    """[(class, settings, {name: array} in Keras' order)] of a model of this project."""
    arrays, rows = model.state_dict(), plan(model.spec, model.num_classes, model.image_size)
    layers, counts, side, channels = [], {}, 0, 0

    def add(kind, settings, own):
        number = counts[kind] = counts.get(kind, -1) + 1
        name = kind.lower() if kind not in COUNTS else COUNTS[kind]
        settings["name"] = f"{name}_{number}" if number else name
        layers.append((kind, settings, own))

    for row in rows:
        a, own = row.arguments, {}
        if f"{row.name}.weight" in arrays:
            weight, bias = arrays[f"{row.name}.weight"], arrays[f"{row.name}.bias"]
        match row.kind:
            case "Conv2d":
                settings = {"filters": a["out_channels"], "kernel_size": [a["kernel"]] * 2,
                            "strides": [a["stride"]] * 2, "groups": a["groups"],
                            "padding": "same" if a["padding"] else "valid", "use_bias": True,
                            "data_format": "channels_last", "activation": "linear"}  # fmt: skip
                add("Conv2D", settings, {"kernel": weight.transpose(2, 3, 1, 0), "bias": bias})
            case "Linear":
                if row.inputs[0] == channels * side**2:  # the maps, flattened (rows, columns, C)
                    maps = weight.reshape(-1, channels, side, side).transpose(0, 2, 3, 1)
                    weight = maps.reshape(weight.shape)
                    channels = 0
                settings = {"units": a["out_features"], "activation": "linear"}
                add("Dense", settings, {"kernel": weight.T, "bias": bias})
            case "BatchNorm2d":
                own = {"gamma": weight, "beta": bias}
                own |= {"moving_mean": arrays[f"{row.name}.running_mean"],
                        "moving_variance": arrays[f"{row.name}.running_var"]}  # fmt: skip
                settings = {"axis": [3], "momentum": 0.99, "epsilon": 0.001, "scale": True,
                            "center": True}  # fmt: skip
                add("BatchNormalization", settings, own)
            case "ReLU" | "Tanh":
                layers[-1][1]["activation"] = row.kind.lower()
            case "MaxPool2d":
                settings = {"pool_size": [a["window"]] * 2, "strides": [a["stride"]] * 2,
                            "padding": "valid"}  # fmt: skip
                add("MaxPooling2D", settings, {})
            case "Dropout":
                add("Dropout", {"rate": a["drop"]}, {})
            case "Flatten":
                channels, side = row.inputs[:2]
                add("Flatten", {"data_format": "channels_last"}, {})
    return layers


def config(layers, version=3, functional=False, size=SIZE):
    """The description of a model, as its get_config writes it."""
    shape = "batch_shape" if version == 3 else "batch_input_shape"
    first = ("InputLayer", {shape: [None, size, size, 3], "name": "input_1"}, {})
    rows, before = [], None
    for kind, settings, _ in [first, *layers]:
        row = {"class_name": kind, "config": settings}
        if version == 3:
            row |= {"module": "keras.layers", "registered_name": None}
        if functional:
            tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [before, 0, 0]}}
            call = {"args": [tensor], "kwargs": {}} if version == 3 else [[before, 0, 0, {}]]
            row |= {"name": settings["name"], "inbound_nodes": [call] if before else []}
            before = settings["name"]
        rows.append(row)
    kind = "Functional" if functional else "Sequential"
    return {"class_name": kind, "config": {"name": "alexnet", "layers": rows}}


def write_weights(group, layers):
    """Keras 2: save_weights."""
    group.attrs["layer_names"] = [settings["name"].encode() for _, settings, _ in layers]
    for _, settings, arrays in layers:
        own, name = group.create_group(settings["name"]), settings["name"]
        names = [f"{name}/{array}:0".encode() for array in arrays]
        own.attrs["weight_names"] = names if names else np.zeros(0)  # as np.asarray([]) is
        for array, numbers in zip(names, arrays.values(), strict=True):
            own.create_dataset(array, data=numbers)


def write_numbered(file, layers):
    """Keras 3: .weights.h5. An optimiser's arrays stand beside the layers'."""
    counts = {}
    for kind, _, arrays in layers:
        name = COUNTS.get(kind, {"MaxPooling2D": "max_pooling2d"}.get(kind, kind.lower()))
        number = counts[name] = counts.get(name, -1) + 1
        group = file.create_group(f"layers/{name}_{number}" if number else f"layers/{name}")
        own = group.create_group("vars")
        for key, numbers in enumerate(arrays.values()):
            own[str(key)] = numbers
        if kind == "Dropout":
            group.create_group("seed_generator/vars")["0"] = np.zeros(2, np.uint32)
    file.create_group("optimizer/vars")["0"] = np.int64(3)
    file.create_group("vars")


def write(path, layers, layout, description=None):
    if layout == "keras 3, model":
        weights = io.BytesIO()
        with h5py.File(weights, "w") as file:
            write_numbered(file, layers)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": "3.8.0"}))
            archive.writestr(
                "config.json", json.dumps(config(layers) if description is None else description)
            )
            archive.writestr("model.weights.h5", weights.getvalue())
        return
    with h5py.File(path, "w") as file:
        if layout == "keras 2, model":
            text = json.dumps(config(layers, 2) if description is None else description)
            file.attrs["model_config"] = text.encode()
            write_weights(file.create_group("model_weights"), layers)
        elif layout == "keras 2, weights":
            write_weights(file, layers)
        else:
            write_numbered(file, layers)


LAYOUTS = ["keras 2, weights", "keras 2, model", "keras 3, weights", "keras 3, model"]


@pytest.fixture
def read(tmp_path):
    """Write layers and read the file."""

    def read_layers(layers, layout="keras 3, model", description=None):
        write(tmp_path / "net.keras", layers, layout, description)
        return keras_file.read(tmp_path / "net.keras")

    return read_layers


# --- whole files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("spec", ["batch-norm", "single-tower"])
def test_each_layout_is_the_model_it_was_written_from(read, layout, spec):
    changes = {} if spec == "batch-norm" else {"norm": "none", "activation": "tanh"}
    model = small(spec, **changes)
    network = read(keras_layers(model), layout)
    assert (network.spec, network.channels, network.flatten) == (spec, "rgb", "hwc")
    rows = plan(model.spec, 7, SIZE)
    if "model" in layout:
        assert (network.complete, network.format) == (True, "a Keras model")
        assert network.image_size == SIZE
        assert [(layer.kind, layer.arguments) for layer in network.layers] == [
            (row.kind, row.arguments) for row in rows
        ]
    else:
        assert (network.complete, network.format) == (False, "Keras weights")
        assert network.image_size is None
    expected = model.state_dict()
    weighted = arranged(network).weighted()
    names = [row.name for row in rows if f"{row.name}.weight" in expected]
    assert len(weighted) == len(names)
    for layer, name in zip(weighted, names, strict=True):
        for key, array in layer.arrays.items():
            assert array.dtype == np.float32 and array.flags.c_contiguous
            np.testing.assert_array_equal(array, expected[f"{name}.{key}"], f"{name}.{key}")
    assert sum(len(layer.arrays) for layer in weighted) == len(expected)


@pytest.mark.parametrize("version", [2, 3])
def test_a_functional_model_is_read_along_its_connections(read, version):
    layers = keras_layers(small())
    description = config(layers, version, functional=True)
    # The order of connections counts. Of one class the order in the list names the arrays.
    rows = description["config"]["layers"]
    rows.sort(key=lambda row: row["class_name"])
    layout = f"keras {version}, model"
    network = read(layers, layout, description)
    assert [layer.name for layer in network.layers if layer.arrays][:4] == [
        "conv2d", "batch_normalization", "conv2d_1", "batch_normalization_1",
    ]  # fmt: skip
    rows[3]["inbound_nodes"] = rows[4]["inbound_nodes"]
    with pytest.raises(DataError, match="form no chain"):
        read(layers, layout, description)
    rows[3]["inbound_nodes"] = rows[4]["inbound_nodes"] * 2
    with pytest.raises(DataError, match="called 2 times"):
        read(layers, layout, description)


def test_tensorflows_keras_2_13_calls_the_layers_otherwise(read, tmp_path):
    read(keras_layers(small()), "keras 3, weights")
    with h5py.File(tmp_path / "net.keras", "a") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    assert len(keras_file.read(tmp_path / "net.keras").layers) == 13


def test_the_order_of_weights_is_the_files_or_goes_by_numbers(read):
    layers = keras_layers(small("single-tower", norm="none"))
    layers[0][1]["name"], layers[-1][1]["name"] = "zebra", "block1/ant"
    names = [layer.name for layer in read(layers, "keras 2, weights").layers]
    assert (names[0], names[-1]) == ("zebra", "block1/ant")
    extra = [("Dense", {}, {"kernel": np.ones((1, 1))})] * 12
    names = [layer.name for layer in read(layers + extra, "keras 3, weights").layers]
    assert names[-1] == "dense_14" and names[4:8] == ["conv2d_4", "dense", "dense_1", "dense_2"]


# --- single layers --------------------------------------------------------------------------------


def kernel(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def conv(arrays=None, **settings):
    arrays = {"kernel": kernel(3, 3, 3, 4)} if arrays is None else arrays
    settings = {"name": "conv2d", "filters": 4, "kernel_size": 3, "use_bias": False} | settings
    return "Conv2D", settings, arrays


def dense(**settings):
    return "Dense", {"name": "dense", "units": 2} | settings, {"kernel": kernel(36, 2)}


FLATTEN = ("Flatten", {"name": "flatten"}, {})


def test_zero_padding_and_activations_become_arguments_and_layers(read):
    padded = ("ZeroPadding2D", {"name": "pad", "padding": [[2, 2], [1, 1]]}, {})
    first, relu, pool, flatten, last, softmax = read(
        [
            padded,
            conv(activation="relu", padding="same", strides=1),
            ("AveragePooling2D", {"name": "pool", "pool_size": 3, "strides": 1,
                                  "padding": "same"}, {}),
            FLATTEN,
            dense(use_bias=False),
            ("Activation", {"name": "probabilities", "activation": "softmax"}, {}),
        ]
    ).layers  # fmt: skip
    assert first.arguments == {
        "in_channels": 3, "out_channels": 4, "kernel": 3, "stride": 1, "padding": (3, 2),
        "groups": 1,
    }  # fmt: skip
    assert list(first.arrays) == ["weight"]
    assert (relu.name, relu.kind) == ("conv2d", "ReLU")
    assert pool.arguments == {
        "window": 3, "stride": 1, "ceil_mode": False, "padding": 1, "count_include_pad": False,
    }  # fmt: skip
    assert (softmax.name, softmax.kind) == ("probabilities", "Softmax")


def test_the_zeros_of_same_padding_depend_on_the_size(read):
    pool = ("MaxPooling2D", {"name": "pool", "pool_size": 3, "strides": 2, "padding": "same"}, {})
    for size, first in ((13, conv(padding="same")), (15, conv())):  # maps of 13: one zero
        description = config([first, pool], size=size)
        assert read([first, pool], description=description).layers[1].arguments["padding"] == 1
    with pytest.raises(DataError, match="0 zeros on one side and 1 on the other"):
        read([conv(), pool], description=config([conv(), pool], size=14))
    with pytest.raises(DataError, match="which the file does not tell"):
        read([conv(), pool], description=config([conv(), pool], size=None))
    with pytest.raises(DataError, match="1 zeros on one side and 2 on the other"):
        even = conv({"kernel": kernel(4, 4, 3, 4)}, kernel_size=4, padding="same")
        read([even])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_scale_or_center_are_ones_or_zeros(read, layout):
    vectors = [kernel(4) + number for number in range(4)]
    names = ["gamma", "beta", "moving_mean", "moving_variance"]
    for missing in ((), ("gamma",), ("gamma", "beta")):
        arrays = {n: v for n, v in zip(names, vectors, strict=True) if n not in missing}
        settings = {"name": "batch_normalization", "scale": "gamma" not in missing,
                    "center": "beta" not in missing}  # fmt: skip
        layers = [conv(), ("BatchNormalization", settings, arrays)]
        if len(missing) == 1 and layout == "keras 3, weights":
            with pytest.raises(DataError, match="has 3 arrays, and the file does not tell which"):
                read(layers, layout)
            continue
        norm = read(layers, layout).layers[1]
        weight = np.ones(4) if "gamma" in missing else vectors[0]
        bias = np.zeros(4) if "beta" in missing else vectors[1]
        found = [norm.arrays[n] for n in ("weight", "bias", "running_mean", "running_var")]
        np.testing.assert_array_equal(found, [weight, bias, vectors[2], vectors[3]])


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(">f4", np.float32), ("f2", np.float32), ("f8", np.float64), ("bfloat16", np.float32)],
)
def test_numbers_of_other_widths_are_read(tmp_path, dtype, expected):
    numbers = np.linspace(-2, 2, 108).reshape(3, 3, 3, 4).astype(np.float16)
    written = numbers.astype(np.float32).view(np.uint32)
    stored = (written >> 16).astype("<u2").view("V2") if dtype == "bfloat16" else numbers
    stored = stored if dtype == "bfloat16" else numbers.astype(dtype)
    write(tmp_path / "net.keras", [conv({})], "keras 3, weights")
    with h5py.File(tmp_path / "net.keras", "a") as file:
        dataset = file["layers/conv2d/vars"].create_dataset("0", data=stored)
        if dtype == "bfloat16":
            dataset.attrs["dtype"] = "bfloat16"
            numbers = (written & 0xFFFF0000).view(np.float32)
    weight = keras_file.read(tmp_path / "net.keras").layers[0].arrays["weight"]
    assert weight.dtype == expected
    np.testing.assert_array_equal(weight, numbers.transpose(3, 2, 0, 1))


def layer(kind, **settings):
    return kind, {"name": "a"} | settings, {}


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([layer("Lambda", function="__import__('os').system('true')")],
         "layer 'a' is a Lambda, a program inside the file, which is never run"),
        ([layer("Concatenate")], "layer 'a' is of class 'Concatenate', which no AlexNet"),
        ([layer("Sequential", layers=[])], "layer 'a' is of class 'Sequential'"),
        ([conv(data_format="channels_first")], "'channels_first'; channels_last fits"),
        ([conv(activation="elu")], "layer 'conv2d' has the activation 'elu'"),
        ([conv(activation={"class_name": "__lambda__"})], "has the activation {'class_name'"),
        ([conv(dilation_rate=[2, 2])], "dilated"),
        ([conv(padding="causal")], "padding 'causal'"),
        ([conv(kernel_size=5)], r"kernel_size \(5, 5\) and a kernel of shape \(3, 3, 3, 4\)"),
        ([conv(kernel_size=[3])], "kernel_size is .*, should be two of"),
        ([conv(filters=5)], "5 filters in 1 groups"),
        ([conv(groups=3)], "4 filters in 3 groups"),
        ([conv(use_bias=True)], "its settings need kernel, bias"),
        ([conv(use_bias="yes")], "use_bias is 'yes', should be true or false"),
        ([conv({"kernel": kernel(3, 3, 12)})], "kernel of shape"),
        ([layer("ZeroPadding2D", padding=[[0, 1], [0, 1]]), conv()], "as many on both sides fit"),
        ([layer("ZeroPadding2D", padding=[1, 2, 3]), conv()], "no padding of rows and columns"),
        ([layer("ZeroPadding2D"), layer("Flatten", name="b")], "only Conv2D may"),
        ([conv(), layer("ZeroPadding2D")], "for no convolution"),
        ([conv(), dense()], "maps that are not flattened"),
        ([conv(), FLATTEN, layer("MaxPooling2D")], "reads flattened maps"),
        ([conv(), FLATTEN, dense(units=3, use_bias=False)], "3 units and a kernel of shape"),
        ([conv(), layer("Dropout", rate=1.0)], "rate is 1.0, should be"),
        ([conv(), layer("ReLU", max_value=6.0)], "max_value 6.0"),
        ([conv(), layer("BatchNormalization", axis=1)], "normalises axis 1"),
        ([FLATTEN], "no layers with arrays"),
        ([conv(), conv()], "two layers of its model have one name"),
    ],
)  # fmt: skip
def test_a_setting_without_a_counterpart_is_refused_by_name(read, layers, reason):
    with pytest.raises(DataError, match=f"net.keras cannot be used: .*{reason}"):
        read(layers)


def test_a_class_of_the_users_own_is_refused(read):
    for change in ({"module": "my_package"}, {"registered_name": "Custom>Conv2D"}):
        description = config([conv()])
        description["config"]["layers"][1] |= change
        with pytest.raises(DataError, match="'conv2d' is of class .*not one of Keras' own"):
            read([conv()], description=description)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [],
        lambda d: {"class_name": "Sequential"},
        lambda d: d | {"class_name": "MyModel"},
        lambda d: d | {"config": {"layers": 3}},
        lambda d: d | {"config": {"layers": []}},
        lambda d: d | {"config": {"layers": [[]]}},
        lambda d: d | {"config": {"layers": [{"class_name": "Conv2D", "config": []}]}},
        lambda d: d | {"config": {"layers": [{"class_name": "Conv2D", "config": {"name": 3}}]}},
        lambda d: d | {"class_name": "Functional"},
        lambda d: config([conv()], size=1 << 40),
        lambda d: config([conv()], size="big"),
        lambda d: d["config"]["layers"][0]["config"].update(batch_shape=[None, 9, 8, 3]) or d,
        lambda d: d["config"]["layers"][0]["config"].update(batch_shape="all") or d,
        lambda d: json.loads("[" * 500 + "]" * 500),
    ],
)
def test_descriptions_of_other_things_are_errors_in_words(read, change):
    with pytest.raises(DataError, match="net.keras cannot be used"):
        read([conv()], description=change(config([conv()])))


@pytest.mark.parametrize(
    "nodes",
    [[[]], [3], [[[]]], [[3]], [{}], [{"args": 3}], [{"args": [3]}], [{"args": []}], ["a"],
     [{"args": [{"config": {"keras_history": []}}]}], [["conv2d", 0, 0]], [["gone", 0, 0]]],
)  # fmt: skip
def test_connections_of_other_forms_are_errors_in_words(read, nodes):
    description = config([conv()], functional=True)
    description["config"]["layers"][1]["inbound_nodes"] = nodes
    with pytest.raises(DataError, match="net.keras cannot be used"):
        read([conv()], description=description)


def test_h5py_is_asked_for_by_name(read, monkeypatch, tmp_path):
    read([conv()])
    import_package = builtins.__import__

    def without(name, *arguments):
        if name == "h5py":
            raise ImportError
        return import_package(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match="pip install h5py"):
        keras_file.read(tmp_path / "net.keras")


# --- hostile files --------------------------------------------------------------------------------


def refused(path, most_memory=1 << 22):
    """The message of the DataError, after little memory was taken."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as caught:
            keras_file.read(path)
        assert tracemalloc.get_traced_memory()[1] < most_memory
    finally:
        tracemalloc.stop()
    assert path.name in str(caught.value) and str(caught.value).isprintable()
    return str(caught.value)


def external_link(own, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["x"] = kernel(3, 3, 3, 4)
    own["0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")


def soft_link(own, tmp_path):
    own["0"] = h5py.SoftLink("/x")


def cyclic_links(own, tmp_path):
    own["0"], own["1"] = h5py.SoftLink(own.name + "/1"), h5py.SoftLink(own.name + "/0")


def external_storage(own, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(432))
    own.create_dataset("0", (3, 3, 3, 4), "f4", external=[(str(tmp_path / "secret"), 0, 432)])


def virtual(own, tmp_path):
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "x", (3, 3, 3, 4))
    own.create_virtual_dataset("0", layout)


def gzip_bomb(own, tmp_path):
    shape = (1 << 10, 1 << 10, 4, 1)
    own.create_dataset("0", data=np.zeros(shape, "f4"), compression="gzip")


def huge_in_pieces(own, tmp_path):
    own.create_dataset("0", (1 << 20, 1 << 20, 1 << 10, 1), "f4", chunks=(64, 64, 1, 1))


def huge_without_numbers(own, tmp_path):
    own.create_dataset("0", (1 << 20, 1 << 20, 1 << 10, 1), "f4")


def texts(own, tmp_path):
    own.create_dataset("0", data=["a" * 9] * 9, dtype=h5py.string_dtype())


def rows_of_any_length(own, tmp_path):
    own.create_dataset("0", (4,), h5py.vlen_dtype(np.dtype("f4")))


def whole_numbers(own, tmp_path):
    own["0"] = kernel(3, 3, 3, 4).astype(np.int8)


def complex_numbers(own, tmp_path):
    own["0"] = kernel(3, 3, 3, 4).astype(np.complex64)


def named_fields(own, tmp_path):
    own.create_dataset("0", (3, 3, 3, 4), np.dtype([("a", "f4")]))


def no_shape(own, tmp_path):
    own["0"] = h5py.Empty("f4")


def many_axes(own, tmp_path):
    own["0"] = np.zeros((1,) * 20, "f4")


def a_group(own, tmp_path):
    own.create_group("0")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (external_link, "is a link to another file"),
        (soft_link, "is a link to a path"),
        (cyclic_links, "is a link to a path"),
        (external_storage, "are in another file"),
        (virtual, "in pieces"),
        (gzip_bomb, "compressed"),
        (huge_in_pieces, "in pieces"),
        (huge_without_numbers, "more than the file has"),
        (texts, "no floating-point numbers"),
        (rows_of_any_length, "no floating-point numbers"),
        (whole_numbers, "'int8', no floating-point numbers"),
        (complex_numbers, "no floating-point numbers"),
        (named_fields, "no floating-point numbers"),
        (no_shape, "of shape None"),
        (many_axes, "of shape"),
        (a_group, "no array"),
    ],
)
def test_what_keras_never_writes_is_refused_by_its_place(read, tmp_path, make, reason):
    read([conv()], "keras 3, weights")
    with h5py.File(tmp_path / "net.keras", "a") as file:
        own = file["layers/conv2d/vars"]
        del own["0"]
        make(own, tmp_path)
    message = refused(tmp_path / "net.keras", 1 << 24 if make is gzip_bomb else 1 << 22)
    assert reason in message and "conv2d" in message


def test_one_array_under_many_names_takes_no_more_memory_than_the_file_has(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((512, 512), "f4")
        for number in range(1, 50):
            file[f"layers/dense_{number}"] = file["layers/dense"]
    assert "more than the file has" in refused(tmp_path / "net.h5", 1 << 23)


def test_a_group_inside_itself_is_no_loop(tmp_path):
    with h5py.File(tmp_path / "net.h5", "w") as file:
        group = file.create_group("layers")
        group["layers"] = group["vars"] = group["dense"] = group
    assert "arrays of layer 'layers'" in refused(tmp_path / "net.h5")


@pytest.mark.parametrize("attribute", ["layer_names", "weight_names", "model_config"])
def test_attributes_of_other_kinds_are_errors_in_words(read, tmp_path, attribute):
    for value in (
        np.zeros(4),
        h5py.Empty("S1"),
        np.array([b"\xff"]),
        np.array([b"../conv2d", b"/", b"."]),
        ["a", "b" * 1000],
        np.zeros(20_000, "S2"),
    ):
        read([conv()], "keras 2, model" if attribute == "model_config" else "keras 2, weights")
        with h5py.File(tmp_path / "net.keras", "a") as file:
            node = file["conv2d"] if attribute == "weight_names" else file
            kind = h5py.string_dtype() if isinstance(value, list) else None
            node.attrs.create(attribute, value, dtype=kind)
        refused(tmp_path / "net.keras")


def test_archives_that_are_bombs_or_lack_a_part_are_refused(read, tmp_path):
    path = tmp_path / "net.keras"
    read([conv()])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def pack(**changes):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (parts | changes).items():
                if content is not None:
                    archive.writestr(name, content)

    pack()  # packed again, with compression
    assert len(keras_file.read(path).layers) == 1
    pack(**{"../../escape": b"x", "/etc/passwd": b"x"})
    assert len(keras_file.read(path).layers) == 1 and not (tmp_path.parent / "escape").exists()
    pack(**{"model.weights.h5": bytes(1 << 24)})
    assert "model.weights.h5 has 16,777,216 bytes" in refused(path)
    pack(**{"config.json": b"[" * (1 << 23)})
    assert "config.json has 8,388,608 bytes" in refused(path)
    pack(**{"config.json": b"[" * 100_000})
    assert "no JSON" in refused(path)
    pack(**{"config.json": b"\xff"})
    refused(path)
    pack(**{"config.json": None})
    assert "without config.json, so no .keras file" in refused(path)
    pack(**{"model.weights.h5": b"not HDF5"})
    assert "no HDF5" in refused(path)


def test_other_files_are_refused_in_words(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.h5")
    assert "it is no file" in refused(tmp_path)
    for content in (b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x89PNG" * 20):
        (tmp_path / "a.h5").write_bytes(content)
        refused(tmp_path / "a.h5")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = 1
    assert "none of Keras" in refused(tmp_path / "b.h5")


READ_ALL = """
import sys
from pathlib import Path
from alexnet.errors import DataError
from alexnet.formats import keras_file
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(path.name, keras_file.read(path).format)
    except DataError as error:
        assert path.name in str(error)
        print(path.name, "error")
"""


def test_a_damaged_file_is_a_network_or_an_error_in_words(tmp_path):
    """In a process of its own, since a mistake in the HDF5 library may crash it or never return."""
    generator = random.Random(18)
    (tmp_path / "files").mkdir()
    layers = [conv(), FLATTEN, dense(use_bias=False)]
    for layout in LAYOUTS:
        write(tmp_path / "net.keras", layers, layout)
        whole = (tmp_path / "net.keras").read_bytes()
        files = [whole[: generator.randrange(len(whole))] for _ in range(50)]
        for _ in range(100):
            place = generator.randrange(len(whole))
            flipped = whole[place] ^ 1 << generator.randrange(8)
            files.append(whole[:place] + bytes([flipped]) + whole[place + 1 :])
        for number, content in enumerate(files):
            (tmp_path / "files" / f"{layout}-{number:03}").write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path / "files")],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-200:] + done.stderr[-2000:]
    answers = [line.rpartition(" ")[2] for line in done.stdout.splitlines()]
    assert len(answers) == 600 and 200 < answers.count("error") < 400


def test_a_heap_that_hdf5_never_leaves_is_an_error(tmp_path):
    path = tmp_path / "net.h5"
    write(path, [conv()], "keras 2, weights")
    content = path.read_bytes()
    place = content.index(b"GCOL")
    sizes = []
    while True:  # each object: index, uses, 0, size
        place = place + 16 if not sizes else place + 16 + -(-sizes[-1] // 8) * 8
        sizes.append(int.from_bytes(content[place + 8 : place + 16], "little"))
        if content[place : place + 2] == b"\0\0":
            break
    path.write_bytes(content[: place + 8] + bytes(8) + content[place + 16 :])
    assert "heap of texts is damaged" in refused(path)


def test_long_texts_take_no_memory(tmp_path):
    path = tmp_path / "net.h5"
    write(path, [conv()], "keras 2, weights")
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["a" * 30_000] * 2
    content = path.read_bytes()
    place = content.index(struct.pack("<I", 30_000))  # length, address, index: two of them
    one, two = content[place : place + 16], content[place + 16 : place + 32]
    for length, reason in ((1 << 31, "too long"), (30_001, "not in the file"), (30_000, "")):
        claim = struct.pack("<I", length) + one[4:]
        path.write_bytes(content[:place] + claim + two + content[place + 32 :])
        assert reason in refused(path)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["a"] * 1001
    assert "too long" in refused(path)


@pytest.mark.parametrize("libver", ["earliest", "v110", "latest"])
@pytest.mark.parametrize("fixed", [False, True])
def test_texts_are_read_from_each_version_of_the_format(tmp_path, libver, fixed):
    names = ["conv2d", "", "größer"] + [f"layer_{number}" for number in range(60)]
    with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
        group = file.create_group("a")
        for number in range(6):  # so that the header goes on elsewhere
            group.attrs[f"note {number}"] = "x" * 100
        group.attrs["one"] = "text"
        group.attrs["names"] = np.array([n.encode() for n in names]) if fixed else names
    with HDF5File(tmp_path / "a.h5") as file:
        group = file.group(file.root, "a")
        assert file.texts(group, "names") == names
        assert file.texts(group, "one") == ["text"]
        assert file.texts(group, "two") is None
