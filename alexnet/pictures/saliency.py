"""Maps of saliency as pictures.

light   sizes: from black, 0, to white, the largest
signed  orange for positive, blue for negative: told apart by people who see red and green alike
lit     the photo, dark where the map is 0 and as it is where the map is largest
"""

import numpy as np

ORANGE, BLUE = np.array([255, 160, 0]), np.array([40, 130, 255])
CLIPPED = 99.5  # percent: the few largest numbers do not darken all others
DARKEST = 0.12  # of the photo's brightness, so that it can be recognised


def light(heat: np.ndarray) -> np.ndarray:
    """uint8 (S, S, 3) of a map of sizes, (S, S)."""
    return _bytes(np.repeat(255 * _scaled(heat)[..., None], 3, axis=2))


def signed(heat: np.ndarray) -> np.ndarray:
    """uint8 (S, S, 3) of a map of signed numbers, (S, S)."""
    share = _scaled(np.abs(heat))[..., None]
    return _bytes(share * np.where(heat[..., None] > 0, ORANGE, BLUE))


def lit(photo: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """uint8 (S, S, 3). photo: uint8 (S, S, 3)"""
    return _bytes(photo * (DARKEST + (1 - DARKEST) * _scaled(heat)[..., None]))


def _scaled(heat):
    """From 0 to 1; all 0 for a map of zeros."""
    largest = np.percentile(heat, CLIPPED) or heat.max()
    return np.clip(heat / largest, 0, 1) if largest > 0 else np.zeros(heat.shape)


def _bytes(colours):
    return np.rint(colours).astype(np.uint8)
