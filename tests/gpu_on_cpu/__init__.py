"""A GPU for machines without one: device arrays, kernels on the processor, a stand-in for CuPy."""
