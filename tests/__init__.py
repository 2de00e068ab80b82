"""The tests. cases.py is the table of layers that every backend must compute alike."""
