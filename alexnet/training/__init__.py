"""A training: its options, its state, its files and its messages."""
