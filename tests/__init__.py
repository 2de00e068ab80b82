"""The tests, in the folders of what they test.

tinynet/  alexnet/  benchmarks/   as the sources are
oracles/     the layer cases that every backend must pass, and formulas to hold them against
gpu_on_cpu/  a GPU for machines without one: it runs the same .cu files on the processor
mutants/     planted mistakes that the tests must see
"""
