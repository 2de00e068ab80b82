"""Number: a float that records how it was computed, the oracle for gradients.

A formula in plain loops over Numbers gives its gradients too. No code is shared with tinynet.

    evaluate(lambda x: formula of an array of Numbers, [x], make_dy)  ->  y, [dx]
"""

import math

import numpy as np

_tape = []  # all Numbers since evaluate started, oldest first


class Number:
    """value    the float
    sources  a pair (operand, derivative of this Number by the operand) for each operand
    slope    the derivative of the loss by this Number
    """

    __slots__ = ("value", "sources", "slope")

    def __init__(self, value, sources=()):
        self.value, self.sources, self.slope = value, sources, 0.0
        _tape.append(self)

    def __add__(self, other):
        if isinstance(other, Number):
            return Number(self.value + other.value, ((self, 1.0), (other, 1.0)))
        return Number(self.value + other, ((self, 1.0),))

    def __mul__(self, other):
        if isinstance(other, Number):
            return Number(self.value * other.value, ((self, other.value), (other, self.value)))
        return Number(self.value * other, ((self, other),))

    def __pow__(self, exponent):
        slope = exponent * self.value ** (exponent - 1)
        return Number(self.value**exponent, ((self, slope),))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * other**-1.0

    def __rtruediv__(self, other):
        return self**-1.0 * other

    def __gt__(self, other):
        return self.value > (other.value if isinstance(other, Number) else other)

    __radd__, __rmul__ = __add__, __mul__


def exp(a):
    return Number(math.exp(a.value), ((a, math.exp(a.value)),))


def log(a):
    return Number(math.log(a.value), ((a, 1.0 / a.value),))


def tanh(a):
    return Number(math.tanh(a.value), ((a, 1.0 / math.cosh(a.value) ** 2),))


def evaluate(formula, arrays, make_dy):
    """The formula's value, and the loss's gradient by each of the arrays.

    formula  arrays of Numbers -> an array of Numbers
    arrays   float arrays
    make_dy  shape -> the loss's gradient by the formula's value, an array of this shape
    """
    _tape.clear()
    inputs = [_numbers(array) for array in arrays]
    y = np.asarray(formula(*inputs), object)
    for number, slope in zip(y.flat, make_dy(y.shape).flat, strict=True):
        number.slope += float(slope)
    for number in reversed(_tape):
        if number.slope:
            for source, derivative in number.sources:
                source.slope += derivative * number.slope
    gradients = [_floats(a, "slope") for a in inputs]
    return _floats(y, "value"), gradients


def _numbers(array):
    numbers = np.empty(array.shape, object)
    for position in np.ndindex(array.shape):
        numbers[position] = Number(float(array[position]))
    return numbers


def _floats(numbers, attribute):
    floats = np.empty(numbers.shape)
    for position in np.ndindex(numbers.shape):
        floats[position] = getattr(numbers[position], attribute)
    return floats
