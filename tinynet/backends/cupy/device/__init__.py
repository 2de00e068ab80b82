"""Code that the layers' kernels share: the device, launches, products by cuBLAS, copies,
recordings, and the check that CuPy can be used here."""
