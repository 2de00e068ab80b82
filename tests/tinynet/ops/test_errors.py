"""Ops refuse arguments that do not fit, and name the op, the argument, the shapes, the remedy."""

import numpy as np
import pytest

import tinynet as tn


def tensor(*shape, dtype=np.float32):
    return tn.Tensor(np.ones(shape, dtype))


def images(*shape):
    return tn.Tensor(np.ones(shape, np.uint8))


X = (2, 6, 5, 4)  # (N, C, H, W)
LABELS = np.array([0, 1])

# name: (call, error, parts of its message)
REFUSED = {
    "conv2d: x of rank 3": (
        lambda: tn.conv2d(tensor(6, 5, 4), tensor(2, 6, 3, 3)),
        ValueError, ["conv2d: x", "(6, 5, 4)", "(N, C, H, W)"]),
    "conv2d: integer images": (
        lambda: tn.conv2d(images(*X), tensor(2, 6, 3, 3)),
        TypeError, ["conv2d: x", "uint8 (2, 6, 5, 4)", "float32 or float64", "astype"]),
    "conv2d: weight of rank 2": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6)),
        ValueError, ["conv2d: weight", "(2, 6)", "kernel rows"]),
    "conv2d: channels that do not fit": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 4, 3, 3)),
        ValueError, ["conv2d: weight has 4 input channels", "x has 6 channels in 1 group",
                     "(2, 6, 3, 3) fits"]),
    "conv2d: channels that would fit two groups": (
        lambda: tn.conv2d(tensor(*X), tensor(4, 3, 3, 3)),
        ValueError, ["3 input channels a group", "6 channels in 1 group", "groups=2"]),
    "conv2d: outputs that groups do not divide": (
        lambda: tn.conv2d(tensor(*X), tensor(3, 3, 3, 3), groups=2),
        ValueError, ["conv2d: weight (3, 3, 3, 3)", "3 output channels", "2 groups"]),
    "conv2d: groups 0": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), groups=0),
        ValueError, ["conv2d: groups", "at least 1", "0"]),
    "conv2d: half a group": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), groups=0.5),
        TypeError, ["conv2d: groups", "int", "0.5"]),
    "conv2d: a kernel larger than the padded map": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 7), padding=(0, 1)),
        ValueError, ["conv2d", "(3, 7)", "(5, 6)", "(2, 6, 5, 4)"]),
    "conv2d: bias of another length": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), tensor(3)),
        ValueError, ["conv2d: bias", "(3,)", "(2,) fits"]),
    "conv2d: weight of another dtype": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3, dtype=np.float64)),
        TypeError, ["conv2d: weight is float64", "x is float32"]),
    "conv2d: stride 0": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), stride=0),
        ValueError, ["conv2d: stride", "at least 1", "0"]),
    "conv2d: three strides": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), stride=(1, 1, 1)),
        TypeError, ["conv2d: stride", "pair", "(1, 1, 1)"]),
    "conv2d: half a pixel of padding": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), padding=0.5),
        TypeError, ["conv2d: padding", "int", "0.5"]),
    "conv2d: negative padding": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), padding=-1),
        ValueError, ["conv2d: padding", "at least 0", "-1"]),
    "conv2d: no image": (
        lambda: tn.conv2d(tensor(0, 6, 5, 4), tensor(2, 6, 3, 3)),
        ValueError, ["conv2d: x", "(0, 6, 5, 4)"]),
    "linear: maps": (
        lambda: tn.linear(tensor(*X), tensor(3, 120)),
        ValueError, ["linear: x", "(2, 6, 5, 4)", "flatten"]),
    "linear: features that do not fit": (
        lambda: tn.linear(tensor(2, 5), tensor(3, 6)),
        ValueError, ["linear: weight", "(3, 6)", "(3, 5) fits"]),
    "linear: bias of another length": (
        lambda: tn.linear(tensor(2, 5), tensor(3, 5), tensor(2)),
        ValueError, ["linear: bias", "(2,)", "(3,) fits"]),
    "linear: weight of rank 1": (
        lambda: tn.linear(tensor(2, 5), tensor(5)),
        ValueError, ["linear: weight", "(5,)", "(OUT, IN)"]),
    "linear: integers": (
        lambda: tn.linear(images(2, 5), tensor(3, 5)),
        TypeError, ["linear: x", "uint8 (2, 5)"]),
    "max_pool2d: a window larger than the map": (
        lambda: tn.max_pool2d(tensor(*X), (6, 2)),
        ValueError, ["max_pool2d", "(6, 2)", "(5, 4)", "(2, 6, 5, 4)"]),
    "max_pool2d: more padding than half the window": (
        lambda: tn.max_pool2d(tensor(*X), 3, padding=2),
        ValueError, ["max_pool2d: padding (2, 2)", "(3, 3)"]),
    "max_pool2d: window 0": (
        lambda: tn.max_pool2d(tensor(*X), 0),
        ValueError, ["max_pool2d: window", "at least 1"]),
    "avg_pool2d: rank 2": (
        lambda: tn.avg_pool2d(tensor(2, 6), 2),
        ValueError, ["avg_pool2d: x", "(2, 6)", "(N, C, H, W)"]),
    "avg_pool2d: a window of text": (
        lambda: tn.avg_pool2d(tensor(*X), "2"),
        TypeError, ["avg_pool2d: window", "'2'"]),
    "adaptive_avg_pool2d: size 0": (
        lambda: tn.adaptive_avg_pool2d(tensor(*X), (2, 0)),
        ValueError, ["adaptive_avg_pool2d: size", "at least 1", "(2, 0)"]),
    "local_response_norm: an even size": (
        lambda: tn.local_response_norm(tensor(*X), size=4),
        ValueError, ["local_response_norm: size", "odd", "4"]),
    "local_response_norm: a size of text": (
        lambda: tn.local_response_norm(tensor(*X), size="5"),
        TypeError, ["local_response_norm: size", "int", "'5'"]),
    "local_response_norm: groups that do not divide": (
        lambda: tn.local_response_norm(tensor(*X), groups=4),
        ValueError, ["local_response_norm: groups=4", "6 channels", "(2, 6, 5, 4)"]),
    "same_map_norm: an even size": (
        lambda: tn.same_map_norm(tensor(*X), size=4),
        ValueError, ["same_map_norm: size", "odd", "4"]),
    "same_map_norm: a pair of sizes": (
        lambda: tn.same_map_norm(tensor(*X), size=(3, 3)),
        TypeError, ["same_map_norm: size", "int", "(3, 3)"]),
    "same_map_norm: size -1": (
        lambda: tn.same_map_norm(tensor(*X), size=-1),
        ValueError, ["same_map_norm: size", "at least 1", "-1"]),
    "same_map_norm: integer maps": (
        lambda: tn.same_map_norm(images(*X)),
        TypeError, ["same_map_norm: x", "uint8 (2, 6, 5, 4)"]),
    "batch_norm: weight of another length": (
        lambda: tn.batch_norm(tensor(*X), tensor(5), tensor(6), tensor(6), tensor(6), True),
        ValueError, ["batch_norm: weight", "(5,)", "(6,) fits"]),
    "batch_norm: training on one value a channel": (
        lambda: tn.batch_norm(tensor(1, 6, 1, 1), *[tensor(6)] * 4, True),
        ValueError, ["batch_norm: x (1, 6, 1, 1)", "1 value a channel", "at least 2", "eval()"]),
    "batch_norm: training on one value a channel in the layer": (
        lambda: tn.nn.BatchNorm2d(6)(tensor(1, 6, 1, 1)),
        ValueError, ["batch_norm: x (1, 6, 1, 1)", "at least 2"]),
    "batch_norm: statistics that require a gradient": (
        lambda: tn.batch_norm(tensor(*X), None, None, *[tn.nn.Parameter([1.0] * 6)] * 2, False),
        ValueError, ["batch_norm: running_mean", "no gradient"]),
    "pad: a negative side": (
        lambda: tn.pad(tensor(*X), bottom=-1), ValueError, ["pad: bottom", "at least 0", "-1"]),
    "pad: PyTorch's order in a tuple": (
        lambda: tn.pad(tensor(*X), (0, 1, 0, 1)), TypeError, ["pad: top", "int", "(0, 1, 0, 1)"]),
    "pad: rank 2": (lambda: tn.pad(tensor(2, 3), 1), ValueError, ["pad: x", "(2, 3)"]),
    "pad: a value of text": (
        lambda: tn.pad(tensor(*X), 1, value="0"), TypeError, ["pad: value", "str"]),
    "concatenate: one tensor": (
        lambda: tn.concatenate(tensor(2, 3)), TypeError, ["concatenate: tensors", "list"]),
    "concatenate: no tensors": (
        lambda: tn.concatenate([]), TypeError, ["concatenate: tensors has 0 entries"]),
    "concatenate: arrays only": (
        lambda: tn.concatenate([np.ones(2), np.ones(2)]),
        TypeError, ["concatenate: tensors has 2 entries", "Tensor"]),
    "concatenate: a number": (
        lambda: tn.concatenate([tensor(2), 1.0]), TypeError, ["concatenate: tensors[1] is float"]),
    "concatenate: other sizes": (
        lambda: tn.concatenate([tensor(2, 3), tensor(2, 3), tensor(3, 3)], axis=1),
        ValueError, ["tensors[0] has shape (2, 3)", "tensors[2] (3, 3)", "axis 1"]),
    "concatenate: another rank": (
        lambda: tn.concatenate([tensor(2, 3), tensor(2)]),
        ValueError, ["tensors[1] (2,)"]),
    "concatenate: another dtype": (
        lambda: tn.concatenate([tensor(2), tensor(2, dtype=np.float64)]),
        TypeError, ["tensors[0] is float32 (2,)", "tensors[1] float64 (2,)"]),
    "concatenate: an axis that is not there": (
        lambda: tn.concatenate([tensor(2), tensor(2)], axis=1),
        ValueError, ["concatenate: axis 1", "1 axes"]),
    "concatenate: two axes": (
        lambda: tn.concatenate([tensor(2, 2), tensor(2, 2)], axis=(0, 1)),
        TypeError, ["concatenate: axis", "(0, 1)"]),
    "sigmoid: integers": (lambda: tn.sigmoid(images(3)), TypeError, ["sigmoid: x", "uint8 (3,)"]),
    "sqrt: integers": (lambda: images(2).sqrt(), TypeError, ["sqrt: a", "uint8"]),
    "log_softmax: an axis that is not there": (
        lambda: tn.log_softmax(tensor(2, 3), 2), ValueError, ["log_softmax: axis 2", "2 axes"]),
    "log_softmax: no class": (
        lambda: tn.log_softmax(tensor(2, 0)), ValueError, ["log_softmax: logits", "(2, 0)"]),
    "clip: no bound": (lambda: tensor(2).clip(), ValueError, ["clip: min and max"]),
    "clip: bounds exchanged": (
        lambda: tensor(2).clip(1, 0), ValueError, ["clip: min 1 is above max 0"]),
    "clip: a bound that is a tensor": (
        lambda: tensor(2).clip(tensor(2)), TypeError, ["clip: min is", "maximum"]),
    "maximum: shapes that do not broadcast": (
        lambda: tn.maximum(tensor(2, 3), tensor(2)), ValueError, ["maximum", "(2, 3)", "(2,)"]),
    "maximum: two dtypes": (
        lambda: tn.maximum(tensor(2), tensor(2, dtype=np.float64)),
        TypeError, ["maximum: float32 (2,)", "float64 (2,)"]),
    "minimum: nothing": (lambda: tn.minimum(tensor(2), None), TypeError, ["minimum", "NoneType"]),
    "where: a condition of numbers": (
        lambda: tn.where(tensor(2), tensor(2), 0),
        TypeError, ["where: condition is float32 (2,)", "x > 0"]),
    "where: a condition that does not broadcast": (
        lambda: tn.where(np.ones(3, bool), tensor(2), 0), ValueError, ["where", "(3,)", "(2,)"]),
    "where: nothing to take": (
        lambda: tn.where(tensor(2) > 0, None, 0), TypeError, ["where", "NoneType"]),
    "argmax: nothing": (lambda: tensor(0, 3).argmax(0), ValueError, ["argmax: a", "(0, 3)"]),
    "argmax: two axes": (
        lambda: tensor(2, 3).argmax((0, 1)), TypeError, ["argmax: axis", "(0, 1)"]),
    "avg_pool2d: an unknown argument": (
        lambda: tn.avg_pool2d(tensor(*X), 2, divisor_override=3),
        TypeError, ["avg_pool2d", "divisor_override", "count_include_pad"]),
    "conv2d: dilation": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), dilation=2),
        TypeError, ["conv2d", "'dilation'", "stride=1, padding=0, groups=1"]),
    "conv2d: PyTorch's seven arguments": (
        lambda: tn.conv2d(tensor(*X), tensor(2, 6, 3, 3), None, 1, 0, 1, 1),
        TypeError, ["conv2d: too many", "groups=1"]),
    "conv2d: no weight": (lambda: tn.conv2d(tensor(*X)), TypeError, ["conv2d", "'weight'"]),
    "nn.Conv2d: dilation": (
        lambda: tn.nn.Conv2d(3, 4, 3, dilation=2), TypeError, ["Conv2d", "'dilation'"]),
    "dropout: drop above 1": (
        lambda: tn.dropout(tensor(2, 5), 1.5),
        ValueError, ["dropout: drop", "0 to 1", "1.5"]),
    "dropout: an unknown scale": (
        lambda: tn.dropout(tensor(2, 5), 0.5, scale="both"),
        ValueError, ["dropout: scale", "train", "test", "both"]),
    "dropout: a draw beyond 32 bits": (
        lambda: tn.dropout(tensor(2, 5), 0.5, draw=2**32),
        ValueError, ["draw", "2^32", "4294967296"]),
    "dropout: a negative draw": (
        lambda: tn.dropout(tensor(2, 5), 0.5, draw=-1),
        ValueError, ["draw", "-1"]),
    "dropout: half a draw": (
        lambda: tn.dropout(tensor(2, 5), 0.5, draw=1.5), TypeError, ["dropout: draw", "1.5"]),
    "dropout: a part beyond the columns": (
        lambda: tn.dropout(tensor(2, 3, 5), part=(1, 10, 24)),
        ValueError, ["dropout: part (1, 10, 24)", "(2, 3, 5)", "its 15", "25 columns or more"]),
    "dropout: a part without a first column": (
        lambda: tn.dropout(tensor(2, 5), part=(1, 10)), TypeError, ["dropout: part", "(1, 10)"]),
    "dropout: half a first row": (
        lambda: tn.dropout(tensor(2, 5), part=(1.5, 0, 5)),
        TypeError, ["dropout: first_row of part", "1.5"]),
    "dropout: a negative first column": (
        lambda: tn.dropout(tensor(2, 5), part=(0, -1, 5)),
        ValueError, ["dropout: first_column of part", "-1"]),
    "dropout: a part of a number": (
        lambda: tn.dropout(tensor(), part=(0, 0, 1)), ValueError, ["dropout: part", "shape ()"]),
    "dropout: a part of too many elements": (
        lambda: tn.dropout(tensor(2, 5), part=(2**60, 0, 5)),
        ValueError, ["dropout: part", "2^62"]),
    "relu: integers": (lambda: tn.relu(images(3)), TypeError, ["relu: x", "uint8 (3,)"]),
    "tanh: integers": (lambda: tn.tanh(images(3)), TypeError, ["tanh: x", "uint8 (3,)"]),
    "softmax: maps": (
        lambda: tn.softmax(tensor(*X)),
        ValueError, ["softmax: logits", "(2, 6, 5, 4)", "(N, classes)"]),
    "softmax_cross_entropy: a label out of range": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), np.array([4, 5])),
        ValueError, ["labels[1] is 5", "5 classes", "0 to 4"]),
    "softmax_cross_entropy: a negative label": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), np.array([-1, 2])),
        ValueError, ["labels[0] is -1", "0 to 4"]),
    "softmax_cross_entropy: labels of another length": (
        lambda: tn.softmax_cross_entropy(tensor(3, 5), LABELS),
        ValueError, ["labels", "(2,)", "(3, 5)", "(3,) fit"]),
    "softmax_cross_entropy: labels that are no integers": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), np.array([0.0, 1.0])),
        TypeError, ["labels are float64", "integers"]),
    "softmax_cross_entropy: soft labels of another shape": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), tensor(2, 4)),
        ValueError, ["soft labels are float32 (2, 4)", "logits float32 (2, 5)"]),
    "softmax_cross_entropy: soft labels of another dtype": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), np.ones((2, 5))),
        ValueError, ["soft labels are float64 (2, 5)", "logits float32 (2, 5)"]),
    "softmax_cross_entropy: soft labels that are ignored": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), tensor(2, 5), ignore_index=1),
        ValueError, ["ignore_index", "soft labels"]),
    "softmax_cross_entropy: an ignored label by half": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, ignore_index=0.5),
        TypeError, ["ignore_index", "int", "0.5"]),
    "softmax_cross_entropy: a label out of range beside an ignored one": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), np.array([-1, 5]), ignore_index=-1),
        ValueError, ["labels[1] is 5", "0 to 4"]),
    "softmax_cross_entropy: too few class weights": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, weight=tensor(4)),
        ValueError, ["weight has shape (4,)", "(5,) fits"]),
    "softmax_cross_entropy: class weights of another dtype": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, weight=np.ones(5)),
        TypeError, ["weight is float64 (5,)", "float32 (5,) fits"]),
    "softmax_cross_entropy: class weights in a list": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, weight=[1.0] * 5),
        TypeError, ["weight is list", "array float32 (5,)"]),
    "softmax_cross_entropy: class weights to be learnt": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, weight=tn.nn.Parameter([1.0] * 5)),
        ValueError, ["weight has no gradient", "detach"]),
    "softmax_cross_entropy: an unknown reduction": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, reduction="batchmean"),
        ValueError, ["reduction", "mean", "sum", "none", "batchmean"]),
    "softmax_cross_entropy: more than everything smoothed": (
        lambda: tn.softmax_cross_entropy(tensor(2, 5), LABELS, label_smoothing=1.5),
        ValueError, ["label_smoothing", "0 to 1", "1.5"]),
    "softmax_cross_entropy: no image": (
        lambda: tn.softmax_cross_entropy(tensor(0, 5), np.array([], int)),
        ValueError, ["logits", "(0, 5)", "at least 1"]),
    "add: shapes that do not broadcast": (
        lambda: tensor(2, 3) + tensor(2),
        ValueError, ["add", "(2, 3)", "(2,)", "broadcast"]),
    "multiply: two dtypes": (
        lambda: tensor(2) * tensor(2, dtype=np.float64),
        TypeError, ["multiply", "float32 (2,)", "float64 (2,)"]),
    "divide: integers": (lambda: images(2) / 2, TypeError, ["divide: a", "uint8 (2,)"]),
    "power: text as exponent": (
        lambda: tensor(2) ** "2", TypeError, ["power", "float32 (2,)", "str"]),
    "matmul: inner sizes that differ": (
        lambda: tensor(2, 3) @ tensor(2, 3),
        ValueError, ["matmul: a is (2, 3), b is (2, 3)", "K"]),
    "matmul: a vector": (
        lambda: tensor(2, 3) @ tensor(3), ValueError, ["matmul", "(2, 3)", "(3,)"]),
    "matmul: stacks that do not broadcast": (
        lambda: tensor(2, 3, 4) @ tensor(5, 4, 2),
        ValueError, ["matmul", "stacks", "(2,)", "(5,)"]),
    "exp: integers": (lambda: images(2).exp(), TypeError, ["exp: a", "uint8"]),
    "log: integers": (lambda: images(2).log(), TypeError, ["log: a", "uint8"]),
    "mean: integers": (lambda: images(2).mean(), TypeError, ["mean: a", "uint8"]),
    "sum: an axis that is not there": (
        lambda: tensor(2, 3).sum(2), ValueError, ["sum: axis 2", "2 axes"]),
    "sum: an axis twice": (
        lambda: tensor(2, 3).sum((0, -2)), ValueError, ["sum: axis (0, -2)"]),
    "mean: an axis of text": (
        lambda: tensor(2, 3).mean("0"), TypeError, ["mean: axis", "'0'"]),
    "max: nothing": (lambda: tensor(0, 3).max(), ValueError, ["max: a", "(0, 3)"]),
    "reshape: another number of elements": (
        lambda: tensor(2, 3).reshape(4, 2),
        ValueError, ["reshape: ", "(2, 3)", "6 elements", "(4, 2)"]),
    "transpose: too few axes": (
        lambda: tensor(2, 3, 4).transpose(0, 1),
        ValueError, ["transpose: axes (0, 1)", "3 axes", "(2, 3, 4)"]),
    "flatten: from beyond the last axis": (
        lambda: tensor(2, 3).flatten(3), ValueError, ["flatten: start", "0 to 2", "3"]),
    "seed: not an integer": (lambda: tn.seed(1.5), ValueError, ["seed: n", "1.5"]),
    "SGD: no parameters": (
        lambda: tn.optim.SGD([], lr=1), ValueError, ["SGD: parameters is empty"]),
    "SGD: an unknown rule": (
        lambda: tn.optim.SGD([tensor(1)], lr=1, rule="adam"),
        ValueError, ["SGD: rule", "paper", "pytorch", "adam"]),
    "SGD: a negative rate": (
        lambda: tn.optim.SGD([tn.nn.Parameter([1.0])], lr=-1),
        ValueError, ["SGD: lr", "negative", "-1"]),
    "SGD: a tensor without gradient": (
        lambda: tn.optim.SGD([tensor(1)], lr=1), TypeError, ["SGD: a parameter", "gradient"]),
    "SGD: an unknown key": (
        lambda: tn.optim.SGD([{"parameters": [tn.nn.Parameter([1.0])], "rate": 1}], lr=1),
        ValueError, ["SGD: a group has the keys", "rate", "lr"]),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_arguments_that_do_not_fit_are_refused_with_a_message_that_says_what_fits(name, backend):
    call, error, parts = REFUSED[name]
    with pytest.raises(error) as raised:
        call()
    message = str(raised.value)
    assert [part for part in parts if part not in message] == [], message


