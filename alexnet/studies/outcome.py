"""What a study has found so far: the numbers of its arms, their differences, a sentence.

An arm's number is the mean over seeds; its spread is the standard deviation between seeds (n - 1).
Two arms differ if Welch's t-test, which does not suppose equal spreads, gives p < 0.05. A training
that ended before it reached its target counts as its whole length, which is below the true number:
so a difference to an arm that reached it can only be larger than it is shown.

Source: Welch, The generalization of Student's problem when several different population variances
are involved (Biometrika 1947).
"""

import statistics
from dataclasses import asdict, dataclass

from alexnet.studies.claims import Arm, Claim
from alexnet.studies.measures import MEASURES
from alexnet.training.progress import clock

LEVEL = 0.05  # of p
COLUMNS = ("arm", "seeds", "measured", "difference", "published", "training time")


@dataclass(frozen=True)
class Trial:
    """A training that has ended.

    arm       its arm's name
    seed      its seed
    value     the measured number
    reached   False: the true number is larger (measures.py)
    training, validation  errors in % after each epoch
    losses    of the batches: at most 100 means over equally many steps (measures.thinned)
    steps     their number
    seconds   of its steps at the median speed: a machine that slept has not trained
    """

    arm: str
    seed: int
    value: float
    reached: bool
    training: list[float]
    validation: list[float]
    losses: list[float]
    steps: int
    seconds: float


@dataclass(frozen=True)
class Difference:
    """An arm beside the first one.

    arm        its name
    points     mean minus the first arm's mean
    times      mean over the first arm's mean; None where the second is 0
    bound      "over" where the true difference is larger, since the arm did not reach its target,
               "under" where the first arm did not; "" where both did
    p          Welch's p; None where it is not defined: fewer than two seeds, or no spread at all
    verdict    "seen", "opposite", "within the spread", "too few seeds", "no order claimed", or
               "not reached" by either arm
    published  the source's figure
    """

    arm: str
    points: float
    times: float | None
    bound: str
    p: float | None
    verdict: str
    published: str


def of_arm(trials: list[Trial], arm: str) -> list[Trial]:
    """The trials of an arm, by seed."""
    return sorted((trial for trial in trials if trial.arm == arm), key=lambda trial: trial.seed)


def mean_and_spread(trials: list[Trial]) -> tuple[float, float | None]:
    """(mean, standard deviation between seeds) of an arm's trials; None for one seed."""
    values = [trial.value for trial in trials]
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def number_text(trials: list[Trial], unit: str) -> str:
    """An arm's number with its spread: "24.61 ± 0.30 %", "over 30.0 epochs"."""
    mean, spread = mean_and_spread(trials)
    digits = {"%": 2, "epochs": 1, "steps": 0}[unit]
    if not all(trial.reached for trial in trials):  # what lies above has a spread of its own
        return f"over {mean:.{digits}f} {unit}"
    return f"{mean:.{digits}f}{'' if spread is None else f' ± {spread:.{digits}f}'} {unit}"


def how_much(found: Difference, unit: str) -> str:
    """A difference as its unit is compared: "+1.20 points", "2.9 times the epochs"."""
    if unit == "%":
        return f"{found.points:+.2f} points"
    if found.times is None:
        return f"{found.bound} {found.points:+.0f} {unit}".lstrip()
    return f"{found.bound} {found.times:.2g} times the {unit}".lstrip()


def differences(claim: Claim, trials: list[Trial]) -> list[Difference]:
    """Each further arm that has trials beside the first arm; [] where the first has none."""
    base = of_arm(trials, claim.arms[0].name)
    found = ((arm, of_arm(trials, arm.name)) for arm in claim.arms[1:])
    return [_difference(arm, base, own) for arm, own in found if base and own]


