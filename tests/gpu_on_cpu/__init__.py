"""A GPU for machines without one: arrays, kernels compiled for the processor, a small CuPy."""
