"""What the tests run on each rank (tests/ranks.py)."""

import contextlib
import io
import time
from unittest import mock

import numpy as np

import alexnet
import tinynet as tn
from alexnet.cli import config_file, dry_run
from alexnet.cli.train_flags import train_parser
from alexnet.errors import UsageError
from alexnet.train import take_step, train_on
from alexnet.training.data_parallel import DataParallel
from tinynet.parallel.traffic import Traffic

IMAGES, CLASSES, SIZE = 8, 5, 67


def train(ranks, argv):
    """The exit code of alexnet.train with these arguments."""
    args = config_file.parse(train_parser(), argv)
    ranks.traffic = Traffic(ranks.size)  # the ranks have served other tests
    return train_on(ranks, args, time.monotonic())


def said_by_train(ranks, argv):
    """(exit code, what the rank printed) of alexnet.train with these arguments; a dry run measures
    one step."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), mock.patch.object(dry_run, "SECONDS", 1e-9):
        code = train(ranks, argv)
    return code, printed.getvalue()


def error_of_train(ranks, argv):
    """The message of the UsageError that these arguments are."""
    try:
        train(ranks, argv)
    except UsageError as error:
        return str(error)
    return "no error"


def losses_and_weights(ranks, spec, dtype, steps, sync=False, batch=IMAGES):
    """([loss of each step], {name: array}) of a narrow network on batches of noise, with SGD."""
    tn.use_backend("numpy")
    tn.seed(5)
    model = alexnet.build(spec, CLASSES, SIZE, dtype, init="he", width=0.05)
    layers = alexnet.network.plan.plan(model.spec, CLASSES, SIZE)
    optimizer = tn.optim.SGD(model.parameters(), 0.01, momentum=0.9, weight_decay=5e-4)
    step = take_step
    if ranks.size > 1:
        step = DataParallel(model, layers, batch, ranks, sync).take_step
    random, losses = np.random.default_rng(0), []
    for _ in range(steps):
        x = random.standard_normal((batch, 3, SIZE, SIZE)).astype(dtype)
        labels = random.integers(0, CLASSES, batch)
        own = tn.parallel.share_of(batch, ranks.rank, ranks.size)
        loss, _ = step(model, optimizer, tn.Tensor(x[own]), tn.Labels(labels[own], CLASSES), 0.01)
        losses.append(float(loss))
    return losses, {name: array.copy() for name, array in model.state_dict().items()}
