"""A GPU for machines without one: device arrays, kernels on the processor, stand-ins for CuPy and
NCCL."""
