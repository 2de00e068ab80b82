"""A training: its options, its state, what it writes and what it tells."""
