"""What the seconds of benchmarks/step.py mean: images a second, shares, ratios, their bounds."""

import statistics

from alexnet.summary import summarize
from benchmarks import machine

STAGES = ("seconds", "forward", "backward", "update", "data")
UNGROUPED = {"groups": 1, "norm": "none"}

# Of `paper` at its own size, two threads: ours over theirs, at least (share: of sgemm), and time
# and memory at most.
BOUNDS = {"pytorch": 2.2, "best": 1.6, "tensorflow": 1.0, "share": 0.85, "memory": 0.8}
UNGROUPED_BOUNDS = {"best": 1.2, "tensorflow": 1.0}
INFERENCE_BOUNDS = {"pytorch": 1.0, "best": 1.0}  # time over theirs


def flop_per_image(layers, what) -> int:
    """FLOP that one image of a step must take: 2 for each multiply-add forward; in training 6, but
    4 in the first layer that has any, whose input needs no gradient."""
    counts = [row.multiply_adds for row in summarize(layers) if row.multiply_adds]
    if what == "inference":
        return 2 * sum(counts)
    return 4 * counts[0] + 6 * sum(counts[1:])


def summary(turns, rates, batch_size, flop) -> dict:
    """{name: figures}: milliseconds of each stage, images_per_second and of_sgemm, each a spread
    (median, low, high); the last two over rounds."""
    figures = {}
    for name, rounds in turns.items():
        answers = [answer for answers in rounds for answer in answers]
        speeds = _speeds(rounds, batch_size)
        figures[name] = {
            "milliseconds": {
                stage: machine.spread(1e3 * answer[stage] for answer in answers)
                for stage in STAGES
                if stage in answers[0]
            },
            "images_per_second": machine.spread(speeds),
            "of_sgemm": machine.spread(
                flop * speed / (rate * 1e9) for speed, rate in zip(speeds, rates, strict=True)
            ),
        }
    return figures


def _speeds(rounds, batch_size):
    """Images a second of each round."""
    return [batch_size / statistics.median(a["seconds"] for a in answers) for answers in rounds]


def ratios(turns, figures, peaks, what, bounds) -> list[dict]:
    """[{"what", "ratio": (median, low, high), "bound", "at_most"}, ...]: tinynet over the others.
    Speed in training, time in inference; the bound is at_most or at least, None where there is
    none."""
    rows = []

    def row(text, numbers, bound, at_most=False):
        ratio = machine.spread(numbers)
        rows.append({"what": text, "ratio": ratio, "bound": bound, "at_most": at_most})

    def against(text, name, key):
        pairs = zip(_speeds(turns["tinynet"], 1), _speeds(turns[name], 1), strict=True)
        if what == "training":
            row(f"images/s over {text}", (a / b for a, b in pairs), bounds.get(key))
        else:
            row(f"time over {text}", (b / a for a, b in pairs), bounds.get(key), at_most=True)

    for name in turns:
        if name != "tinynet":
            against(f"{name}'s", name, name)
    ways = [name for name in turns if name.startswith("pytorch")]
    if len(ways) > 1:
        best = max(ways, key=lambda name: figures[name]["images_per_second"][0])
        against(f"PyTorch's best, {best}", best, "best")
    if what == "training":
        share = figures["tinynet"]["of_sgemm"]
        rows.append(
            {"what": "of sgemm", "ratio": share, "bound": bounds.get("share"), "at_most": False}
        )
    if peaks.get("tinynet") and peaks.get("pytorch"):
        ratio = peaks["tinynet"] / peaks["pytorch"]
        row("peak memory over pytorch's", [ratio], bounds.get("memory"), at_most=True)
    return rows


def bounds_for(what, spec, changes, image_size, batch_size, threads) -> dict:
    """The bounds that hold for this work; {} where none was set."""
    if spec != "paper" or image_size != 227 or threads != 2:
        return {}
    if what == "inference":
        return INFERENCE_BOUNDS if not changes and batch_size in (1, 128) else {}
    if batch_size != 128 or changes not in ({}, UNGROUPED):
        return {}
    return UNGROUPED_BOUNDS if changes else BOUNDS
