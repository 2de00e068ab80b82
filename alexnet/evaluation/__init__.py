"""Measures of a trained network."""
