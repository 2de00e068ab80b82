"""The run that a command of alexnet.train means: a new one, or the one that --resume names."""

import contextlib
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import tinynet as tn
from alexnet.cli.config_file import AUTO
from alexnet.cli.machine import own_threads, use_machine
from alexnet.data.names import printable
from alexnet.errors import DataError, UsageError
from alexnet.training import events
from alexnet.training.agreement import check_alike, open_on_ranks
from alexnet.training.config_text import config_text
from alexnet.training.model_parallel import SCHEMES, WAYS, check_way
from alexnet.training.newest import newest
from alexnet.training.options import absolute, data_folder, kind_of, resolve, resolve_resumed
from alexnet.training.pretrained import Pretrained
from alexnet.training.run_folder import RunFolder, UnwrittenFolder
from alexnet.training.run_state import Run
from alexnet.training.saved import saved_options
from alexnet.training.saving import go_back
from alexnet.weights import checkpoint


@contextlib.contextmanager
def open_run(args: Namespace, ranks=None) -> Iterator[Run]:
    """The run, on the machine of these flags, in a folder that no other process uses inside the
    block. Raises UsageError, DataError, BackendError and DiskError.

    ranks  an engine (tinynet/parallel): rank 0 reads and writes the folder. None: one process
    """
    ranks = tn.parallel.Single() if ranks is None else ranks
    check_way(args.parallel, args.owt_scheme, ranks.size)
    if args.tensorboard:
        events.need_package()
    if args.resume == AUTO:
        args = ranks.spread(_with_newest(args) if ranks.rank == 0 else None)
    with _resumed_run(args, ranks) if args.resume else _new_run(args, ranks) as run:
        is_written = args.tensorboard and run.folder.is_written
        with events.written(run.folder, run.step) if is_written else nullcontext():
            yield run


@contextlib.contextmanager
def _new_run(args, ranks):
    backend = use_machine(args.backend, args.threads or own_threads(ranks), args.precision)
    args = _unrecorded(args)
    _check_cuda_graph(args.cuda_graph, args.keep_features)
    train_set = open_on_ranks(  # the recipe for photos depends on their number
        ranks, absolute(args.data), "train", seed=args.seed or 0,
        skip_bad_images=args.skip_bad_images or 0,
    )  # fmt: skip
    pretrained = None
    if args.pretrained:
        pretrained = ranks.spread(Pretrained.read(args.pretrained) if ranks.rank == 0 else None)
    args = pretrained.with_flags(args) if pretrained else args
    options = resolve(args, backend, len(train_set))
    check_alike(ranks, options)
    kind = kind_of(options.data)
    # The data may be "..": normpath gives the folder's name.
    name = os.path.basename(os.path.normpath(options.data)) if kind == "folder" else kind
    if ranks.rank == 0:
        folder = RunFolder.create(args.out, f"{options.spec}-{name}", data_folder(options.data))
    path = ranks.spread(folder.path if ranks.rank == 0 else None)
    folder = folder if ranks.rank == 0 else UnwrittenFolder(path)
    with folder.in_use():
        way = _parallel_of(args)
        yield Run(options, folder, train_set=train_set, pretrained=pretrained, ranks=ranks, **way)


def _unrecorded(args):
    """The flags with --no-cuda-graph where the network is divided: between its kernels the ranks
    exchange labels and activations, which no launch of a recorded step would do again."""
    if args.parallel in (None, WAYS[0]):
        return args
    if args.cuda_graph:
        raise UsageError(
            f"--cuda-graph records a step, and --parallel {args.parallel} exchanges values between "
            "its kernels; leave one of them out"
        )
    return Namespace(**vars(args) | {"cuda_graph": False})


def _parallel_of(args):
    """--parallel and --owt-scheme as arguments of Run."""
    return {"parallel": args.parallel or WAYS[0], "scheme": args.owt_scheme or SCHEMES[0]}


