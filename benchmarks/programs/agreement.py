"""How close the numbers of two programs must be before they are timed."""

import math

import numpy as np

from benchmarks.programs.process import ProgramError
from benchmarks.programs.workload import LR, MOMENTUM, WEIGHT_DECAY

# Largest relative differences after a few steps: of the losses, of how far each parameter moved and
# of how much longer each weight became; of logits, over the largest logit. On a processor rounding
# alone moves losses by 1e-7, but now and then it moves a maximum to another pixel, where another
# gradient goes. On a GPU rounding differs more between libraries, and TF32 keeps 10 bits of each
# factor: rounded or cut off, that moved the losses of `paper` by 2.4e-3, its moves by 4e-3 and its
# pulls by 1e-2 (emulated on a processor, batch 8).
STEP_TOLERANCES = {
    "processor": {"losses": 1e-4, "moves": 2e-2, "pulls": 5e-2, "logits": 1e-4},
    "float32": {"losses": 1e-3, "moves": 2e-2, "pulls": 5e-2, "logits": 1e-3},
    "tf32": {"losses": 1e-2, "moves": 3e-2, "pulls": 0.2, "logits": 1e-2},
}
# The pull of a weight that hardly changes its length is a small difference of large sums. So pulls
# are compared on the scale of weight decay's own pull in three steps with momentum: a program
# without weight decay fails.
DECAY = LR * WEIGHT_DECAY * (1 + (1 + MOMENTUM) + (1 + MOMENTUM + MOMENTUM**2))


def check_numbers(name: str, ours: dict, theirs: dict, limits="processor") -> dict[str, float]:
    """How far apart two answers to "numbers" are, {"losses": ..., "moves": ..., "pulls": ...}, the
    largest relative difference of each; or {"logits": ...} of two answers to "logits".

    limits  a key of STEP_TOLERANCES
    Raises ProgramError where they are further apart than rounding explains.
    """
    if "logits" in ours:
        a, b = np.array(ours["logits"]), np.array(theirs["logits"])
        apart = {"logits": float(np.abs(a - b).max() / np.abs(a).max())}
    else:
        if list(ours["moves"]) != list(theirs["moves"]):
            raise ProgramError(f"{name} has parameters of other names: {sorted(theirs['moves'])}")
        apart = {"losses": _apart(ours["losses"], theirs["losses"])}
        for what, least in (("moves", 0.0), ("pulls", DECAY)):
            apart[what] = _apart(*(list(answer[what].values()) for answer in (ours, theirs)), least)
    for what, distance in apart.items():
        allowed = STEP_TOLERANCES[limits][what]
        if not distance <= allowed:  # NaN is no agreement
            raise ProgramError(
                f"{name} computes other numbers than tinynet: its {what} differ by {distance:.2g} "
                f"of their size, rounding explains {allowed:g}; it is not compared"
            )
    return apart


def _apart(a, b, least=0.0):
    """The largest difference of two lists of numbers, over their size or over least; NaN if there
    is one."""
    a, b = np.array(a), np.array(b)
    size = np.maximum(np.maximum(np.abs(a), np.abs(b)), max(least, 1e-30))
    return float((np.abs(a - b) / size).max())


# --- layers ---------------------------------------------------------------------------------------

# The largest difference over the largest number. float32: sums in other orders. TF32 keeps 10 bits
# of each factor, so that a product of normal numbers is off by 2^-11 of its size.
LAYER_TOLERANCES = {"float32": 1e-4, "tf32": 5e-3}


class OtherNumbers(Exception):
    """Two programs do not compute the same; the message says where."""


def check_equal(layer, arrays, ours, theirs, precision="float32") -> None:
    """Raises OtherNumbers where results of the two programs differ by more than the precision
    explains; TF32 explains differences of products alone.

    Dropout draws other masks in each program. Each is checked by itself: an element is zero in both
    directions or scaled in both, and the share of zeros is what chance allows.
    """
    if layer.kind == "Dropout":
        drop, inverted = layer.arguments["drop"], 1 / (1 - layer.arguments["drop"])
        check_dropout(arrays, ours, drop, 1.0 if layer.arguments["scale"] == "test" else inverted)
        check_dropout(arrays, theirs, drop, inverted)
        return
    precision = precision if layer.kind in ("Conv2d", "Linear") else "float32"
    allowed = LAYER_TOLERANCES[precision]
    for name, array in ours.items():
        error = relative_error(array, theirs[name])
        if not error <= allowed:
            raise OtherNumbers(
                f"{layer.name}: {name} differs from PyTorch's by {error:.1e} of its largest "
                f"number; {precision} explains {allowed:.0e}, nothing is compared"
            )


def check_dropout(arrays, results, drop, scale) -> None:
    """Raises OtherNumbers unless each element is dropped or scaled, as many as chance allows."""
    kept = results["y"] != 0
    deviation = math.sqrt(drop * (1 - drop) / kept.size)
    fits = abs(kept.mean() - (1 - drop)) <= 6 * deviation
    for name, array in (("y", arrays["x"]), ("dx", arrays["dy"])):
        expected = np.where(kept, array * np.float32(scale), 0)
        fits = fits and relative_error(results[name], expected) <= LAYER_TOLERANCES["float32"]
    if not fits:
        raise OtherNumbers(f"dropout: not every element is dropped or scaled, or not with {drop:g}")


def relative_error(a, b) -> float:
    """The largest |a - b| over the largest |b|: 0 for None and None, infinite where shapes differ
    or a number is not finite."""
    if a is None and b is None:
        return 0.0
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape or a.dtype != b.dtype:
        return math.inf
    error = float(np.abs(a - b).max() / max(np.abs(b).max(), np.finfo(b.dtype).tiny))
    return error if math.isfinite(error) else math.inf
