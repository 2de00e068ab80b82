"""Files of Keras, written by h5py in the four layouts of Keras 2 and 3."""

import io
import json
import zipfile

import numpy as np
import pytest

import alexnet
from alexnet.network.plan import plan

h5py = pytest.importorskip("h5py", reason="h5py reads and writes files of Keras")

SIZE = 67
COUNTS = {"Conv2D": "conv2d", "Dense": "dense", "BatchNormalization": "batch_normalization"}


def small(spec="batch-norm", **changes):
    model = alexnet.build(spec, num_classes=7, image_size=SIZE, width=0.05, **changes)
    draw = np.random.default_rng(1)
    arrays = model.state_dict()
    model.load_state_dict({n: draw.random(a.shape, np.float32) for n, a in arrays.items()})
    return model


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
