"""Weights in files: checkpoints."""