def _with_newest(args):
    """The flags with the newest checkpoint in place of --resume auto; says which it is."""

    def check(saved):
        _check_is_training(saved)
        before = saved_options(saved)
        options = resolve_resumed(before, args, args.backend or before.backend)
        if args.data and options.data != before.data:
            raise UsageError(f"it was trained on {before.data}, not on {options.data}")
        if saved.training["epoch"] >= options.epochs:
            raise UsageError(f"it has all its {options.epochs} epochs")

    file, lines = newest(Path(args.out or "runs"), check)
    for line in lines:
        print(f"--resume auto: {line}", flush=True)
    return Namespace(**vars(args) | {"resume": str(file), "out": None})


@contextlib.contextmanager
def _resumed_run(args, ranks):
    if args.out:
        raise UsageError("--out does not go with --resume, which goes on in the run's own folder")
    path = Path(args.resume)
    is_folder = path.is_dir() or (not path.exists() and path.suffix != ".npz")
    file = path / "last.npz" if is_folder else path
    folder = RunFolder(file.parent) if ranks.rank == 0 else UnwrittenFolder(file.parent)
    if folder.is_written and not file.exists():
        former = _former(folder)
        begin = f"without --resume, --out {folder.path} begins one"
        raise DataError(
            f"there is no {file}: "
            + (former or f"no run has begun there that could go on; {begin}")
        )
    with folder.in_use():
        saved = ranks.spread(_load(file, folder) if folder.is_written else None)
        _check_is_training(saved)
        args = _unrecorded(args)
        options = _resumed_options(args, saved_options(saved), ranks)
        check_alike(ranks, options)
        run = Run(options, folder, saved, ranks=ranks, **_parallel_of(args))
        if folder.is_written and not args.dry_run:
            run.remarks += go_back(folder, file, saved.training["step"])
            unread = folder.cut_log(run.step, run.epoch)
            if unread:
                run.remarks.append(f"unreadable lines left out of log.jsonl: {unread}")
            folder.begin(run.options.saved(), run.classes, config_text(run.options))
        yield run


def _load(file, folder):
    """The checkpoint in this file. Raises DataError, which names a former one if there is any."""
    try:
        return checkpoint.load(file)
    except DataError as error:
        former = _former(folder) if file == folder.last else ""
        raise DataError(f"{error}; {former}" if former else str(error)) from error


def _former(folder):
    """How to go on from the newest former checkpoint, in words, or ""."""
    kept = list(folder.kept().values())
    return f"--resume {kept[-1]} goes on from a former checkpoint" if kept else ""


def _check_is_training(saved):
    """Raise UsageError for a checkpoint that no training can go on from."""
    if saved.origin and not saved.options:
        raise UsageError(
            f"{printable(saved.path)} holds weights and no training, so there is none to go on "
            f"with; --pretrained {printable(saved.path)} in place of --resume starts one "
            "from its weights"
        )
    if saved.velocities is None:
        raise UsageError(
            f"{saved.path} holds no velocities, so training cannot go on from it; --resume "
            f"{saved.path.parent} goes on from last.npz"
        )


def _resumed_options(args, saved, ranks):
    """Use the machine of the flags, else of the run so far, and return the options."""
    name = args.backend or saved.backend
    if not tn.get_backend(name).asynchronous:  # a processor has neither tf32 nor CUDA graphs
        saved = replace(saved, precision="float32", cuda_graph=False)
    elif name != saved.backend:  # from a processor to a GPU, where steps are recorded
        saved = replace(saved, cuda_graph=not saved.keep_features)
    threads = args.threads or saved.threads or own_threads(ranks)
    backend = use_machine(name, threads, args.precision or saved.precision)
    _check_cuda_graph(args.cuda_graph, saved.keep_features)
    return resolve_resumed(saved, args, backend)


def _check_cuda_graph(cuda_graph, keep_features):
    if cuda_graph and keep_features:
        raise UsageError(
            "--cuda-graph records a step that reads one array, --keep-features gives it others; "
            "leave one of them out"
        )
    if cuda_graph and tn.gpu.device() is None:
        raise UsageError(
            f"--cuda-graph records a CUDA graph, backend {tn.get_backend().name} has none; leave "
            "it out, or --backend cupy"
        )
