"""The batches of a run: of training and of validation, each rank's share of them."""

from alexnet.data.loader import Loader
from alexnet.errors import UsageError
from alexnet.training.model_parallel import ModelParallel
from alexnet.training.options import Options


def loaders_of(
    options: Options, train_set, val_set, ranks, divided: ModelParallel | None
) -> tuple[Loader, Loader]:
    """(training, validation) of these datasets.

    ranks    an engine (tinynet/parallel): a batch is shared among them
    divided  how the network is divided among the ranks; with towers each has all images in training
    Raises UsageError for a batch that cannot be shared so.
    """
    images = min(options.batch_size, len(train_set))
    if images < ranks.size:
        raise UsageError(
            f"a batch of {images} images has none for some of {ranks.size} ranks; start {images} "
            f"or fewer (mpiexec -n {images}), or a --batch-size of as many"
        )
    if divided and divided.way == "owt" and images % ranks.size:
        raise UsageError(
            f"--parallel owt: a batch of {images} images does not divide among {ranks.size} "
            f"ranks; a multiple of {ranks.size} fits --batch-size"
        )
    share = {"rank": ranks.rank, "ranks": ranks.size}
    training = Loader(
        train_set, images, options.image_size, augment=options.augment, shuffle=True,
        drop_last=True, balance=options.balance, workers=options.workers, seed=options.seed,
        **({} if divided and divided.has_every_image else share),
    )  # fmt: skip
    validation = Loader(
        val_set, options.batch_size, options.image_size, workers=options.workers,
        stored_size=training.stored_size, **share,
    )  # fmt: skip
    return training, validation
