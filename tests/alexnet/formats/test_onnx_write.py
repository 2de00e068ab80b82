"""onnx_write: onnxruntime computes from the file what the network computes here."""

import os
import subprocess
import sys

import numpy as np
import pytest

from alexnet import SPECS
from alexnet.errors import DiskError, UsageError
from alexnet.formats import onnx_file, onnx_write
from alexnet.network.plan import plan
from alexnet.weights.fits import compare
from tests.alexnet.formats.onnx_models import (
    CLASSES,
    RECORD,
    distance,
    images,
    logits,
    network,
    written,
)

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

NETWORKS = [
    *((name, None, {}) for name in SPECS),
    ("caffe", 224, {}),  # pool1 rounds up
    ("cifar10", 33, {}),  # so do average pools
    ("cifar10", 34, {}),
    ("torchvision", 227, {}),
    ("torchvision", 100, {}),  # the adaptive pool makes 6 of 2
    ("torchvision", 300, {}),  # and of 8, in windows of 2 that overlap
    ("paper", 131, {"norm": "batch", "activation": "tanh", "dropout": 0.3}),
    ("torchvision", 131, {"norm": "lrn", "pool": (2, 2), "groups": 2}),
    ("single-tower", 67, {"dropout": 0.0}),
    ("code-2012", 67, {}),  # conv1 rounds neither up nor down
    ("code-2012", 70, {"norm": "lrn", "groups": 1}),
    ("caffenet", 67, {"norm": "same-map"}),
    ("cifar10", 33, {"norm": "same-map", "activation": "tanh"}),
    ("paper", 67, {"apart": True}),
    ("code-2012", 70, {"apart": True, "without": "conv4"}),
    ("caffe", 67, {"without": "conv2"}),  # two pools, one after the other
    ("torchvision", 67, {"without": "conv5"}),
    ("single-tower", 67, {"without": "fc7"}),
]


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name, size, changes", NETWORKS)
def test_onnxruntime_agrees_and_reading_gives_the_network_back(name, size, changes, tmp_path):
    path = tmp_path / "model.onnx"
    model, layers = written(path, name, size, **changes)
    onnx.checker.check_model(str(path), full_check=True)
    for count in (1, 3):
        x = images(model, count)
        y = session(path).run(["logits"], {"images": x})[0]
        assert y.shape == (count, CLASSES)
        assert distance(y, logits(model, x)) < 1e-5
    network = onnx_file.read(path)
    assert_same_arrays(network, model.state_dict())
    assert_same_layers(network, layers)
    assert compare(network, model.spec).differences == []
    assert network.record == RECORD
    assert (network.complete, network.channels, network.flatten) == (True, "rgb", "chw")
    assert network.image_size == model.image_size


def assert_same_arrays(network, state):
    arrays = {
        f"{layer.name}.{name}": array
        for layer in network.layers
        for name, array in layer.arrays.items()
    }
    assert arrays.keys() == state.keys()
    for name, array in state.items():
        assert arrays[name].dtype == array.dtype and arrays[name].flags.c_contiguous
        assert np.array_equal(arrays[name], array), name


def assert_same_layers(network, layers):
    """Layers that are the identity in test mode are not in the file."""
    present = [layer for layer in layers if not is_identity(layer)]
    found = [(layer.name, layer.kind, layer.outputs) for layer in network.layers]
    assert found == [(layer.name, layer.kind, layer.outputs) for layer in present]
    for layer, expected in zip(network.layers, present, strict=True):
        assert layer.arguments == as_the_file_tells(expected)


def is_identity(layer):
    adaptive = layer.kind == "AdaptiveAvgPool2d" and layer.inputs == layer.outputs
    return adaptive or (layer.kind == "Dropout" and layer.arguments["scale"] == "train")


def as_the_file_tells(layer):
    arguments = dict(layer.arguments)
    if layer.kind == "Conv2d":
        room = layer.inputs[1] + 2 * arguments["padding"] - arguments["kernel"]
        arguments["ceil_mode"] = layer.outputs[1] != room // arguments["stride"] + 1
    elif layer.kind == "LocalResponseNorm":
        if not arguments["divide_by_size"]:
            arguments["alpha"] *= arguments["size"]
        arguments["divide_by_size"] = True
    elif layer.kind == "BatchNorm2d":
        del arguments["momentum"]
    elif layer.kind in ("MaxPool2d", "AvgPool2d"):
        down = (layer.inputs[1] - arguments["window"]) // arguments["stride"] + 1
        arguments |= {"padding": 0, "ceil_mode": layer.outputs[1] != down}
    return arguments


