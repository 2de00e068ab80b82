"""One layer as a program to be timed: in tinynet and in PyTorch.

    arrays = draw(layer, 128)                        NumPy arrays: x, dy and the parameters
    program = LayerProgram(Tinynet(), layer, arrays, copies)
    ys = program.forward()                           the layer on every copy of its arrays
    program.backward(ys)
    program.results()                                {"y": ..., "dx": ..., ...} of the first copy

On a processor there is one copy, of the same arrays for both programs. On a GPU a pass goes through
several copies of the numbers: the arrays that one copy leaves in the L2 cache are gone before its
next turn, as in a training step.
"""

import math
from dataclasses import asdict, dataclass, field

import numpy as np

import tinynet as tn
from alexnet.network.build import make
from benchmarks.programs.pytorch import pytorch_layer

SGD = {"lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}
LEAST_COPIES = 4
MOST_COPIES = 64  # a GPU's queue takes some thousand launches; beyond, the processor would wait


def draw(layer, batch_size) -> dict[str, np.ndarray]:
    """The arrays of a layer, float32, the same ones on every call.

    x, dy             like the layer's input and output, with the batch
    parameter names   normal numbers; weights over the square root of fan-in; a batch norm's near 1
    labels            instead of dy, for the loss
    weight, gradient  of SGD, which has no x
    """
    generator = np.random.default_rng(0)

    def normal(*shape):
        return generator.standard_normal(shape, np.float32)

    if layer.kind == "SGD":
        return {"weight": normal(*layer.inputs), "gradient": normal(*layer.inputs)}
    arrays = {"x": normal(batch_size, *layer.inputs)}
    if layer.kind == "SoftmaxCrossEntropy":
        return arrays | {"labels": generator.integers(0, layer.inputs[0], batch_size)}
    arrays["dy"] = normal(batch_size, *layer.outputs)
    for name, parameter in make([layer])[0].named_parameters():
        array = normal(*parameter.shape)
        array /= np.float32(math.sqrt(math.prod(parameter.shape[1:])))
        arrays[name] = 1 + array / 4 if layer.kind == "BatchNorm2d" else array
    return arrays


def copies_for(arrays, cache_bytes: int | None) -> int:
    """How many copies of the arrays a program needs: one on a processor (no cache_bytes); on a GPU
    LEAST_COPIES times the cache, but LEAST_COPIES to MOST_COPIES."""
    if cache_bytes is None:
        return 1
    own = sum(array.nbytes for array in arrays.values())
    return min(MOST_COPIES, max(LEAST_COPIES, math.ceil(LEAST_COPIES * cache_bytes / own)))


@dataclass
class Copy:
    """One set of a layer's arrays.

    run     () -> y; of SGD the update, which returns nothing
    dy      the gradient by y
    leaves  {name: tensor that gets a gradient}: "x" and parameters; of SGD none
    """

    run: object
    dy: object = None
    leaves: dict = field(default_factory=dict)


class LayerProgram:
    """A layer, the loss or the update, on copies of its arrays.

    framework  Tinynet or PyTorch, below
    arrays     from draw()
    count      how many copies; SGD has one
    needs_dx   whether x requires a gradient: not for the first layer of a network
    Raises TypeError for a layer that PyTorch does not have.
    """

    def __init__(self, framework, layer, arrays, count, needs_dx=True):
        self._framework, self._updates = framework, layer.kind == "SGD"
        count = 1 if self._updates else count
        self.copies = [self._copy(layer, arrays, needs_dx) for _ in range(count)]

    def _copy(self, layer, arrays, needs_dx):
        arrays = {name: self._framework.array(array) for name, array in arrays.items()}
        if self._updates:
            self._weight = self._framework.Parameter(arrays["weight"])
            self._weight.grad = arrays["gradient"]
            return Copy(self._framework.sgd([self._weight]).step)
        x = self._framework.tensor(arrays["x"], needs_dx)
        leaves = {"x": x} if needs_dx else {}
        if layer.kind == "SoftmaxCrossEntropy":
            return Copy(self._framework.loss(x, arrays["labels"]), None, leaves)
        module = self._framework.module(layer)
        for name, parameter in module.named_parameters():
            parameter.data = arrays[name]
            leaves[name] = parameter
        return Copy(lambda: module(x), arrays["dy"], leaves)

    def forget(self):
        """Drop the gradients; the next backward would add to them."""
        for copy in self.copies:
            for tensor in copy.leaves.values():
                tensor.grad = None

    def forward(self):
        """The layer, or the update, on every copy; returns the outputs."""
        return [copy.run() for copy in self.copies]

    def backward(self, ys):
        """The backward of what forward returned."""
        for copy, y in zip(self.copies, ys, strict=True):
            y.backward(copy.dy)

    def results(self) -> dict:
        """Output and gradients of the first copy, or the weight after an update."""
        copy, numpy = self.copies[0], self._framework.numpy
        if self._updates:
            copy.run()
            return {"weight": numpy(self._weight)}
        self.forget()
        y = copy.run()
        y.backward(copy.dy)
        gradients = {f"d{name}": numpy(tensor.grad) for name, tensor in copy.leaves.items()}
        return {"y": numpy(y), "dx": None} | gradients


class Tinynet:
    """tinynet on its default backend."""

    Parameter = tn.nn.Parameter

    def array(self, array):
        return tn.get_backend().from_numpy(array.copy())

    def tensor(self, array, requires_grad):
        return tn.Tensor(array, requires_grad=requires_grad)

    def numpy(self, tensor):
        array = tensor.data if isinstance(tensor, tn.Tensor) else tensor
        return tn.get_backend().to_numpy(array)

    def module(self, layer):
        return make([layer])[0]

    def loss(self, x, labels):
        labels = tn.Labels(self.numpy(labels), x.shape[1])
        return lambda: tn.softmax_cross_entropy(x, labels)

    def sgd(self, parameters):
        return tn.optim.SGD(parameters, **SGD)


class PyTorch:
    """PyTorch on "cpu" or "cuda", with images channels first and its fused SGD."""

    def __init__(self, device):
        import torch

        self._torch, self._device, self.Parameter = torch, device, torch.nn.Parameter

    def array(self, array):
        return self._torch.tensor(array, device=self._device)

    def tensor(self, array, requires_grad):
        return array.requires_grad_(requires_grad)

    def numpy(self, tensor):
        return tensor.detach().cpu().numpy()

    def module(self, layer):
        if layer.kind == "Dropout":  # its own: scaled in training, whatever the spec says
            return self._torch.nn.Dropout(layer.arguments["drop"])
        return pytorch_layer(self._torch, **asdict(layer)).to(self._device)

    def loss(self, x, labels):
        return lambda: self._torch.nn.functional.cross_entropy(x, labels)

    def sgd(self, parameters):
        return self._torch.optim.SGD(parameters, **SGD, fused=True)
