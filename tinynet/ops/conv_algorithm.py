"""Which of the backend's two algorithms computes a convolution: im2col or Winograd's tiles.

im2col    one matrix product of the weights with the patches: any kernel, any stride
winograd  the same result with fewer multiplications and more rounding (float32: within 1e-4 of
          the largest element): kernels 3 x 3 and 5 x 5 at stride 1
auto      the quicker one for each layer, by the backend's winograd_pays
"""

ALGORITHMS = ("im2col", "winograd", "auto")
_chosen = "auto"


class conv_algorithm:
    """Choose the algorithm of convolutions, from now on or inside a with block:

        tn.conv_algorithm("winograd")
        with tn.conv_algorithm("im2col"): ...

    name  "im2col"; "winograd", with im2col where it is not defined; "auto", the default
    The choice belongs to the process, not to a thread. The backward pass of
    a convolution uses the algorithm of its forward pass.
    Raises ValueError where the algorithm is unknown.
    """

    def __init__(self, name):
        global _chosen
        if name not in ALGORITHMS:
            raise ValueError(f"conv_algorithm: {name!r} is not one of {', '.join(ALGORITHMS)}")
        self._previous = _chosen
        _chosen = name

    def __enter__(self):
        return self

    def __exit__(self, *_):
        global _chosen
        _chosen = self._previous


def takes_winograd(kernels, x_shape, weight_shape, stride, padding, groups):
    """Whether a convolution of these shapes is computed by Winograd's tiles on this backend."""
    if _chosen == "winograd":
        return stride == (1, 1) and weight_shape[2:] in ((3, 3), (5, 5))
    return _chosen == "auto" and kernels.winograd_pays(
        x_shape, weight_shape, stride, padding, groups
    )
