"""The programs that a benchmark compares: processes that answer lines of JSON, and single layers.

    workload.py   what all of them get: network, weights, batch
    protocol.py   what a process answers; tinynet, pytorch, tensorflow, jax are such processes
    process.py    the process as the benchmark sees it
    layer.py      one layer in tinynet and in PyTorch, inside the benchmark's own process
    agreement.py  how close the numbers of two programs must be before they are timed

Run as modules, python -m benchmarks.programs.NAME, so that jax.py does not shadow JAX itself.
"""
