"""One layer on a GPU as a program to be timed: tinynet's, and the same in PyTorch.

    given = layer_programs.draw(layer, 128)          NumPy arrays
    program = tinynet_program(layer, given, copies)
    ys = program.forward()                           queues the layer on every copy of its arrays
    program.backward(ys)
    program.results()                                {"y": ..., "dx": ..., ...} of the first copy

The copies hold the same numbers in other memory, and each pass goes through all of them: what one
leaves in the L2 cache is gone when its turn comes again, as it is in a training step.
"""

import math
from dataclasses import dataclass, field

import tinynet as tn
from benchmarks import layer_programs
from benchmarks.layer_programs import SGD, OtherNumbers, pytorch_layer, relative_error

# The largest difference over the largest number. float32: sums in other orders. TF32 keeps 10 bits
# of what goes into a product, so that one of normal numbers is off by 2^-11 of its size.
TOLERANCES = {"float32": 1e-4, "tf32": 5e-3}
LEAST_COPIES = 4
MOST_COPIES = 64  # a GPU's queue takes some thousand launches; of more the processor would wait


@dataclass
class Copy:
    """One set of a layer's arrays.

    run     () -> y; of SGD the update, which returns nothing
    dy      the gradient by y
    leaves  {name: tensor that gets a gradient}: "x" and parameters
    """

    run: object
    dy: object = None
    leaves: dict = field(default_factory=dict)


class LayerProgram:
    """A layer on several copies of its arrays; tensors are tinynet's or PyTorch's alike.

    to_numpy  tensor or gradient -> NumPy array
    """

    def __init__(self, copies, to_numpy, weight=None):
        self.copies, self._to_numpy, self._weight = copies, to_numpy, weight

    def forget(self):
        """Drop the gradients; the next backward would add to them."""
        for copy in self.copies:
            for tensor in copy.leaves.values():
                tensor.grad = None

    def forward(self):
        """Queue the layer, or the update, on every copy; returns the outputs."""
        return [copy.run() for copy in self.copies]

    def backward(self, ys):
        """Queue the backward of what forward returned."""
        for copy, y in zip(self.copies, ys, strict=True):
            y.backward(copy.dy)

    def results(self) -> dict:
        """Output and gradients of the first copy, or the weight after an update."""
        copy = self.copies[0]
        if self._weight is not None:
            copy.run()
            return {"weight": self._to_numpy(self._weight)}
        self.forget()
        y = copy.run()
        y.backward(copy.dy)
        results = {"y": self._to_numpy(y), "dx": None}
        for name, tensor in copy.leaves.items():
            results["dx" if name == "x" else f"d{name}"] = self._to_numpy(tensor.grad)
        return results


def copies_for(given, cache_bytes) -> int:
    """How many copies of the arrays are LEAST_COPIES times the cache, and at least so many; at most
    MOST_COPIES."""
    own = sum(array.nbytes for array in given.values())
    return min(MOST_COPIES, max(LEAST_COPIES, math.ceil(LEAST_COPIES * cache_bytes / own)))


# --- tinynet --------------------------------------------------------------------------------------


def tinynet_program(layer, given, count, needs_dx=True) -> LayerProgram:
    """The layer on tinynet's default backend.

    given     of layer_programs.draw
    count     of copies; of SGD there is one
    needs_dx  whether x requires a gradient: not for the first layer of a network
    """
    kernels = tn.get_backend()

    def to_numpy(tensor):
        return kernels.to_numpy(tensor.data if isinstance(tensor, tn.Tensor) else tensor)

    # Of copies, as a processor's backend might take the arrays themselves.
    first = {name: kernels.from_numpy(array.copy()) for name, array in given.items()}
    if layer.kind == "SGD":
        weight = tn.nn.Parameter(first["weight"])
        weight.grad = first["gradient"]
        return LayerProgram([Copy(tn.optim.SGD([weight], **SGD).step)], to_numpy, weight)
    sets = [first] + [{name: a.copy() for name, a in first.items()} for _ in range(count - 1)]
    return LayerProgram([_tinynet_copy(layer, arrays, needs_dx) for arrays in sets], to_numpy)


def _tinynet_copy(layer, arrays, needs_dx):
    x = tn.Tensor(arrays["x"], requires_grad=needs_dx)
    leaves = {"x": x} if needs_dx else {}
    if layer.kind == "SoftmaxCrossEntropy":
        labels = tn.Labels(tn.get_backend().to_numpy(arrays["labels"]), x.shape[1])
        return Copy(lambda: tn.softmax_cross_entropy(x, labels), None, leaves)
    module = getattr(tn.nn, layer.kind)(**layer.arguments)
    for name, parameter in module.named_parameters():
        parameter.data = arrays[name]
        leaves[name] = parameter
    return Copy(lambda: module(x), arrays["dy"], leaves)


# --- PyTorch --------------------------------------------------------------------------------------


def pytorch_program(layer, given, count, needs_dx=True, device="cuda") -> LayerProgram:
    """As tinynet_program, in PyTorch; its SGD is the fused one, its layers in channels-first
    order."""
    import torch

    def to_numpy(tensor):
        return tensor.detach().cpu().numpy()

    first = {name: torch.tensor(array, device=device) for name, array in given.items()}
    if layer.kind == "SGD":
        weight = torch.nn.Parameter(first["weight"])
        weight.grad = first["gradient"]
        sgd = torch.optim.SGD([weight], **SGD, fused=True)
        return LayerProgram([Copy(sgd.step)], to_numpy, weight)
    sets = [first] + [{name: t.clone() for name, t in first.items()} for _ in range(count - 1)]
    copies = [_pytorch_copy(torch, layer, tensors, needs_dx) for tensors in sets]
    return LayerProgram(copies, to_numpy)


def _pytorch_copy(torch, layer, tensors, needs_dx):
    x = tensors["x"].requires_grad_(needs_dx)
    leaves = {"x": x} if needs_dx else {}
    if layer.kind == "SoftmaxCrossEntropy":
        cross_entropy = torch.nn.functional.cross_entropy
        return Copy(lambda: cross_entropy(x, tensors["labels"]), None, leaves)
    module = pytorch_layer(torch.nn, layer).to(x.device)
    for name, parameter in module.named_parameters():
        parameter.data = tensors[name]
        leaves[name] = parameter
    return Copy(lambda: module(x), tensors["dy"], leaves)


# --- equal numbers --------------------------------------------------------------------------------


def check_equal(layer, given, ours, theirs, precision) -> None:
    """As layer_programs.check_equal: raises OtherNumbers where results differ by more than what the
    precision explains; only products may make use of TF32."""
    if layer.kind == "Dropout":  # each program draws another mask and is checked by itself
        layer_programs.check_equal(layer, given, ours, theirs)
        return
    allowed = TOLERANCES[precision if layer.kind in ("Conv2d", "Linear") else "float32"]
    for name, array in ours.items():
        error = relative_error(array, theirs[name])
        if not error <= allowed:
            raise OtherNumbers(
                f"{layer.name}: {name} differs from PyTorch's by {error:.1e} of its largest "
                f"number; {precision} explains {allowed:.0e}, nothing is compared"
            )
