"""What the seconds of benchmarks/gpu_step.py mean: images/s, shares, ratios, their bounds."""

from alexnet.network.specs import find_spec
from benchmarks import machine

# Of `paper` at its own size and batch 128 or 512: images/s over PyTorch's, at least.
BOUNDS = {"pytorch": 1.2, "compiled": 1.0}


def figures(turns, rates, batch_size, flop) -> dict:
    """{name: figures} over rounds, each a spread (median, low, high).

    turns  {name: [{"seconds", "host_seconds"}, ...]}
    rates  FLOP/s, one for each round
    flop   of an image
    """
    found = {}
    for name, rounds in turns.items():
        speeds = [batch_size / turn["seconds"] for turn in rounds]
        found[name] = {
            "milliseconds": machine.spread(1e3 * turn["seconds"] for turn in rounds),
            "host_milliseconds": machine.spread(1e3 * turn["host_seconds"] for turn in rounds),
            "images_per_second": machine.spread(speeds),
            "of_sgemm": machine.spread(
                flop * speed / rate for speed, rate in zip(speeds, rates, strict=True)
            ),
        }
    return found


def ratios(turns, bounds) -> list[dict]:
    """[{"what", "ratio": (median, low, high), "bound", "at_most"}, ...]: images/s of each tinynet
    over each PyTorch, by rounds. bounds: {} or BOUNDS."""
    rows = []
    for ours in turns:
        for theirs in turns:
            if ours.startswith("tinynet") and theirs.startswith("pytorch"):
                pairs = zip(turns[ours], turns[theirs], strict=True)
                ratio = machine.spread(b["seconds"] / a["seconds"] for a, b in pairs)
                bound = bounds.get("compiled" if "compiled" in theirs else theirs)
                row = {"what": f"{ours} over {theirs}", "ratio": ratio, "bound": bound}
                rows.append(row | {"at_most": False})
    return rows


def bounds_for(spec, changes, image_size, batch_size) -> dict:
    """The bounds that hold for this work; {} where none was set."""
    usual = spec == "paper" and not changes and image_size == find_spec("paper").image_size
    return BOUNDS if usual and batch_size in (128, 512) else {}
