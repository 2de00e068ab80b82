"""Saliency: how much each pixel of an image counts for a class, by six methods on the engine's ops.

    gradient       |d logit / d pixel|                         Simonyan, Vedaldi and Zisserman 2013,
                                                               section 3
    guided         the same, with ReLUs that pass only         Springenberg, Dosovitskiy, Brox and
                   positive gradients of positive inputs       Riedmiller 2014, section 3.4
    deconvolution  with ReLUs that pass positive gradients,    Zeiler and Fergus 2013, section 2.1
                   whatever their inputs
    occlusion      how far the probability falls where a       Zeiler and Fergus 2013, section 4.2
                   grey square covers the image
    grad-cam       the last maps, each weighted by its mean    Selvaraju and others 2016, section 3
                   gradient
    integrated     gradients on the way from grey to the       Sundararajan, Taly and Yan 2017,
                   image, summed                               section 3

Each returns float32 (S, S): grad-cam and occlusion at least 0, integrated signed, the others sizes.
x is one image (1, 3, S, S), normalised; grey is the training images' mean, 0 in x.
"""

import numpy as np
from PIL import Image

import tinynet as tn
from alexnet.evaluation.metrics import in_test_mode
from alexnet.inside.recording import gradient_of
from tinynet import nn

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def gradient(model, x: np.ndarray, label: int) -> np.ndarray:
    """The largest |d logit / d x| of the three colours, at each pixel."""
    return np.abs(_logit_gradient(model, x, label)).max(axis=0)


def guided(model, x: np.ndarray, label: int) -> np.ndarray:
    """As gradient, with guided ReLUs."""
    return np.abs(_logit_gradient(model, x, label, _guided_relu)).max(axis=0)


def deconvolution(model, x: np.ndarray, label: int) -> np.ndarray:
    """As gradient, with the ReLUs of a deconvolutional network."""
    return np.abs(_logit_gradient(model, x, label, _deconvolution_relu)).max(axis=0)


def occlusion(model, x: np.ndarray, label: int) -> np.ndarray:
    """The mean loss of probability over all grey squares that cover a pixel; 0 where it rises.

    Squares have a quarter of the image's side and move by an eighth of it.
    """
    size = x.shape[2]
    square, step = max(size // 4, 1), max(size // 8, 1)
    lost, covered = np.zeros((size, size)), np.zeros((size, size))
    before = _probability(model, x, label)
    places = [*range(0, size - square, step), size - square]
    for top in places:
        for left in places:
            rows, columns = slice(top, top + square), slice(left, left + square)
            hidden = x.copy()
            hidden[:, :, rows, columns] = 0
            lost[rows, columns] += before - _probability(model, hidden, label)
            covered[rows, columns] += 1
    return np.maximum(lost / covered, 0).astype(np.float32)


def grad_cam(model, x: np.ndarray, label: int) -> np.ndarray:
    """relu(sum over channels of mean gradient times map), of the last maps, resized to the image.

    The last maps are those before flatten and before the pools in front of it: a pool would leave
    a single pixel of a small image.
    """
    layers = [layer for _, layer in model]
    last = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Flatten))
    while last and isinstance(layers[last - 1], POOLS):
        last -= 1
    with in_test_mode(model):
        maps = tn.Tensor(x)
        for layer in layers[:last]:
            maps = layer(maps)
    maps = maps.numpy()
    slopes = _logit_gradient(model, maps, label, first=last)
    heat = np.maximum((slopes.mean(axis=(1, 2), keepdims=True) * maps[0]).sum(axis=0), 0)
    picture = Image.fromarray(heat.astype(np.float32))
    return np.asarray(picture.resize(x.shape[2:], Image.Resampling.BILINEAR))


def integrated(model, x: np.ndarray, label: int, steps: int = 32) -> np.ndarray:
    """x times the mean gradient at steps points between grey and x, summed over colours. All pixels
    together sum to logit(x) - logit(grey), up to the error of the mean."""
    total = np.zeros(x.shape[1:])
    for number in range(steps):
        total += _logit_gradient(model, x * np.float32((number + 0.5) / steps), label)
    return (x[0] * total / steps).sum(axis=0).astype(np.float32)


METHODS = {
    "gradient": gradient,
    "guided": guided,
    "deconvolution": deconvolution,
    "occlusion": occlusion,
    "grad-cam": grad_cam,
    "integrated": integrated,
}


def _logit_gradient(model, x, label, relu=None, first=0):
    """The gradient of a class's logit by x, the input of the model's layer number first, without
    the axis of images. relu: an op in the place of each ReLU, or None."""
    layers = [layer for _, layer in list(model)[first:]]
    if relu:
        layers = [relu if isinstance(layer, nn.ReLU) else layer for layer in layers]
    return gradient_of(model, layers, x, label)[0][0]


def _probability(model, x, label):
    with in_test_mode(model):
        return float(tn.softmax(model(tn.Tensor(x))).numpy()[0, label])


@tn.op
def _guided_relu(ctx, x):
    """max(x, 0), whose backward passes positive gradients of positive inputs."""
    y = ctx.xp.maximum(x, 0)
    return y, lambda dy: ctx.xp.where(y > 0, ctx.xp.maximum(dy, 0), 0).astype(dy.dtype)


@tn.op
def _deconvolution_relu(ctx, x):
    """max(x, 0), whose backward passes positive gradients, whatever the inputs."""
    return ctx.xp.maximum(x, 0), lambda dy: ctx.xp.maximum(dy, 0)
