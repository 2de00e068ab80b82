"""See inside a network: what its layers made of an image, and the arithmetic behind one number.

seen = trace(model, x)                          every layer's input, output, time and memory
explain(seen, "conv2", (17, 4, 9))              the sum, window or maximum behind one output
"""

from alexnet.inside.explanation import Explanation, explain
from alexnet.inside.trace import Trace, TracedLayer, trace

__all__ = ["Explanation", "Trace", "TracedLayer", "explain", "trace"]
