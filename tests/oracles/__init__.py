"""The oracles: layer cases for every backend, their formulas, and scalars with gradients."""
