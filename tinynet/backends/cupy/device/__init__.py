"""What the layers' kernels stand on: the device itself, launches, products by cuBLAS, copies,
recordings, and whether CuPy can be used here at all."""
