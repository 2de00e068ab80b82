"""Exact arithmetic: what a layer's formula gives before anything is rounded.

A float is a fraction whose denominator is a power of two, so sums and products of floats are exact
as fractions. Powers, roots and tanh are computed to 50 decimal digits, where float64 has 16.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

DIGITS = 50


def exact_sum(terms: Iterable[Fraction]) -> Fraction:
    """The sum of the terms, 0 for none."""
    return sum(terms, Fraction(0))


def exact_products(a: np.ndarray, b: np.ndarray) -> list[Fraction]:
    """The product of each pair of elements. a, b: the same shape, in C order."""
    pairs = zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)
    return [Fraction(x) * Fraction(y) for x, y in pairs]


def power(base: Fraction, exponent: float) -> Fraction:
    """base ** exponent to 50 digits. base: above 0"""
    with localcontext(prec=DIGITS):
        return Fraction(_decimal(base) ** Decimal(exponent))


def tanh(x: Fraction) -> Fraction:
    """tanh x = (1 - e^-2x) / (1 + e^-2x) to 50 digits, or more than 1 - 10^-50."""
    with localcontext(prec=DIGITS):
        shrunk = (-2 * abs(_decimal(x))).exp()
        size = Fraction((1 - shrunk) / (1 + shrunk))
    return size if x >= 0 else -size


def units_in_the_last_place(value: float, exact: Fraction, dtype) -> float:
    """How far value is from exact, in steps between neighbouring numbers of dtype at exact: at most
    0.5 for the nearest number. Infinite for a value that is not finite."""
    if not np.isfinite(value):
        return float("inf")
    spacing = np.spacing(np.abs(np.dtype(dtype).type(float(exact))))
    return float((Fraction(float(value)) - exact) / Fraction(float(spacing)))


def _decimal(x):
    return Decimal(x.numerator) / Decimal(x.denominator)