def test_numpys_ints_are_ints(backend):
    x, two, five = tensor(*X), np.int64(2), np.uint8(5)
    weight = tensor(4, 3, 3, 3)
    for ours, expected in (
        (tn.conv2d(x, weight, groups=two), tn.conv2d(x, weight, groups=2)),
        (tn.local_response_norm(x, five, groups=two), tn.local_response_norm(x, 5, groups=2)),
        (tn.same_map_norm(x, five), tn.same_map_norm(x, 5)),
        (tn.dropout(x, 0.5, draw=five), tn.dropout(x, 0.5, draw=5)),
    ):
        assert np.array_equal(ours.numpy(), expected.numpy())
    layer = tn.nn.Conv2d(np.int64(6), np.int64(4), np.int64(3), groups=two)
    assert layer(x).shape == (2, 4, 3, 2)
    assert tn.nn.LocalResponseNorm(np.int64(5), groups=two)(x).shape == X


def test_an_error_leaves_the_backend_ready_for_the_next_call(backend):
    with pytest.raises(ValueError):
        tn.conv2d(tensor(*X), tensor(2, 4, 3, 3))
    assert (
        tn.conv2d(tensor(*X), tensor(2, 6, 3, 3)).numpy().tolist() == [[[[54.0] * 2] * 3] * 2] * 2
    )
