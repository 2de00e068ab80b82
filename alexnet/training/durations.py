"""Lengths of time as a user writes them: 90s, 10m, 2h, 1h30m, 1.5h; and the time between saves."""

import re

_PARTS = re.compile(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?")
_EXAMPLES = "such as 45s, 90m, 2h or 1h30m"

SAVE_INTERVAL = "2m"  # writing 57 million weights and as many velocities takes seconds


def seconds_of(text: str) -> float:
    """The seconds in "1h30m". Raises ValueError unless hours, minutes and seconds, in this order,
    make a time above 0."""
    parts = _PARTS.fullmatch(text) if text.isascii() else None
    try:
        numbers = [float(part or 0) for part in parts.groups()] if parts else [0.0]
    except ValueError:  # 1.2.3h
        numbers = [0.0]
    seconds = sum(number * unit for number, unit in zip(numbers, (3600, 60, 1), strict=False))
    if not 0 < seconds < 1e9:
        why = "has no unit" if text.isascii() and text.isdigit() else "does not fit"
        raise ValueError(f"{text!r} {why}; a time, {_EXAMPLES}, does")
    return seconds


def save_interval(text: str) -> tuple[int | None, float | None]:
    """The interval between saves: (steps, None) for "500", (None, seconds) for "10m". Raises
    ValueError."""
    if not (text.isascii() and text.isdigit()):
        return None, seconds_of(text)
    if not 0 < int(text) < 1 << 53:
        raise ValueError(f"{text!r} does not fit; a number of steps from 1, or a time, does")
    return int(text), None
