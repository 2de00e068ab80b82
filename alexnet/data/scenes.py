"""The scenes of the synthetic images: ten figures, which differ in their outlines alone.

A scene fills a unit square: coloured clouds, small scraps of colour over them, one figure with
stripes or checks on top, and light that falls off to one side. The figure's place, size and angle
are random, and so are colours, texture, scraps and light: only the outline of the figure shows its
class. The figure is lighter than the clouds, which helps to find it, but colours vary far more than
that: two images with similar pixels seldom show the same figure. A scene has no pixels of its own:
it can be drawn at any size.

Source: ours. alexnet/studies/simple_classifiers.py measures the accuracy of simpler classifiers.
"""

import numpy as np
from PIL import Image, ImageDraw

from tinynet import random

_SUPERSAMPLING = 2  # outlines are drawn this much larger and averaged, for smooth edges
_SCRAPS = 8
_CLOUDS = 3  # the background blends this many colours a side
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green, blue: ITU-R BT.601


def _arc(start, stop, points, radius=1.0, x=0.0):
    """float64 (points, 2): points of a circle around (x, 0), angles in degrees."""
    angle = np.radians(np.linspace(start, stop, points))
    return np.stack((x + radius * np.cos(angle), radius * np.sin(angle)), axis=1)


def _star():
    points = _arc(-90, 270, 11)[:10]
    points[1::2] *= 0.42
    return points


def _heart():
    t = np.linspace(0, 2 * np.pi, 60)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return np.stack((16 * np.sin(t) ** 3, -y), axis=1) / 17


def _symmetric(*right):
    """A closed outline from its right half, top to bottom."""
    return np.array([*right, *((-x, y) for x, y in reversed(right))])


# A figure is a closed outline within about 1 of the origin, y pointing down, and perhaps a hole.
_CRESCENT = np.concatenate((_arc(50, 310, 48), _arc(270, 90, 32, radius=0.766, x=0.643)))
_CROSS = _symmetric((0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3), (0.3, 1))
_FIGURES = {
    "arrow": (_symmetric((0, -1), (0.85, -0.1), (0.3, -0.1), (0.3, 1)), None),
    "bar": (_symmetric((1, -0.33), (1, 0.33)), None),
    "crescent": (_CRESCENT, None),
    "cross": (_CROSS, None),
    "disc": (_arc(0, 360, 60, radius=0.9), None),
    "heart": (_heart(), None),
    "hourglass": (_symmetric((0.8, -0.9), (0.12, 0), (0.8, 0.9)), None),
    "ring": (_arc(0, 360, 60), _arc(0, 360, 60, radius=0.55)),
    "star": (_star(), None),
    "triangle": (_arc(-90, 270, 4), None),
}
CLASSES = list(_FIGURES)


class _Numbers:
    """The uniform numbers of one image, handed out in order."""

    _COUNT = 160  # more than a scene takes

    def __init__(self, seed, draw):
        where = {"seed": seed, "stream": random.IMAGES, "draw": draw}
        self._numbers = random.uniform(self._COUNT, **where, dtype=np.float64)
        self._next = 0

    def take(self, count, low=0.0, high=1.0):
        """float64 (count,): the next numbers, in [low, high)."""
        numbers = self._numbers[self._next : self._next + count]
        self._next += count
        return low + (high - low) * numbers

    def one(self, low=0.0, high=1.0):
        return float(self.take(1, low, high)[0])


def _colours(luminance, numbers, strength=0.7):
    """(n, 3): random colours of this luminance, (n,). Both are from 0 to 1. With a strength above
    1.17 some colours leave that range."""

    chroma = numbers.take(3 * len(luminance), -0.5, 0.5).reshape(-1, 3)
    chroma -= (chroma @ _LUMINANCE)[:, None]
    chroma *= strength / (np.abs(chroma).max(axis=1, keepdims=True) + 0.15)  # pale ones stay pale
    room = np.minimum(luminance, 1 - luminance)[:, None]  # to the nearer of black and white
    return luminance[:, None] + room * chroma


