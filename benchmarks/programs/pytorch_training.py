"""A run of alexnet.train done again by PyTorch.

    python -m benchmarks.programs.pytorch_training RUN FILE

RUN is the folder of a run. The same images in the same order, cut out alike; the same initial and
pretrained weights, frozen layers, rates and epochs. PyTorch's are the layers, the gradients, the
update (torch.optim.SGD with momentum) and dropout's random numbers. Frozen first layers are
computed once where the run keeps features.

FILE becomes a JSON object: validation, top-1 after each epoch, and test, top-1 of the best epoch's
network on the test images (null without such images).
"""

import contextlib
import copy
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

import tinynet as tn
from alexnet.data import open_dataset
from alexnet.data.loader import Loader
from alexnet.errors import DataError
from alexnet.network.plan import plan
from alexnet.training.pretrained import Pretrained
from alexnet.training.run_folder import RunFolder
from alexnet.training.run_state import Run
from alexnet.training.saved import saved_options
from alexnet.weights import checkpoint
from benchmarks.programs.pytorch import pytorch_layer


def main(folder: str, file: str) -> None:
    """Train, and write the result."""
    import torch

    saved = checkpoint.load(Path(folder) / "last.npz")
    options = saved_options(saved)
    tn.use_backend("numba")
    torch.set_num_threads(options.threads or torch.get_num_threads())
    torch.manual_seed(options.seed)
    pretrained = Pretrained.read(options.pretrained) if options.pretrained else None
    with tempfile.TemporaryDirectory() as nowhere:
        run = Run(options, RunFolder(nowhere), pretrained=pretrained)
    run.normalization = saved.normalization
    training = Training(torch, run)
    # The memory of the process is to be PyTorch's: nothing below reads tinynet's weights.
    run.network = run.model = run.head = run.optimizer = run.pretrained = pretrained = None
    accuracies, best = [], None
    for epoch in range(options.epochs):
        training.epoch(epoch)
        accuracies.append(training.accuracy(run.validation))
        run.schedule.epoch_ended(1 - accuracies[-1])
        print(f"epoch {epoch + 1}: validation top-1 {accuracies[-1]:.1%}", flush=True)
        if accuracies[-1] == max(accuracies) and accuracies.count(accuracies[-1]) == 1:
            best = copy.deepcopy(training.head.state_dict())
    training.head.load_state_dict(best)
    result = {"validation": accuracies, "test": None}
    with contextlib.suppress(DataError):
        test_set = open_dataset(options.data, "test")
        test = Loader(test_set, 32, options.image_size, stored_size=run.batches.stored_size)
        result["test"] = training.accuracy(test)
    Path(file).write_text(json.dumps(result))


class Training:
    """The network of a run in PyTorch; head are the layers that batches go through."""

    def __init__(self, torch, run):
        self.torch, self.run = torch, run
        network, state = torch.nn.Sequential(), run.model.state_dict()
        for layer in plan(run.model.spec, run.model.num_classes, run.model.image_size):
            network.add_module(layer.name, pytorch_layer(torch, **vars(layer)))
        with torch.no_grad():
            for name, tensor in network.state_dict().items():
                if name in state:
                    tensor.copy_(torch.from_numpy(state[name]))
        for name in run.frozen:
            network.get_submodule(name).requires_grad_(False)
        start, self.network = len(network) - len(run.head), network
        self.below, self.head = network[:start].eval(), network[start:]
        rates = {name: run.rate_factors.get(name, 1.0) for name, _ in run.head}
        groups = [
            {"params": list(self.head.get_submodule(name).parameters()), "scale": factor}
            for name, factor in rates.items()
        ]
        groups = [group for group in groups if group["params"]]
        options = run.options
        self.optimizer = torch.optim.SGD(
            groups, options.lr, options.momentum, weight_decay=options.weight_decay
        )
        self.step = 0
        self.kept = {}

    def batches(self, loader, number):
        """Pairs of tensors: images, or their features where the run keeps these; labels."""
        if len(self.below):
            if loader not in self.kept:
                self.kept[loader] = self._features(loader)
            features, labels = self.kept[loader]
            for places in loader.indices(number):
                yield features[places], labels[places]
            return
        for images, labels in loader.epoch(number):
            yield self._input(images), self.torch.from_numpy(labels)

    def _input(self, images):
        return self.torch.from_numpy(np.array(self.run.normalization(images)))

    def _features(self, loader):
        images = Loader(
            loader.dataset, loader.batch_size, loader.image_size, stored_size=loader.stored_size
        )
        with self.torch.no_grad():
            parts = [(self.below(self._input(x)), y) for x, y in images.epoch(0)]
        features = self.torch.cat([part for part, _ in parts])
        return features, self.torch.from_numpy(np.concatenate([labels for _, labels in parts]))

    def epoch(self, number):
        """Take a step with each batch of an epoch."""
        self.head.train()
        for name in self.run.frozen:  # a frozen batch norm keeps its statistics
            self.network.get_submodule(name).eval()
        for x, labels in self.batches(self.run.batches, number):
            rate = self.run.schedule.rate(self.step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            loss = self.torch.nn.functional.cross_entropy(self.head(x), labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1

    def accuracy(self, loader):
        """Top-1 on the images of a loader, 0 to 1."""
        self.head.eval()
        correct = count = 0
        with self.torch.no_grad():
            for x, labels in self.batches(loader, 0):
                correct += int((self.head(x).argmax(dim=1) == labels).sum())
                count += len(labels)
        return correct / count


if __name__ == "__main__":
    main(*sys.argv[1:])
