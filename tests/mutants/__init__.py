"""Planted mistakes that the tests must see: python -m tests.mutants."""
