"""Studies of a data set, or of a part of the paper, by itself."""
