"""The programs that a benchmark compares: each is a process that answers lines of JSON.

Run as modules, python -m benchmarks.peers.NAME, so that benchmarks/peers/jax.py stands in nobody's
way who says `import jax`.
"""
