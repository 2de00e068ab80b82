"""The network of a run: built, started from a pretrained one, frozen in part, with rates of layers.

build() -> random weights, start() -> those of the file where they fit, freeze() -> some stay
"""

from dataclasses import dataclass

from alexnet.errors import UsageError
from alexnet.network.build import build
from alexnet.network.plan import Layer, plan
from alexnet.training.features import head_start
from alexnet.training.frozen import freeze, frozen_layers, rate_factors
from alexnet.training.options import Options
from alexnet.training.pretrained import Pretrained
from tinynet import nn


@dataclass(frozen=True)
class RunNetwork:
    """The network of a run.

    model         with its first weights, and the frozen layers frozen
    layers        its plan
    head          the layers that batches go through: the model; with --keep-features its layers
                  above the frozen ones (training/features.py)
    frozen        names of the layers that keep their weights, in order
    rate_factors  {name: factor on the learning rate} of the layers with a rate of their own
    started_from  what came from the file of --pretrained and what did not: lines of text
    """

    model: nn.Sequential
    layers: list[Layer]
    head: nn.Sequential
    frozen: list[str]
    rate_factors: dict[str, float]
    started_from: list[str]

    @classmethod
    def of(
        cls, options: Options, classes: list[str], pretrained: Pretrained | None = None
    ) -> "RunNetwork":
        """The network of these options. Raises UsageError for options that do not fit one another,
        and DataError if no layer of the pretrained network fits."""
        try:
            model = build(options.spec, len(classes), options.image_size, **options.changes())
        except ValueError as error:
            raise UsageError(str(error)) from error
        layers = plan(model.spec, model.num_classes, model.image_size)
        frozen = _named_by("--freeze", frozen_layers, options, layers)
        factors = _named_by("--lr-scale", rate_factors, options, layers)
        start = 0
        if options.keep_features:
            start = _named_by("--keep-features", head_start, options, layers)
        started_from = pretrained.start(model, classes) if pretrained else []
        if options.sync_batch_norm and not any(layer.kind == "BatchNorm2d" for layer in layers):
            raise UsageError(
                "--sync-batch-norm: this network has no batch normalisation; --norm batch has it"
            )
        freeze(model, frozen)
        head = model[start:] if start else model
        return cls(model, layers, head, frozen, factors, started_from)

    def check_batch_norm(self, images: int) -> None:
        """Raise UsageError where batches of this many images have no variance: one image alone, in
        maps of 1 x 1. A frozen layer, in test mode, needs none."""
        if images > 1:
            return
        for layer in self.layers:
            is_norm = layer.kind == "BatchNorm2d" and layer.outputs[1:] == (1, 1)
            if is_norm and self.model[layer.name].training:
                raise UsageError(
                    f"{layer.name}: batch normalisation of maps of 1 x 1 needs batches of at least "
                    "2 images; --batch-size 2, and as many images in the training set, or a larger "
                    "--image-size"
                )


def _named_by(flag, function, options, layers):
    """function(options, layers), with its ValueError as a UsageError that names the flag."""
    try:
        return function(options, layers)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}") from error
