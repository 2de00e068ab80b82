"""The paper's colour change: along the principal components of the pixels' colours.

    x' = (x + p1 a1 l1 + p2 a2 l2 + p3 a3 l3) / divisor      the same change for all its pixels

x is the colour (R, G, B) of a pixel minus the mean. p1, p2, p3 are the eigenvectors of the
covariance of all training pixels' colours, and l1, l2, l3 the standard deviations along them. a1,
a2, a3 are normal numbers of deviation 0.1, drawn once for an image and use: they change the
brightness and the tint of the light.

The paper writes eigenvalues for l. Its authors' program takes their square roots, the standard
deviations, and that is what trained (docs/facts.md, section 6). It also divides the changed image
by 1.1, so that training images keep the scale of test images, which have no change and are not
divided.

Source: Krizhevsky, Sutskever, Hinton (2012), section 4.1.
"""

import math
from dataclasses import dataclass

import numpy as np

DEVIATION = 0.1  # of a1, a2, a3


@dataclass(frozen=True)
class PrincipalColours:
    """The colour change of a training set.

    components  float64 (3, 3), on pixels of 0 to 255: row k is the eigenvector of the k-th largest
                eigenvalue times its standard deviation, p_k l_k, in R, G, B
    divisor     above 0; 1 in the paper
    """

    components: np.ndarray
    divisor: float = 1.0

    def __post_init__(self):
        if np.shape(self.components) != (3, 3) or not np.isfinite(self.components).all():
            raise ValueError("PrincipalColours: components must be (3, 3) finite numbers")
        if not 0 < self.divisor < math.inf:
            raise ValueError(f"PrincipalColours: divisor must be above 0, got {self.divisor}")

    @classmethod
    def of(cls, covariance: np.ndarray, divisor: float = 1.0) -> "PrincipalColours":
        """The colour change for this covariance of colours, float64 (3, 3). An eigenvector and its
        negative are the same component: the one whose largest number is positive is taken."""
        eigenvalues, vectors = np.linalg.eigh(covariance)  # columns, smallest first
        vectors, deviations = vectors.T[::-1], np.sqrt(np.maximum(eigenvalues[::-1], 0))
        largest = np.abs(vectors).argmax(axis=1)
        signs = np.sign(vectors[np.arange(3), largest])
        return cls(vectors * (signs * deviations)[:, None], divisor)

    @classmethod
    def from_saved(cls, saved: dict) -> "PrincipalColours":
        """The colour change from its saved(). Raises TypeError or ValueError for another value."""
        if not isinstance(saved, dict) or saved.keys() != {"components", "divisor"}:
            raise ValueError("it needs components and divisor")
        return cls(np.array(saved["components"], np.float64), float(saved["divisor"]))

    def saved(self) -> dict:
        """Plain numbers for a checkpoint."""
        return {"components": self.components.tolist(), "divisor": self.divisor}

    def shifts(self, normals: np.ndarray) -> np.ndarray:
        """float32 (N, 3): what is added to R, G, B of each image.

        normals  (N, 3), of deviation 1: a = 0.1 normals
        Summed in float64 in one order, so that every machine and backend gets the same bits.
        """
        scaled = DEVIATION * np.asarray(normals, np.float64)
        first, second, third = (scaled[:, k, None] * self.components[k] for k in range(3))
        return (first + second + third).astype(np.float32)
