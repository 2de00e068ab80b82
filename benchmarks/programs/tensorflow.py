"""TensorFlow in graph mode.   python -m benchmarks.programs.tensorflow FOLDER cpu

The whole step is one tf.function: forward, loss, gradients, update. Images lie channels last, the
only order that its processor kernels know; a convolution of two groups is two convolutions.
"""

import platform
import sys

import numpy as np

from benchmarks.clocks import HostClock
from benchmarks.programs import protocol
from benchmarks.programs.channels_last import (
    flattened,
    forward,
    from_channels_last,
    to_channels_last,
)


class TensorFlow:
    """The network of a plan; protocol.serve says what its methods are for."""

    def __init__(self, folder, device):
        self.folder, self.clock, self.about = folder, HostClock(), {}
        self.plan, self.batch = protocol.work(folder)
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(self.plan["threads"])
        self.tf, self.ops, self.layers = tf, Ops(tf), self.plan["layers"]
        self.maps = flattened(self.layers)
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
        self.use(len(self.batch["labels"]))

    def use(self, batch_size, precision="float32"):
        images = self.batch["images"][:batch_size].transpose(0, 2, 3, 1)
        self.images = self.tf.constant(np.ascontiguousarray(images))
        self.labels = self.tf.constant(self.batch["labels"][:batch_size])

    def restart(self, dropout):
        for name, array in protocol.weights(self.folder):
            self.parameters[name].assign(to_channels_last(name, array, self.maps))
            self.velocities[name].assign(np.zeros(self.velocities[name].shape, np.float32))
        self.dropout = dropout

    def step(self):
        start = self.clock.mark()
        loss = float(self.graph(self.images, self.labels, self.dropout))
        return lambda: loss, {"start": start, "step": self.clock.mark()}

    def infer(self):
        start = self.clock.mark()
        logits = self.logits(self.images).numpy()
        return lambda: logits, {"start": start, "infer": self.clock.mark()}

    def state(self):
        for name, variable in self.parameters.items():
            yield name, from_channels_last(name, variable.numpy(), self.maps)

    def _step(self, images, labels, dropout):
        tf, p = self.tf, self.parameters
        with tf.GradientTape() as tape:
            mode = "dropping" if dropout else "training"
            logits = forward(self.ops, self.layers, p, images, mode)
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
        return forward(self.ops, self.layers, self.parameters, images, "test")


class Ops:
    """TensorFlow's functions for channels_last.forward."""

    def __init__(self, tf):
        self.tf, self.add_bias, self.relu = tf, tf.nn.bias_add, tf.nn.relu
        self.tanh, self.reshape = tf.tanh, tf.reshape
        self.local_response_norm = tf.nn.local_response_normalization

    def convolution(self, x, weight, stride, padding, groups, kernel, **channels):
        edges = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
        if padding == 0 or (stride == 1 and 2 * padding == kernel - 1):
            edges = "SAME" if padding else "VALID"  # the same windows, by faster kernels
        parts = (self.tf.split(array, groups, axis=3) for array in (x, weight))
        y = [self.tf.nn.conv2d(*part, stride, edges) for part in zip(*parts, strict=True)]
        return y[0] if groups == 1 else self.tf.concat(y, axis=3)

    def bordered(self, x, before, after):
        """Rows and columns of zeros before and after each map."""
        return self.tf.pad(x, [[0, 0], [before, after], [before, after], [0, 0]])

    def max_pool(self, x, window, stride, overhang):
        x = self._padded(x, overhang, -np.inf)
        return self.tf.nn.max_pool2d(x, window, stride, "VALID")

    def sum_pool(self, x, window, stride, overhang):
        x = self._padded(x, overhang, 0.0)
        return self.tf.nn.avg_pool2d(x, window, stride, "VALID") * window**2

    def dropout(self, x, drop, scale, number):
        if scale == "train":
            return self.tf.nn.dropout(x, drop)
        return self.tf.where(self.tf.random.uniform(x.shape) >= drop, x, 0.0)

    def _padded(self, x, overhang, value):
        edges = [[0, 0], [0, overhang], [0, overhang], [0, 0]]
        return self.tf.pad(x, edges, constant_values=value) if overhang else x


if __name__ == "__main__":
    protocol.serve(TensorFlow(*sys.argv[1:]), sys.argv[1])