def _turned(points, angle):
    """Points (n, 2) turned by an angle in radians, or (m, n, 2) by m angles."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, sin], [-sin, cos]])
    return points @ (matrix if matrix.ndim == 2 else matrix.transpose(2, 0, 1))


def _background(luminance, numbers, size):
    """float32 (size, size, 3), 0 to 255: clouds and scraps of colour, all near one luminance."""
    scrap_luminance = np.clip(luminance + numbers.take(_SCRAPS, -0.25, 0.25), 0.03, 0.97)
    colours = _colours(np.concatenate(([luminance], scrap_luminance)), numbers)
    grey = luminance + numbers.take(_CLOUDS**2, -0.12, 0.12)
    clouds = colours[0] - luminance + _colours(grey, numbers, strength=1.5)
    clouds = Image.fromarray(_levels(255 * clouds.reshape(_CLOUDS, _CLOUDS, 3)))
    clouds = np.asarray(clouds.resize((size, size), Image.Resampling.BICUBIC), np.float32)

    # A scrap is a flattened triangle, square or pentagon.
    corners = numbers.take(_SCRAPS, 3, 6).astype(int)
    radius, flat = numbers.take(_SCRAPS, 0.04, 0.14), numbers.take(_SCRAPS, 0.3, 1.0)
    turn, centre = numbers.take(_SCRAPS, 0, np.pi), numbers.take(2 * _SCRAPS).reshape(_SCRAPS, 1, 2)
    angle = 2 * np.pi * np.arange(5) / corners[:, None]
    outlines = np.stack((np.cos(angle), flat[:, None] * np.sin(angle)), axis=2)
    outlines = centre + _turned(radius[:, None, None] * outlines, turn)

    # Four channels: colour, and in X the cover. Pixels without a scrap are black, so the averaged
    # colours are already multiplied by the cover.
    large = size * _SUPERSAMPLING
    scraps = Image.new("RGBX", (large, large))
    draw = ImageDraw.Draw(scraps)
    for outline, count, colour in zip(outlines, corners, _levels(255 * colours[1:]), strict=True):
        points = (large * outline[:count]).ravel().tolist()
        draw.polygon(points, fill=(*colour.tolist(), 255))
    scraps = _averaged(scraps)
    return clouds * (1 - scraps[..., 3:] / 255) + scraps[..., :3]


def _texture(luminance, numbers, size):
    """float32 (size, size, 3), about 0 to 255: stripes or checks in one colour."""
    colour = _colours(np.array([luminance]), numbers)[0].astype(np.float32)
    frequency, turn = numbers.one(4, 12), numbers.one(0, 2 * np.pi)
    phase, checked = numbers.one(0, 2 * np.pi), numbers.one() < 0.4
    at = 2 * np.pi * frequency * ((np.arange(size, dtype=np.float32) + 0.5) / size)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    waves = np.sin(cos * at + (sin * at + phase)[:, None])
    if checked:
        waves *= np.sin(cos * at[:, None] - sin * at + phase)
    return 255 * (colour + 0.12 * waves[..., None])


def _figure(label, numbers, size):
    """float32 (size, size), 0 to 1: the share of each pixel that the figure covers."""
    radius, turn = numbers.one(0.25, 0.40), np.radians(numbers.one(-30, 30))
    margin = 0.75 * radius  # a tip may lie outside the image
    centre = numbers.take(2, margin, 1 - margin)
    large = size * _SUPERSAMPLING
    mask = Image.new("L", (large, large))
    for points, level in zip(_FIGURES[CLASSES[label]], (255, 0), strict=True):
        if points is not None:
            points = large * (centre + radius * _turned(points, turn))
            ImageDraw.Draw(mask).polygon(points.ravel().tolist(), fill=level)
    return _averaged(mask) / 255


def _light(numbers, size):
    """float32 (size, size), about 1: the brightness of each pixel, which falls in one direction."""
    level, slope = numbers.one(0.85, 1.15), numbers.one(0, 0.6)
    turn = numbers.one(0, 2 * np.pi)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    fall = np.float32(slope * np.cos(turn)) * at + np.float32(slope * np.sin(turn)) * at[:, None]
    return np.float32(level) + fall


def _averaged(image):
    return np.asarray(image.reduce(_SUPERSAMPLING), np.float32)


def _levels(values):
    """Values from about 0 to 255, rounded and clipped to uint8."""
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def draw_scene(label: int, size: int, *, seed: int, draw: int) -> np.ndarray:
    """uint8 (size, size, 3), RGB: one image.

    label   index into CLASSES
    size    pixels a side
    seed    0 to 2^64 - 1
    draw    0 to 2^32 - 1: the number of the scene
    """
    numbers = _Numbers(seed, draw)
    ground = numbers.one(0.25, 0.40)
    luminance = numbers.one(ground + 0.3, 0.8)
    cover = _figure(label, numbers, size)[..., None]
    texture = _texture(luminance, numbers, size)
    background = _background(ground, numbers, size)
    light = _light(numbers, size)[..., None]
    return _levels(light * (background + cover * (texture - background)))
