"""Code that the layers' kernels share: the device, launches, products by cuBLAS, copies,
recordings, the choice of a GPU, and the check that CuPy can be used here."""
