"""onnx_file: models as other programs write them, and what is no AlexNet."""

import os
import warnings

import numpy as np
import pytest

import alexnet
from alexnet.errors import DataError
from alexnet.formats.onnx_file import read
from tests.alexnet.formats.onnx_graphs import (
    RANDOM,
    F,
    helper,
    layers_of,
    node,
    numbers,
    save,
    to_tensor,
    typed,
)
from tests.alexnet.formats.onnx_models import distance, images, logits

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

# --- the ONNX Model Zoo's bvlcalexnet -------------------------------------------------------------


def light_model(width):
    """The light bvlc_alexnet of the package onnx, its layers cut to this share of their widths."""
    folder = os.path.dirname(onnx.__file__)
    path = os.path.join(folder, "backend/test/data/light/light_bvlc_alexnet.onnx")
    if not os.path.exists(path):
        pytest.skip("this version of the package onnx has no light_bvlc_alexnet.onnx")
    model = onnx.load(path)
    reference = alexnet.build("onnx-zoo", 10, width=width)
    shapes = {name: array.shape for name, array in reference.state_dict().items()}
    for tensor in model.graph.initializer:
        layer, kind = tensor.name.split("_")[:2]
        name = f"{layer}.{ {'w': 'weight', 'b': 'bias'}.get(kind) }"
        if name in shapes:
            tensor.CopyFrom(to_tensor(np.array(shapes[name], np.int64), tensor.name))
        else:  # the reshape before fc6
            tensor.CopyFrom(to_tensor(np.array([1, shapes["fc6.weight"][1]]), tensor.name))
    return model, reference


def test_the_model_zoos_alexnet_has_the_layers_of_the_row_onnx_zoo(tmp_path):
    model, reference = light_model(width=0.06)
    onnx.save(model, tmp_path / "light.onnx")
    network = read(tmp_path / "light.onnx")
    kinds = [type(layer).__name__ for _, layer in reference]
    assert [layer.kind for layer in network.layers] == [*kinds, "Softmax"]
    pools = [layer for layer in network.layers if layer.kind == "MaxPool2d"]
    assert [layer.arguments["ceil_mode"] for layer in pools] == [False, False, True]
    assert [layer.outputs[1] for layer in pools] == [26, 12, 6]
    norm = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0, "divide_by_size": True, "groups": 1}
    assert network.layers[2].arguments == norm
    assert (network.image_size, network.channels, network.record) == (224, "bgr", {})
    constant = [float(np.ptp(layer.arrays["weight"])) for layer in network.weighted()]
    assert constant == [0.0] * 8


def test_the_model_zoos_alexnet_agrees_with_onnxruntime(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    model, reference = light_model(width=0.06)
    state = reference.state_dict()
    for name, array in state.items():
        deviation = np.sqrt(2 / np.prod(array.shape[1:])) if array.ndim > 1 else 0.1
        state[name] = (deviation * RANDOM.normal(size=array.shape)).astype(np.float32)
    weights = {name.replace(".weight", "_w_0").replace(".bias", "_b_0"): name for name in state}
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    del model.graph.node[:], model.graph.input[1:]
    model.graph.node.extend(kept[:-1])  # the logits, without the softmax
    model.graph.output[0].name = kept[-2].output[0]
    model.graph.initializer.extend(to_tensor(state[old], new) for new, old in weights.items())
    model.ir_version = 4  # initializers need not be inputs
    onnx.save(model, tmp_path / "light.onnx")
    found = read(tmp_path / "light.onnx").weighted()
    names = [name for name, layer in reference if hasattr(layer, "weight")]
    reference.load_state_dict(
        {
            f"{name}.{part}": array
            for name, layer in zip(names, found, strict=True)
            for part, array in layer.arrays.items()
        }
    )
    x = images(reference, 1)
    session = runtime.InferenceSession(tmp_path / "light.onnx", providers=["CPUExecutionProvider"])
    assert distance(session.run(None, {"data_0": x})[0], logits(reference.eval(), x)) < 1e-5


# --- PyTorch's exporter ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "opset, free, flatten",
    [(11, False, "flatten"), (11, True, "view"), (18, False, "view"), (18, True, "view")],
)
def test_what_pytorch_exports_is_read(opset, free, flatten, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 4, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
                nn.BatchNorm2d(4, 0.25), nn.AdaptiveAvgPool2d(7),
            )  # fmt: skip
            self.classifier = nn.Sequential(nn.Dropout(), nn.Linear(4 * 49, 5), nn.Softmax(1))

        def forward(self, x):
            x = self.features(x)
            x = torch.flatten(x, 1) if flatten == "flatten" else x.view(x.size(0), -1)
            return self.classifier(x)

    torch.manual_seed(0)
    net = Net().eval()
    path, x = tmp_path / "torch.onnx", torch.zeros(2, 3, 28, 28)
    axes = {"dynamic_axes": {"x": {0: "N"}}} if free else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, (x,), path, opset_version=opset, dynamo=False, input_names=["x"], **axes
        )
    network = read(path)
    kinds = "Conv2d ReLU MaxPool2d BatchNorm2d Flatten Linear Softmax"
    assert [layer.kind for layer in network.layers] == kinds.split()
    pool = {"window": 3, "stride": 2, "padding": 0, "ceil_mode": True}
    assert network.layers[2].arguments == pool and network.layers[2].outputs == (4, 7, 7)
    assert network.layers[3].arguments == {"channels": 4, "eps": 0.25}
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    assert np.array_equal(network.layers[0].arrays["weight"], state["features.0.weight"])
    assert np.array_equal(network.layers[5].arrays["weight"], state["classifier.1.weight"])


