"""The ops: one file a layer, and arithmetic, reductions and shape for Tensor's own methods."""
