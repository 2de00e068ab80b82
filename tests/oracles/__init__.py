"""What layers are compared with: cases for every backend, formulas in NumPy, loops over scalars."""