# --- constants in all their forms -----------------------------------------------------------------


WEIGHT = np.array([[1.5, -2, 0.25], [0, 3, -0.5]], np.float32)  # exact in 16 bits, too
HALF = WEIGHT.astype(np.float16).view(np.uint16)
BRAIN = (WEIGHT.view(np.uint32) >> 16).astype(np.uint16)  # bfloat16


@pytest.mark.parametrize(
    "tensor, dtype",
    [
        (to_tensor(WEIGHT), np.float32),
        (typed(WEIGHT, 1, float_data=WEIGHT.ravel()), np.float32),
        (to_tensor(WEIGHT.astype(np.float64)), np.float64),
        (typed(WEIGHT, 11, double_data=WEIGHT.ravel()), np.float64),
        (typed(WEIGHT, 10, raw_data=HALF.tobytes()), np.float32),
        (typed(WEIGHT, 10, int32_data=HALF.ravel().tolist()), np.float32),
        (typed(WEIGHT, 16, raw_data=BRAIN.tobytes()), np.float32),
        (typed(WEIGHT, 16, int32_data=BRAIN.ravel().tolist()), np.float32),
    ],
)
def test_weights_of_every_floating_type_are_read(tensor, dtype, tmp_path):
    nodes = [node("Flatten", ["x"], "f"), node("Gemm", ["f", "w"], "y", transB=1)]
    path = save(tmp_path / "m.onnx", nodes, {"w": tensor}, ("N", 3, 1, 1))
    (_, linear) = read(path).layers
    assert linear.arrays["weight"].dtype == dtype and "bias" not in linear.arrays
    assert np.array_equal(linear.arrays["weight"], WEIGHT)


@pytest.mark.parametrize(
    "before, linear",
    [
        ([], [node("Gemm", ["f", "w"], "y")]),
        ([], [node("MatMul", ["f", "w"], "y")]),
        ([], [node("MatMul", ["f", "w"], "a"), node("Add", ["a", "b"], "y")]),
        ([], [node("MatMul", ["f", "w"], "a"), node("Add", ["b", "a"], "y")]),
        ([node("Transpose", ["w"], "t", perm=[1, 0])], [node("Gemm", ["f", "t"], "y", transB=1)]),
        (
            [node("Identity", ["w"], "i"), node("Cast", ["i"], "c", to=F)],
            [node("MatMul", ["f", "c"], "y")],
        ),
        ([node("Constant", [], "k", value=to_tensor(WEIGHT.T))], [node("MatMul", ["f", "k"], "y")]),
        (
            [node("Unsqueeze", ["w", "axis"], "u"), node("Squeeze", ["u", "axis"], "s")],
            [node("MatMul", ["f", "s"], "y")],
        ),
    ],
)
def test_a_fully_connected_layer_is_read_in_every_form(before, linear, tmp_path):
    constants = {"w": WEIGHT.T, "b": np.array([[5, 6]], np.float32), "axis": np.array([0])}
    nodes = [node("Flatten", ["x"], "f"), *before, *linear]
    path = save(tmp_path / "m.onnx", nodes, constants, ("N", 3, 1, 1))
    (_, layer) = read(path).layers
    assert layer.arguments == {"in_features": 3, "out_features": 2}
    assert np.array_equal(layer.arrays["weight"], WEIGHT)
    assert layer.arrays["weight"].flags.c_contiguous
    bias = layer.arrays.get("bias")
    assert (bias is None) == (linear[-1].op_type != "Add")
    assert bias is None or bias.tolist() == [5, 6]