def test_nodes_weights_and_metadata_are_named_for_people(tmp_path):
    path = tmp_path / "model.onnx"
    _, layers = written(path, "paper", 67)
    model = onnx.load(path)
    assert [node.name for node in model.graph.node] == [layer.name for layer in layers]
    assert {"conv1.weight", "fc8.bias"} <= {tensor.name for tensor in model.graph.initializer}
    assert (model.producer_name, model.ir_version) == ("tinynet-alexnet", 7)
    assert model.opset_import[0].version == 13
    assert {entry.key for entry in model.metadata_props} == RECORD.keys()
    assert "RGB" in model.doc_string and "normalization.mean" in model.doc_string
    about = session(path)
    assert about.get_inputs()[0].shape == ["N", 3, 67, 67]
    assert about.get_modelmeta().custom_metadata_map["stored_size"] == "256"


def test_float64_networks_stay_float64(tmp_path):
    ReferenceEvaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    path = tmp_path / "model.onnx"
    model, layers = written(path, "torchvision", 100, dtype="float64")
    onnx.checker.check_model(str(path), full_check=True)
    assert_same_arrays(onnx_file.read(path), model.state_dict())
    assert_same_layers(onnx_file.read(path), layers)
    x = images(model, 1)
    y = ReferenceEvaluator(str(path)).run(None, {"images": x})[0]
    assert y.dtype == np.float64 and distance(y, logits(model, x)) < 1e-12


def test_writing_takes_no_copy_of_the_weights(tmp_path):
    """A process whose memory is bounded just above the arrays, of 65 MB, fc6.weight 38 MB."""
    pytest.importorskip("resource", reason="limits of memory are POSIX")
    program = (
        "import resource, sys, numpy as np, onnx.helper\n"
        "from alexnet import SPECS\n"
        "from alexnet.network.plan import plan, array_shapes\n"
        "from alexnet.network.variants import changed\n"
        "from alexnet.formats.onnx_write import write\n"
        "layers = plan(changed(SPECS['paper'], width=0.5), 1000, 227)\n"
        "arrays = {n: np.ones(s, np.float32) for n, s in array_shapes(layers)[0].items()}\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * resource.getpagesize() + (24 << 20)\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "write(sys.argv[1], layers, arrays, {})\n"
    )
    if not os.path.exists("/proc/self/statm"):
        pytest.skip("the size of a process is read from /proc")
    path = tmp_path / "model.onnx"
    subprocess.run([sys.executable, "-c", program, path], check=True, timeout=60)
    assert path.stat().st_size > 60_000_000


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    model, layers = written(path, "cifar10", 8)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match="No space left"):
        onnx_write.write(path, layers, model.state_dict(), RECORD)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.onnx"]


def test_what_does_not_fit_the_format_is_an_error_before_anything_is_written(tmp_path):
    path = tmp_path / "model.onnx"
    model, layers = network("cifar10", 8)
    with pytest.raises(UsageError, match="words takes .* bytes as JSON, 33,554,432 fit"):
        onnx_write.write(path, layers, model.state_dict(), {"words": "a" * (1 << 25)})
    with pytest.raises(ValueError, match="state_dict of a network of these layers"):
        onnx_write.write(path, layers, network("cifar10", 16)[0].state_dict(), RECORD)
    wide = plan(SPECS["paper"], 1 << 17, 67)  # fc8 alone takes 2 GiB; no memory is taken for it
    shapes = onnx_write.array_shapes(wide)[0]
    arrays = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items()}
    with pytest.raises(UsageError, match="one file holds 2,147,483,647"):
        onnx_write.write(path, wide, arrays, RECORD)
    assert os.listdir(tmp_path) == []


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    model, layers = network("cifar10", 8)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match="pip install onnx"):
        onnx_write.write(tmp_path / "model.onnx", layers, model.state_dict(), RECORD)
    with pytest.raises(UsageError, match="pip install onnx"):
        onnx_file.read(tmp_path / "model.onnx")
