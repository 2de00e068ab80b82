"""The scenes of the synthetic images: ten figures, each told by its outline alone.

A scene lies in a unit square: coloured clouds, scraps strewn over them, on top one figure with
stripes or checks, and light that falls off to one side. Where the figure lies, how large it is, how
far it is turned, every colour, texture, clutter and light are random and tell nothing of the class:
only the figure's outline does. The one regularity that helps is that the figure is lighter than the
clouds; colours vary far more than that, so that two images whose pixels are alike seldom show the
same figure. A scene knows no pixels: it is drawn natively at any size.

Source: ours. alexnet/studies/simple_classifiers.py measures how far simpler classifiers get.
"""

import numpy as np
from PIL import Image, ImageDraw

from tinynet import random

_SUPERSAMPLING = 2  # outlines are drawn this much larger and averaged down: smooth edges
_SCRAPS = 8
_CLOUDS = 3  # the background blends this many colours a side
_LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green, blue: ITU-R BT.601


def _arc(start, stop, points, radius=1.0, x=0.0):
    """Points of a circle round (x, 0), angles in degrees. float64 (points, 2)"""
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
        """float64 (count,), in [low, high)"""
        numbers = self._numbers[self._next : self._next + count]
        self._next += count
        return low + (high - low) * numbers

    def one(self, low=0.0, high=1.0):
        return float(self.take(1, low, high)[0])


def _colours(luminance, numbers, strength=0.7):
    """Random colours of given luminance. luminance (n,); returns (n, 3), 0 to 1 for strength 0.7

    A strength beyond 1.15 leaves that range for some colours.
    """
    chroma = numbers.take(3 * len(luminance), -0.5, 0.5).reshape(-1, 3)
    chroma -= (chroma @ _LUMINANCE)[:, None]
    chroma *= strength / (np.abs(chroma).max(axis=1, keepdims=True) + 0.15)  # pale ones stay pale
    room = np.minimum(luminance, 1 - luminance)[:, None]  # to black or to white, what is nearer
    return luminance[:, None] + room * chroma


def _turned(points, angle):
    """Points (n, 2) turned by an angle in radians, or (m, n, 2) by m angles."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, sin], [-sin, cos]])
    return points @ (matrix if matrix.ndim == 2 else matrix.transpose(2, 0, 1))


def _background(luminance, numbers, size):
    """Clouds and scraps of colour about one luminance. float32 (size, size, 3), 0 to 255"""
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

    # Four channels: colour, and cover in X. Black where there is no scrap, so that the average of
    # the colours is already weighted by the cover.
    large = size * _SUPERSAMPLING
    scraps = Image.new("RGBX", (large, large))
    draw = ImageDraw.Draw(scraps)
    for outline, count, colour in zip(outlines, corners, _levels(255 * colours[1:]), strict=True):
        points = (large * outline[:count]).ravel().tolist()
        draw.polygon(points, fill=(*colour.tolist(), 255))
    scraps = _averaged(scraps)
    return clouds * (1 - scraps[..., 3:] / 255) + scraps[..., :3]


def _texture(luminance, numbers, size):
    """Stripes or checks in one colour. float32 (size, size, 3), about 0 to 255"""
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
    """How much of each pixel the figure covers. float32 (size, size), 0 to 1"""
    radius, turn = numbers.one(0.25, 0.40), np.radians(numbers.one(-30, 30))
    margin = 0.75 * radius  # a tip may lie outside
    centre = numbers.take(2, margin, 1 - margin)
    large = size * _SUPERSAMPLING
    mask = Image.new("L", (large, large))
    for points, level in zip(_FIGURES[CLASSES[label]], (255, 0), strict=True):
        if points is not None:
            points = large * (centre + radius * _turned(points, turn))
            ImageDraw.Draw(mask).polygon(points.ravel().tolist(), fill=level)
    return _averaged(mask) / 255


def _light(numbers, size):
    """Brightness of each pixel, falling off in one direction. float32 (size, size), about 1"""
    level, slope = numbers.one(0.85, 1.15), numbers.one(0, 0.6)
    turn = numbers.one(0, 2 * np.pi)
    at = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    fall = np.float32(slope * np.cos(turn)) * at + np.float32(slope * np.sin(turn)) * at[:, None]
    return np.float32(level) + fall


def _averaged(image):
    return np.asarray(image.reduce(_SUPERSAMPLING), np.float32)


def _levels(values):
    """Values of about 0 to 255, rounded and clipped to uint8."""
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def draw_scene(label: int, size: int, *, seed: int, draw: int) -> np.ndarray:
    """One image. uint8 (size, size, 3), RGB

    label   index into CLASSES
    size    pixels a side
    seed    0 to 2^64 - 1
    draw    0 to 2^32 - 1: which scene
    """
    numbers = _Numbers(seed, draw)
    ground = numbers.one(0.25, 0.40)
    luminance = numbers.one(ground + 0.3, 0.8)
    cover = _figure(label, numbers, size)[..., None]
    texture = _texture(luminance, numbers, size)
    background = _background(ground, numbers, size)
    light = _light(numbers, size)[..., None]
    return _levels(light * (background + cover * (texture - background)))