FLAT = [
    (node("Flatten", ["x"], "y"), None),
    (node("Reshape", ["x", "s"], "y"), [-1, 12]),
    (node("Reshape", ["x", "s"], "y"), [0, -1]),
    (node("Reshape", ["x", "s"], "y"), [0, 12]),
    (node("Reshape", ["x", "s"], "y"), [1, -1]),
    (helper.make_node("Reshape", ["x"], ["y"], shape=[1, 12]), None),
]
NOT_FLAT = [
    (node("Flatten", ["x"], "y", axis=2), None, "axis must be 1"),
    (node("Reshape", ["x", "s"], "y"), [-1, 6], r"makes the shape \[-1, 6\]"),
    (node("Reshape", ["x", "s"], "y"), [-1, -1], "should be"),
    (node("Reshape", ["x", "s"], "y"), [12, -1], "should be"),
    (node("Reshape", ["x", "s"], "y"), [0, 3, 4], "should be"),
    (node("Reshape", ["x", "s"], "y", allowzero=1), [0, 12], "should be"),
    (node("Squeeze", ["x"], "y", axes=[2, 3]), None, "maps of one pixel"),
]


@pytest.mark.parametrize("flat, shape", FLAT)
def test_a_reshape_that_flattens_is_a_flatten(flat, shape, tmp_path):
    nodes = [flat, node("MatMul", ["y", "w"], "z")]
    constants = {"w": numbers(12, 2)} | ({} if shape is None else {"s": np.array(shape)})
    path = save(tmp_path / "m.onnx", nodes, constants, (1, 3, 2, 2), "z")
    assert layers_of(path)[0] == ("Flatten", {}, (12,))


@pytest.mark.parametrize(
    "count",
    [
        [node("Shape", ["x"], "n", start=0, end=1)],
        [node("Shape", ["x"], "all"), node("Slice", ["all", "zero", "one"], "n")],
        [
            node("Shape", ["x"], "all"),
            node("Gather", ["all", "zero"], "g"),
            node("Cast", ["g"], "n", to=7),
        ],
    ],
)
def test_a_reshape_may_compute_the_number_of_images(count, tmp_path):
    nodes = [
        *count,
        node("Concat", ["n", "rest"], "shape", axis=0),
        node("Reshape", ["x", "shape"], "f"),
        node("MatMul", ["f", "w"], "y"),
    ]
    constants = {"zero": np.array([0]), "one": np.array([1]), "rest": np.array([-1])}
    path = save(tmp_path / "m.onnx", nodes, constants | {"w": numbers(12, 2)}, ("N", 3, 2, 2))
    assert layers_of(path)[0] == ("Flatten", {}, (12,))
    constants["one"] = constants["zero"] = np.array([2])  # rows, or nothing
    save(path, nodes, constants | {"w": numbers(12, 2)}, ("N", 3, 2, 2))
    if count[0].attribute:
        assert layers_of(path)[0] == ("Flatten", {}, (12,))  # it reads neither
    else:
        with pytest.raises(DataError, match="makes no constant"):
            read(path)


@pytest.mark.parametrize("flat, shape, words", NOT_FLAT)
def test_a_reshape_that_does_not_flatten_is_an_error(flat, shape, words, tmp_path):
    nodes = [flat, node("MatMul", ["y", "w"], "z")]
    constants = {"w": numbers(12, 2)} | ({} if shape is None else {"s": np.array(shape)})
    path = save(tmp_path / "m.onnx", nodes, constants, (1, 3, 2, 2), "z")
    with pytest.raises(DataError, match=words):
        read(path)
