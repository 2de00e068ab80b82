"""TensorFlow in graph mode.   python -m benchmarks.peers.tensorflow FOLDER

The whole step is one tf.function: forward, loss, gradients, update. Images lie channels last, the
only order that its processor kernels know; a convolution of two groups is two convolutions.
"""

import platform
import sys
import time

import numpy as np

from benchmarks.peers import protocol
from benchmarks.peers.channels_last import (
    cells_inside,
    flattened,
    from_channels_last,
    overhang,
    to_channels_last,
)


class TensorFlow:
    """The network of a plan; protocol.serve says what its methods are for."""

    def __init__(self, folder):
        self.folder = folder
        self.plan, batch = protocol.work(folder)
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.plan["threads"])
        self.tf, self.layers = tf, self.plan["layers"]
        self.maps = flattened(self.layers)
        self.images = tf.constant(np.ascontiguousarray(batch["images"].transpose(0, 2, 3, 1)))
        self.labels = tf.constant(batch["labels"])
        self.parameters, self.velocities = {}, {}
        for name, array in protocol.weights(folder):
            array = to_channels_last(name, array, self.maps)
            self.parameters[name] = tf.Variable(array)
            self.velocities[name] = tf.Variable(np.zeros_like(array))
        self.dropout = True
        # One graph with dropout, one without: dropout is an argument of the function.
        self.graph, self.logits = (
            tf.function(function, autograph=False) for function in (self._step, self._logits)
        )
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"tensorflow": tf.__version__}

    def restart(self, dropout):
        for name, array in protocol.weights(self.folder):
            self.parameters[name].assign(to_channels_last(name, array, self.maps))
            self.velocities[name].assign(np.zeros(self.velocities[name].shape, np.float32))
        self.dropout = dropout

    def step(self):
        start = time.perf_counter()
        loss = float(self.graph(self.images, self.labels, self.dropout))
        return {"loss": loss, "seconds": time.perf_counter() - start}

    def infer(self):
        return self.logits(self.images).numpy()

    def state(self):
        for name, variable in self.parameters.items():
            yield name, from_channels_last(name, variable.numpy(), self.maps)

    def _step(self, images, labels, dropout):
        tf, p = self.tf, self.parameters
        with tf.GradientTape() as tape:
            logits = _forward(tf, self.layers, p, images, "dropping" if dropout else "training")
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        for name, gradient in tape.gradient(loss, p).items():
            # v = momentum v + (g + weight_decay w); w = w - lr v, in one pass for each parameter
            tf.raw_ops.ResourceApplyMomentum(
                var=p[name].handle, accum=self.velocities[name].handle, lr=self.plan["lr"],
                grad=gradient + self.plan["weight_decay"] * p[name],
                momentum=self.plan["momentum"],
            )  # fmt: skip
        return loss

    def _logits(self, images):
        return _forward(self.tf, self.layers, self.parameters, images, "test")


def _forward(tf, layers, parameters, x, mode):
    """The logits. mode: "dropping", "training" (without dropout) or "test"."""
    for layer in layers:
        name, arguments = layer["name"], layer["arguments"]
        match layer["kind"]:
            case "Conv2d":
                weight, bias = parameters[name + ".weight"], parameters[name + ".bias"]
                x = tf.nn.bias_add(_convolution(tf, x, weight, **arguments), bias)
            case "Linear":
                x = tf.matmul(x, parameters[name + ".weight"])
                x = tf.nn.bias_add(x, parameters[name + ".bias"])
            case "ReLU":
                x = tf.nn.relu(x)
            case "Tanh":
                x = tf.tanh(x)
            case "Flatten":
                x = tf.reshape(x, (x.shape[0], -1))
            case "MaxPool2d":
                x = _padded(tf, x, overhang(layer), -np.inf)
                x = tf.nn.max_pool2d(x, arguments["window"], arguments["stride"], "VALID")
            case "AvgPool2d":
                x = _padded(tf, x, overhang(layer), 0.0)
                x = tf.nn.avg_pool2d(x, arguments["window"], arguments["stride"], "VALID")
                x = x * (arguments["window"] ** 2 / cells_inside(layer))
            case "AdaptiveAvgPool2d" if layer["inputs"] == layer["outputs"]:
                pass  # every mean is that of one number
            case "LocalResponseNorm":
                size, k, beta = (arguments[word] for word in ("size", "k", "beta"))
                alpha = arguments["alpha"] / (size if arguments["divide_by_size"] else 1)
                x = tf.nn.local_response_normalization(x, size // 2, k, alpha, beta)
            case "Dropout" if mode == "dropping":
                x = _dropout(tf, x, **arguments)
            case "Dropout":
                test = mode == "test" and arguments["scale"] == "test"
                x = x * (1 - arguments["drop"]) if test else x
            case kind:
                raise SystemExit(f"TensorFlow: no layer is known for {name}, {kind}")
    return x


def _convolution(tf, x, weight, stride, padding, groups, kernel, **channels):
    edges = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
    if padding == 0 or (stride == 1 and 2 * padding == kernel - 1):
        edges = "SAME" if padding else "VALID"  # the same windows, by faster kernels
    maps = zip(tf.split(x, groups, axis=3), tf.split(weight, groups, axis=3), strict=True)
    y = [tf.nn.conv2d(part, kernels, stride, edges) for part, kernels in maps]
    return y[0] if groups == 1 else tf.concat(y, axis=3)


def _padded(tf, x, overhang, value):
    if not overhang:
        return x
    return tf.pad(x, [[0, 0], [0, overhang], [0, overhang], [0, 0]], constant_values=value)


def _dropout(tf, x, drop, scale):
    if scale == "train":
        return tf.nn.dropout(x, drop)
    return tf.where(tf.random.uniform(x.shape) >= drop, x, 0.0)


if __name__ == "__main__":
    protocol.serve(TensorFlow(*sys.argv[1:]), sys.argv[1])
