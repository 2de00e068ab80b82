"""JAX.   python -m benchmarks.peers.jax FOLDER

The whole step is one function under jit, which may write over its old weights and velocities.
Images lie channels last, the order that XLA's convolutions on a processor are written for.
"""

import functools
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


class JAX:
    """The network of a plan; protocol.serve says what its methods are for."""

    def __init__(self, folder):
        self.folder = folder
        self.plan, batch = protocol.work(folder)
        import jax

        self.jax, self.layers = jax, self.plan["layers"]
        self.maps = flattened(self.layers)
        self.images = jax.device_put(batch["images"].transpose(0, 2, 3, 1))
        self.labels = jax.device_put(batch["labels"].astype(np.int32))
        self.graph = jax.jit(self._step, static_argnames="dropout", donate_argnums=(0, 1))
        self.logits = jax.jit(functools.partial(_forward, jax, self.layers), static_argnames="mode")
        self.versions = {"python": platform.python_version(), "numpy": np.__version__}
        self.versions |= {"jax": jax.__version__}
        self.restart(dropout=True)

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
        start = time.perf_counter()
        self.parameters, self.velocities, self.key, loss = self.jax.block_until_ready(
            self.graph(
                self.parameters, self.velocities, self.key, self.images, self.labels,
                dropout=self.dropout,
            )
        )  # fmt: skip
        return {"loss": float(loss), "seconds": time.perf_counter() - start}

    def infer(self):
        return np.asarray(self.logits(self.parameters, self.images, None, mode="test"))

    def state(self):
        for name, array in self.parameters.items():
            yield name, from_channels_last(name, np.asarray(array), self.maps)

    def _step(self, parameters, velocities, key, images, labels, dropout):
        jax, jnp = self.jax, self.jax.numpy
        next_key, key = jax.random.split(key)

        def loss_of(parameters):
            mode = "dropping" if dropout else "training"
            logits = _forward(jax, self.layers, parameters, images, key, mode)
            chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)
            return -chosen.mean()

        loss, gradients = jax.value_and_grad(loss_of)(parameters)
        momentum, decay = self.plan["momentum"], self.plan["weight_decay"]
        for name, weight in parameters.items():
            velocity = momentum * velocities[name] + (gradients[name] + decay * weight)
            velocities = {**velocities, name: velocity}
            parameters = {**parameters, name: weight - self.plan["lr"] * velocity}
        return parameters, velocities, next_key, loss


def _forward(jax, layers, parameters, x, key, mode):
    """The logits. mode: "dropping", "training" (without dropout) or "test"; key: for dropout."""
    jnp = jax.numpy
    for number, layer in enumerate(layers):
        name, arguments = layer["name"], layer["arguments"]
        match layer["kind"]:
            case "Conv2d":
                weight, bias = parameters[name + ".weight"], parameters[name + ".bias"]
                x = _convolution(jax, x, weight, **arguments) + bias
            case "Linear":
                x = x @ parameters[name + ".weight"] + parameters[name + ".bias"]
            case "ReLU":
                x = jax.nn.relu(x)
            case "Tanh":
                x = jnp.tanh(x)
            case "Flatten":
                x = x.reshape(len(x), -1)
            case "MaxPool2d":
                x = _windows(jax, x, layer, jax.lax.max, -np.inf)
            case "AvgPool2d":
                x = _windows(jax, x, layer, jax.lax.add, 0.0) / cells_inside(layer)
            case "AdaptiveAvgPool2d" if layer["inputs"] == layer["outputs"]:
                pass  # every mean is that of one number
            case "LocalResponseNorm":
                x = _local_response_norm(jax, x, **arguments)
            case "Dropout" if mode == "dropping":
                kept = jax.random.bernoulli(
                    jax.random.fold_in(key, number), 1 - arguments["drop"], x.shape
                )
                factor = 1 / (1 - arguments["drop"]) if arguments["scale"] == "train" else 1.0
                x = jnp.where(kept, x * factor, 0.0)
            case "Dropout":
                test = mode == "test" and arguments["scale"] == "test"
                x = x * (1 - arguments["drop"]) if test else x
            case kind:
                raise SystemExit(f"JAX: no layer is known for {name}, {kind}")
    return x


def _convolution(jax, x, weight, stride, padding, groups, **sizes):
    """Group by group: with feature_group_count=2 XLA takes several times as long on a processor."""
    jnp = jax.numpy
    maps = zip(jnp.split(x, groups, axis=3), jnp.split(weight, groups, axis=3), strict=True)
    y = [
        jax.lax.conv_general_dilated(
            part, kernels, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        for part, kernels in maps
    ]  # fmt: skip
    return jnp.concatenate(y, axis=3)


def _windows(jax, x, layer, function, start):
    """Every window of a pool reduced by the function."""
    window, stride = layer["arguments"]["window"], layer["arguments"]["stride"]
    edges = ((0, 0), (0, overhang(layer)), (0, overhang(layer)), (0, 0))
    return jax.lax.reduce_window(
        x, start, function, (1, window, window, 1), (1, stride, stride, 1), edges
    )


def _local_response_norm(jax, x, size, alpha, beta, k, divide_by_size):
    half = size // 2
    squares = jax.lax.reduce_window(
        x * x, 0.0, jax.lax.add, (1, 1, 1, size), (1, 1, 1, 1), [(0, 0)] * 3 + [(half, half)]
    )
    return x * (k + alpha / (size if divide_by_size else 1) * squares) ** -beta


if __name__ == "__main__":
    protocol.serve(JAX(*sys.argv[1:]), sys.argv[1])
