"""JAX.   python -m benchmarks.programs.jax FOLDER cpu

The whole step is one function under jit, which may write over its old weights and velocities.
Images lie channels last, the order that XLA's convolutions on a processor are written for.
"""

import functools
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


class JAX:
    """The network of a plan; protocol.serve says what its methods are for."""

    def __init__(self, folder, device):
        self.folder, self.clock, self.about = folder, HostClock(), {}
        self.plan, self.batch = protocol.work(folder)
        import jax

        self.jax, self.layers = jax, self.plan["layers"]
        self.maps = flattened(self.layers)
        self.graph = jax.jit(self._step, static_argnames="dropout", donate_argnums=(0, 1))
        test = functools.partial(forward, Ops(jax), self.layers, mode="test")
        self.logits = jax.jit(test)
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"jax": jax.__version__}
        self.use(len(self.batch["labels"]))
        self.restart(dropout=True)

    def use(self, batch_size, precision="float32"):
        images = self.batch["images"][:batch_size].transpose(0, 2, 3, 1)
        self.images = self.jax.device_put(images)
        self.labels = self.jax.device_put(self.batch["labels"][:batch_size].astype(np.int32))

    def restart(self, dropout):
        self.parameters = self.velocities = None
        self.parameters = {
            name: self.jax.device_put(to_channels_last(name, array, self.maps))
            for name, array in protocol.weights(self.folder)
        }
        zeros = self.jax.numpy.zeros_like
        self.velocities = {name: zeros(array) for name, array in self.parameters.items()}
        self.key = self.jax.random.key(0)
        self.dropout = dropout

    def step(self):
        marks = {"start": self.clock.mark()}
        self.parameters, self.velocities, self.key, loss = self.jax.block_until_ready(
            self.graph(
                self.parameters, self.velocities, self.key, self.images, self.labels,
                dropout=self.dropout,
            )
        )  # fmt: skip
        marks["step"] = self.clock.mark()
        return lambda: float(loss), marks

    def infer(self):
        start = self.clock.mark()
        logits = np.asarray(self.logits(self.parameters, self.images))
        return lambda: logits, {"start": start, "infer": self.clock.mark()}

    def state(self):
        for name, array in self.parameters.items():
            yield name, from_channels_last(name, np.asarray(array), self.maps)

    def _step(self, parameters, velocities, key, images, labels, dropout):
        jax, jnp = self.jax, self.jax.numpy
        next_key, key = jax.random.split(key)

        def loss_of(parameters):
            mode = "dropping" if dropout else "training"
            logits = forward(Ops(jax, key), self.layers, parameters, images, mode)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
            return -chosen.mean()

        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        momentum, decay = self.plan["momentum"], self.plan["weight_decay"]
        for name, weight in parameters.items():
            velocity = momentum * velocities[name] + (gradients[name] + decay * weight)
            velocities = {**velocities, name: velocity}
            parameters = {**parameters, name: weight - self.plan["lr"] * velocity}
        return parameters, velocities, next_key, loss


class Ops:
    """JAX's functions for channels_last.forward; key: for dropout."""

    def __init__(self, jax, key=None):
        self.jax, self.jnp, self.key = jax, jax.numpy, key
        self.add_bias, self.relu = jax.numpy.add, jax.nn.relu
        self.tanh, self.reshape = jax.numpy.tanh, jax.numpy.reshape

    def convolution(self, x, weight, stride, padding, groups, **sizes):
        """Group by group: with feature_group_count=2 XLA takes several times as long on a
        processor."""
        parts = (self.jnp.split(array, groups, axis=3) for array in (x, weight))
        edges, order = [(padding, padding)] * 2, ("NHWC", "HWIO", "NHWC")
        convolve = self.jax.lax.conv_general_dilated
        y = [
            convolve(*part, (stride, stride), edges, dimension_numbers=order)
            for part in zip(*parts, strict=True)
        ]
        return self.jnp.concatenate(y, axis=3)

    def bordered(self, x, before, after):
        """Rows and columns of zeros before and after each map."""
        return self.jnp.pad(x, [(0, 0), (before, after), (before, after), (0, 0)])

    def max_pool(self, x, window, stride, overhang):
        return self._windows(x, self.jax.lax.max, -np.inf, window, stride, overhang)

    def sum_pool(self, x, window, stride, overhang):
        return self._windows(x, self.jax.lax.add, 0.0, window, stride, overhang)

    def local_response_norm(self, x, half, k, alpha, beta):
        window, edges = (1, 1, 1, 2 * half + 1), [(0, 0)] * 3 + [(half, half)]
        add = self.jax.lax.add
        squares = self.jax.lax.reduce_window(x * x, 0.0, add, window, (1, 1, 1, 1), edges)
        return x * (k + alpha * squares) ** -beta

    def dropout(self, x, drop, scale, number):
        key = self.jax.random.fold_in(self.key, number)
        kept = self.jax.random.bernoulli(key, 1 - drop, x.shape)
        return self.jnp.where(kept, x / (1 - drop) if scale == "train" else x, 0.0)

    def _windows(self, x, function, start, window, stride, overhang):
        """Every window of a pool reduced by the function."""
        edges = ((0, 0), (0, overhang), (0, overhang), (0, 0))
        sizes, strides = (1, window, window, 1), (1, stride, stride, 1)
        return self.jax.lax.reduce_window(x, start, function, sizes, strides, edges)


if __name__ == "__main__":
    protocol.serve(JAX(*sys.argv[1:]), sys.argv[1])
