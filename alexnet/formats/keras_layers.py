"""Layers of Keras in this project's words: their kinds, arguments and arrays.

An activation may be an argument of a layer: here it is a layer, of the same name. Zero padding may
be a layer: here it is an argument of the convolution behind it. padding="same" gives
ceil(size / stride) outputs; the zeros that this takes depend on the size of the map, and where
their number is odd one more lies below and on the right, which is refused.

Source: keras-team/keras, keras/src/layers; the padding: keras/src/ops/operation_utils.py and
TensorFlow's notes on tf.nn (the section on padding).
"""

from collections.abc import Callable

import numpy as np

from alexnet.data.names import printable
from alexnet.errors import DataError
from alexnet.formats.keras_arrays import batch_norm, convolution, dense, shown
from alexnet.formats.keras_config import SIZE, KerasLayer, listed
from alexnet.weights import record as records
from alexnet.weights.file_network import FileLayer
from tinynet.ops.windows import output_size

_ACTIVATIONS = {"linear": None, "relu": "ReLU", "tanh": "Tanh", "softmax": "Softmax"}


def convert(
    layers: list[KerasLayer],
    arrays: Callable[[KerasLayer, list[str]], dict[str, np.ndarray]],
    image_size: int | None,
) -> list[FileLayer]:
    """The layers of a configuration, in order.

    arrays      gives the arrays of a layer that has these: kernel, bias, gamma, ...
    image_size  rows and columns of the input, where known: some paddings depend on it
    Raises DataError for a layer or a setting that no AlexNet here has.
    """
    conversion = _Conversion(arrays, image_size)
    for layer in layers:
        conversion.add(layer)
    conversion.end()
    return conversion.layers


