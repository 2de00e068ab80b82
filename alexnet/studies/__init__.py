"""What a data set, or a part of the paper, shows by itself."""
