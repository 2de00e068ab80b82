"""The batches of a run; with --keep-features, features instead of images.

    image --frozen layers--> features (kept) --the layers above, trained--> logits

Frozen layers make the same of an image in every epoch, if it is cut out alike each time. So one
forward pass through them serves a whole training. The run's `head` are the layers above. The frozen
layers compute in test mode: dropout between them, which a run without kept features goes on with,
is off.

Source: Donahue and others, DeCAF (2014), section 3, for features of AlexNet.
"""

from collections.abc import Callable, Iterator

import tinynet as tn
from alexnet.data.loader import Loader
from alexnet.data.prefetch import prefetch
from alexnet.errors import UsageError
from alexnet.evaluation.activations import dataset_activations, need_memory
from alexnet.network.plan import Layer, array_shapes
from alexnet.training.frozen import frozen_layers
from alexnet.training.options import Options


def head_start(options: Options, layers: list[Layer]) -> int:
    """The position in the plan of the first layer that is computed in each step.

    It is the first layer with parameters that is not frozen, or the dropout before it: features are
    the same in each epoch, and what dropout leaves of them is not. Raises ValueError if the first
    layers are not frozen, or if images are not cut out alike.
    """
    if options.augment != "none":
        raise ValueError(
            f"--augment {options.augment} cuts images out anew in each epoch, so their features "
            "change; --augment none fits"
        )
    frozen = frozen_layers(options, layers)
    with_parameters = [at for at, layer in enumerate(layers) if array_shapes([layer])[0]]
    first = next(at for at in with_parameters if layers[at].name not in frozen)
    if first == with_parameters[0]:
        raise ValueError(
            f"{layers[first].name}, the first layer, is trained, so there are no features to keep; "
            f"--freeze {layers[first].name}-... fits"
        )
    last_frozen = max(at for at in with_parameters if at < first)
    dropouts = [at for at in range(last_frozen, first) if layers[at].kind == "Dropout"]
    return min([first, *dropouts])


def check_memory(run) -> None:
    """Raise UsageError if the features of both datasets would take more than half of the machine's
    memory."""
    if run.options.keep_features:
        try:
            need_memory(len(run.train_set) + len(run.val_set), _last_below(run).outputs)
        except UsageError as error:
            raise UsageError(f"--keep-features: {error}") from error


def _last_below(run):
    """The last layer below the head, a row of the plan."""
    return run.network.layers[len(run.model) - len(run.head) - 1]


def batches_for(run, watched: Callable[[Iterator], Iterator]) -> tuple:
    """(training, validation): each has epoch(number, start_batch), an iterator of pairs: a Tensor
    (n, ...) that run.head takes, and tn.Labels.

    watched  passes on the batches that features are computed of, and may stop between them
    """
    loaders = run.batches, run.validation
    if run.options.keep_features:
        return tuple(_Features(run, loader, watched) for loader in loaders)
    return tuple(
        prefetch(loader, run.normalization, len(run.classes), run.colours) for loader in loaders
    )


class _Features:
    """The features of a loader's dataset, in the loader's batches."""

    def __init__(self, run, loader, watched):
        images = Loader(
            loader.dataset, loader.batch_size, loader.image_size, workers=loader.workers,
            stored_size=loader.stored_size,
        )  # fmt: skip
        batches = watched(prefetch(images, run.normalization, len(run.classes)).epoch(0))
        name, count = _last_below(run).name, len(loader.dataset)
        print(f"computing the features of {count:,} images at {name} ...", flush=True)
        self._loader, self._classes = loader, len(run.classes)
        self._values, self._labels = dataset_activations(run.model, name, batches, count)
        shape, size = self._values.shape[1:], self._values.nbytes
        print(f"they are {shape} for each image, {size:,} bytes in all", flush=True)

    def epoch(self, number: int, start_batch: int = 0) -> Iterator[tuple[tn.Tensor, tn.Labels]]:
        """The loader's epoch: features float32 (n, ...) and labels."""
        for places in self._loader.indices(number, start_batch):
            labels = tn.Labels(self._labels[places], self._classes)
            yield tn.Tensor(self._values[places]), labels