def _difference(arm: Arm, base, own):
    mean, first = mean_and_spread(own)[0], mean_and_spread(base)[0]
    points, times = mean - first, mean / first if first else None
    p = welch([trial.value for trial in own], [trial.value for trial in base])
    own_reached, base_reached = (all(each.reached for each in arm) for arm in (own, base))
    bound = "" if own_reached and base_reached else "under" if own_reached else "over"
    if not (own_reached or base_reached):
        verdict = "not reached"
    elif min(len(base), len(own)) < 2:
        verdict = "too few seeds"
    elif p is None or p >= LEVEL:
        verdict = "within the spread"
    elif arm.expected == 0:
        verdict = "no order claimed"
    else:
        verdict = "seen" if points * arm.expected > 0 else "opposite"
    return Difference(arm.name, points, times, bound, p, verdict, arm.published)


def welch(a: list[float], b: list[float]) -> float | None:
    """p of Welch's t-test, two-sided. None for fewer than two numbers on a side, and for equal
    numbers on both; 0 where each side repeats one number and the two differ."""
    if min(len(a), len(b)) < 2 or len({*a, *b}) == 1:
        return None
    sides = [(statistics.fmean(side), statistics.stdev(side), len(side)) for side in (a, b)]
    if not any(deviation for _, deviation, _ in sides):
        return 0.0
    from scipy.stats import ttest_ind_from_stats  # a second's import, for one command

    return float(ttest_ind_from_stats(*sides[0], *sides[1], equal_var=False).pvalue)


def table_rows(claim: Claim, trials: list[Trial]) -> list[tuple[str, ...]]:
    """The outcome as a table of texts, a row for each arm that has trials; COLUMNS heads it."""
    unit = MEASURES[claim.measure].unit
    found = {each.arm: how_much(each, unit) for each in differences(claim, trials)}
    arms = ((arm, of_arm(trials, arm.name)) for arm in claim.arms)
    return [
        (
            arm.name,
            str(len(own)),
            number_text(own, unit),
            found.get(arm.name, ""),
            arm.published,
            clock(sum(trial.seconds for trial in own)),
        )
        for arm, own in arms
        if own
    ]


def sentences(claim: Claim, trials: list[Trial]) -> list[str]:
    """For each further arm a sentence: whether its measure is above or below the first arm's as
    claimed, by how much, and within which spread."""
    unit = MEASURES[claim.measure].unit
    base = of_arm(trials, claim.arms[0].name)
    lines = []
    for found in differences(claim, trials):
        own = of_arm(trials, found.arm)
        numbers = (
            f"{found.arm} {number_text(own, unit)}, {base[0].arm} {number_text(base, unit)}"
            f" ({how_much(found, unit)}{found.published and f', published {found.published}'}; "
            f"seeds: {len(own)} and {len(base)}{'' if found.p is None else f'; p = {found.p:.2g}'})"
        )
        lines.append(f"{_OPENINGS[found.verdict]}: {claim.measure}: {numbers}")
    return lines


_OPENINGS = {
    "seen": "The claimed direction was seen",
    "opposite": "The opposite direction was seen",
    "within the spread": "Not seen, the difference is within the spread",
    "not reached": "Nothing can be said, neither reached its target",
    "too few seeds": "One seed has no spread, so nothing can be said",
    "no order claimed": "A difference, where the source claims no order",
}


def as_json(claim: Claim, trials: list[Trial]) -> dict:
    """The outcome as plain values."""
    return {
        "says": claim.says,
        "source": claim.source,
        "measure": claim.measure,
        "unit": MEASURES[claim.measure].unit,
        "shared": claim.shared,
        "arms": [
            {
                "name": arm.name,
                "flags": arm.flags,
                "pretrain": arm.pretrain,
                "published": arm.published,
                "trials": [asdict(trial) for trial in of_arm(trials, arm.name)],
            }
            for arm in claim.arms
        ],
        "differences": [asdict(found) for found in differences(claim, trials)],
        "sentences": sentences(claim, trials),
    }