class _Conversion:
    """The layers so far, and what the next ones need to know.

    side    rows and columns of the maps, None if unknown
    zeros   (rows, columns) of zeros that a ZeroPadding2D put around the maps
    flat    whether the maps are flattened
    """

    def __init__(self, arrays, image_size):
        self.layers, self.arrays = [], arrays
        self.side, self.zeros, self.flat = image_size, (0, 0), False

    def add(self, layer):
        if layer.kind == "Lambda":
            raise DataError(
                f"{shown(layer.name)} is a Lambda, a program inside the file, which is never run"
            )
        if layer.kind not in _METHODS:
            raise DataError(
                f"{shown(layer.name)} is of class {records.short(printable(layer.kind))}, which "
                "no AlexNet here has"
            )
        if layer.settings.get("data_format", "channels_last") not in ("channels_last", None):
            raise DataError(
                f"{shown(layer.name)} has data_format "
                f"{records.short(layer.settings['data_format'])}; channels_last fits"
            )
        if self.zeros != (0, 0) and layer.kind != "Conv2D":
            raise DataError(f"{shown(layer.name)} reads padded maps, only Conv2D may")
        _METHODS[layer.kind](self, layer)

    def end(self):
        if self.zeros != (0, 0):
            raise DataError("its last layer pads maps for no convolution")

    def _add(self, layer, kind, arguments=None):
        self.layers.append(FileLayer(printable(layer.name), kind, arguments or {}))

    def _activation(self, layer, name="activation"):
        activation = layer.settings.get(name, "linear")
        activation = "linear" if activation is None else activation
        if not isinstance(activation, str) or activation not in _ACTIVATIONS:
            raise DataError(
                f"{shown(layer.name)} has the activation {records.short(activation)}; "
                f"{', '.join(_ACTIVATIONS)} fit"
            )
        if _ACTIVATIONS[activation]:
            self._add(layer, _ACTIVATIONS[activation])

    # --- layers of maps ---------------------------------------------------------------------------

    def _input(self, layer):
        if self.layers:
            raise DataError(f"{shown(layer.name)} is an input behind other layers")

    def _zero_padding(self, layer):
        around = listed(layer.settings.get("padding", 1))
        around = [listed(both) for both in around] if isinstance(around, list) else [around] * 2
        around = [both if isinstance(both, list) else [both] * 2 for both in around]
        sides = [number for both in around for number in both]
        if len(around) != 2 or len(sides) != 4:
            raise DataError(f"{shown(layer.name)} has no padding of rows and columns")
        for number in sides:
            records.check(f"{shown(layer.name)}: padding", number, records.whole(0, 1 << 20))
        if sides[0] != sides[1] or sides[2] != sides[3]:
            raise DataError(
                f"{shown(layer.name)} pads {sides[0]}, {sides[1]} rows and {sides[2]}, {sides[3]} "
                "columns; as many on both sides fit"
            )
        self.zeros = sides[0], sides[2]
        self.side = None if self.side is None else self.side + 2 * sides[0]

    def _conv2d(self, layer):
        settings = layer.settings
        self._maps(layer)
        kernel, stride = layer.pair("kernel_size"), layer.pair("strides", 1)
        groups, out = settings.get("groups", 1), settings.get("filters")
        records.check(f"{shown(layer.name)}: groups", groups, SIZE)
        records.check(f"{shown(layer.name)}: filters", out, SIZE)
        if layer.pair("dilation_rate", 1) != (1, 1):
            raise DataError(f"{shown(layer.name)} has a dilated kernel")
        padding = self._padding(layer, kernel, stride)
        arrays = self.arrays(layer, ["kernel"] + ["bias"] * layer.flag("use_bias"))
        if arrays["kernel"].ndim != 4 or arrays["kernel"].shape[:2] != kernel:
            raise DataError(
                f"{shown(layer.name)} has kernel_size {kernel} and a kernel of shape "
                f"{arrays['kernel'].shape}"
            )
        if arrays["kernel"].shape[3] != out or out % groups:
            raise DataError(
                f"{shown(layer.name)} has {records.short(out)} filters in {groups} groups and a "
                f"kernel of shape {arrays['kernel'].shape}"
            )
        zeros, self.zeros = self.zeros, (0, 0)
        arguments = {
            "in_channels": arrays["kernel"].shape[2] * groups,
            "stride": _one_or_two(stride),
            "padding": _one_or_two((padding[0] + zeros[0], padding[1] + zeros[1])),
            "groups": groups,
            "ceil_mode": False,
        }
        self.layers.append(convolution(layer.name, arrays["kernel"], arrays.get("bias"), arguments))
        self._shrink(kernel, stride, padding)
        self._activation(layer)

    def _pool(self, layer):
        self._maps(layer)
        window = layer.pair("pool_size", 2)
        stride = window if layer.settings.get("strides") is None else layer.pair("strides")
        padding = self._padding(layer, window, stride)
        arguments = {
            "window": _one_or_two(window),
            "stride": _one_or_two(stride),
            "ceil_mode": False,
        }
        average = layer.kind == "AveragePooling2D"
        if padding != (0, 0):
            arguments["padding"] = _one_or_two(padding)
            arguments |= {"count_include_pad": False} if average else {}
        self._add(layer, "AvgPool2d" if average else "MaxPool2d", arguments)
        self._shrink(window, stride, padding)

    def _padding(self, layer, window, stride):
        """(rows, columns) of zeros on each side."""
        padding = layer.settings.get("padding", "valid")
        if padding == "valid":
            return 0, 0
        if padding != "same":
            raise DataError(
                f"{shown(layer.name)} has padding {records.short(padding)}; valid and same fit"
            )
        around = []
        for size, step in zip(window, stride, strict=True):
            if step > 1 and self.side is None:
                raise DataError(
                    f"{shown(layer.name)} has padding 'same' and stride {step}: its zeros depend "
                    "on the size of the image, which the file does not tell"
                )
            outputs = 1 if step == 1 else -(-self.side // step)
            rest = 1 if step == 1 else self.side  # with stride 1 any size gives the same zeros
            zeros = max((outputs - 1) * step + size - rest, 0)
            if zeros % 2:
                raise DataError(
                    f"{shown(layer.name)} has padding 'same', which here is {zeros // 2} zeros on "
                    f"one side and {zeros // 2 + 1} on the other; as many on both sides fit"
                )
            around.append(zeros // 2)
        return tuple(around)

    def _shrink(self, window, stride, padding):
        if self.side is not None:
            sizes = {
                output_size(self.side, *axis) for axis in zip(window, stride, padding, strict=True)
            }
            # Maps that are no squares fit no AlexNet; their sizes are not followed.
            self.side = sizes.pop() if len(sizes) == 1 else None

    def _batch_norm(self, layer):
        self._maps(layer)
        axis = listed(layer.settings.get("axis", -1))
        if axis not in (-1, 3, [-1], [3]):
            raise DataError(f"{shown(layer.name)} normalises axis {records.short(axis)}")
        names = ["gamma"] * layer.flag("scale") + ["beta"] * layer.flag("center")
        arrays = self.arrays(layer, [*names, "moving_mean", "moving_variance"])
        momentum = layer.settings.get("momentum", 0.99)
        eps = layer.settings.get("epsilon", 1e-3)
        records.check(f"{shown(layer.name)}: momentum", momentum, records.SHARE)
        records.check(f"{shown(layer.name)}: epsilon", eps, records.real(0, above=True))
        # Keras' momentum is the share of the old statistics; 1 - 0.99 is not quite 0.01.
        arguments = {"eps": float(eps), "momentum": round(1 - momentum, 12)}
        self.layers.append(batch_norm(layer.name, arrays, arguments))

    def _maps(self, layer):
        if self.flat:
            raise DataError(f"{shown(layer.name)} reads flattened maps")

    # --- the other layers -------------------------------------------------------------------------

    def _flatten(self, layer):
        self._add(layer, "Flatten")
        self.flat = True

    def _dense(self, layer):
        if not self.flat:
            raise DataError(f"{shown(layer.name)} reads maps that are not flattened")
        arrays = self.arrays(layer, ["kernel"] + ["bias"] * layer.flag("use_bias"))
        one = dense(layer.name, arrays["kernel"], arrays.get("bias"))
        if one.arguments["out_features"] != layer.settings.get("units"):
            raise DataError(
                f"{shown(layer.name)} has {records.short(layer.settings.get('units'))} units and "
                f"a kernel of shape {arrays['kernel'].shape}"
            )
        self.layers.append(one)
        self._activation(layer)

    def _dropout(self, layer):
        drop = layer.settings.get("rate")
        records.check(f"{shown(layer.name)}: rate", drop, records.real(0, below=1))
        if layer.settings.get("noise_shape") is not None:
            raise DataError(f"{shown(layer.name)} drops whole maps")
        self._add(layer, "Dropout", {"drop": float(drop), "scale": "train"})

    def _relu(self, layer):
        for setting in ("max_value", "negative_slope", "threshold"):
            value = layer.settings.get(setting)
            if value is not None and (value != 0 or setting == "max_value"):
                raise DataError(f"{shown(layer.name)} has {setting} {records.short(value)}")
        self._add(layer, "ReLU")

    def _softmax(self, layer):
        if layer.settings.get("axis", -1) not in (-1, [-1], 1, [1]) or not self.flat:
            raise DataError(f"{shown(layer.name)} is no softmax over classes")
        self._add(layer, "Softmax")


_METHODS = {
    "InputLayer": _Conversion._input,
    "ZeroPadding2D": _Conversion._zero_padding,
    "Conv2D": _Conversion._conv2d,
    "MaxPooling2D": _Conversion._pool,
    "AveragePooling2D": _Conversion._pool,
    "BatchNormalization": _Conversion._batch_norm,
    "Flatten": _Conversion._flatten,
    "Dense": _Conversion._dense,
    "Dropout": _Conversion._dropout,
    "Activation": _Conversion._activation,
    "ReLU": _Conversion._relu,
    "Softmax": _Conversion._softmax,
}


def _one_or_two(pair):
    return pair[0] if pair[0] == pair[1] else pair
