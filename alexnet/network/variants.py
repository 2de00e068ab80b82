"""changed: a row of SPECS with another activation, norm, pool, dropout, groups, width or init, with
towers apart, or without a layer.

Each of the paper's ablations is one such change. Changes are made before any layer exists, so the
changed network is plain data too: it can be printed, compared and saved.
"""

import math
from dataclasses import replace

import numpy as np

from alexnet.network.spec_row import POOLS, InitialWeights, Spec
from alexnet.network.specs import SPECS

# The names of all changes: arguments of build and flags of the commands.
CHANGES = (
    "activation", "norm", "pool", "dropout", "groups", "apart", "width", "without", "init",
)  # fmt: skip
ACTIVATIONS = ("relu", "tanh")
NORMS = ("lrn", "same-map", "batch", "none")
INITS = ("published", "he", "glorot", "pytorch")
_WIDEST = 1e6  # no memory holds a wider network


def changed(
    spec: Spec,
    *,
    activation=None,
    norm=None,
    pool=None,
    dropout=None,
    groups=None,
    apart=None,
    width=1.0,
    without=None,
    init=None,
) -> Spec:
    """The row with these changes; build (build.py) describes them. Raises ValueError for a change
    that does not fit the row."""
    if activation is not None:
        _check("activation", activation, ACTIVATIONS)
        other = {"relu": "tanh", "tanh": "relu"}[activation]
        spec = replace(
            spec, blocks=tuple(block.replace(other, activation) for block in spec.blocks)
        )
    if norm is not None:
        _check("norm", norm, NORMS)
        spec = _with_norm(spec, norm)
    if pool is not None:
        spec = _with_pool(spec, pool)
    if dropout is not None:
        spec = _with_dropout(spec, dropout)
    if groups is not None:
        spec = _with_groups(spec, groups)
    if apart is not None:
        spec = _with_towers_apart(spec, groups, apart)
    if width != 1.0:
        spec = _with_width(spec, width)
    if without is not None:  # after the changes that count convolutions
        spec = _without_layer(spec, without)
    if init is not None:
        _check("init", init, INITS)
        spec = spec if init == "published" else replace(spec, weights=InitialWeights(init))
    return spec


def in_words(changes: dict) -> list[str]:
    """The changes in words, such as "groups 1" and "apart"; not those that change nothing."""
    return [
        name if value is True else f"{name} {value}"
        for name, value in changes.items()
        if name in CHANGES and not (value is None or value is False)
        if (name, value) != ("width", 1.0)
    ]


def _check(argument, value, allowed):
    if value not in allowed:
        raise ValueError(f"build: {argument} must be one of {', '.join(allowed)}, got {value!r}")


def _with_norm(spec, norm):
    kept = {"lrn": "lrn", "same-map": "samemap", "batch": "batchnorm", "none": None}[norm]
    others = {"lrn", "samemap", "batchnorm"} - {kept}
    words = [[word for word in block.split() if word not in others] for block in spec.blocks]
    missing = not any(kept in block for block in words)
    if missing and norm in ("lrn", "same-map"):
        for block in words[:2]:
            block.append(kept)
        lrn, same_map = SPECS["caffenet"].lrn, SPECS["cifar10"].same_map
        spec = replace(spec, lrn=lrn) if norm == "lrn" else replace(spec, same_map=same_map)
    elif missing and norm == "batch":
        for block in words:
            if "conv" in block:
                at = next(block.index(word) for word in ACTIVATIONS if word in block)
                block.insert(at + 1, "batchnorm")
        spec = replace(spec, batch_norm=SPECS["batch-norm"].batch_norm)
    return replace(spec, blocks=tuple(" ".join(block) for block in words))


def _with_pool(spec, pool):
    if not isinstance(pool, (tuple, list)) or len(pool) != 2 or not all(map(is_count, pool)):
        raise ValueError(
            f"build: pool must be (window, stride), such as (3, 2) or (2, 2), got {pool!r}"
        )
    return replace(spec, pool=replace(spec.pool, window=int(pool[0]), stride=int(pool[1])))


def _with_dropout(spec, drop):
    if not _is_number(drop) or not 0 <= drop < 1:
        raise ValueError(f"build: dropout must be a number, 0 <= dropout < 1, got {drop!r}")
    if drop == 0:
        blocks = (" ".join(word for word in b.split() if word != "dropout") for b in spec.blocks)
        return replace(spec, blocks=tuple(blocks))
    if spec.dropout is None:
        raise ValueError(
            f"build: spec {spec.name} has no hidden fully connected layer to drop from; only "
            f"dropout=0.0 fits it, got {drop!r}"
        )
    return replace(spec, dropout=replace(spec.dropout, drop=float(drop)))


def _with_groups(spec, groups):
    if not is_count(groups) or groups not in (1, 2):
        raise ValueError(f"build: groups must be 1 (one tower) or 2 (two towers), got {groups!r}")
    towers = SPECS["paper"].convolutions
    if groups == 2 and len(spec.convolutions) != len(towers):
        raise ValueError(
            f"build: groups=2 divides conv2, conv4 and conv5 of five, as the paper does; spec "
            f"{spec.name} has {len(spec.convolutions)} convolutions, only groups=1 fits it"
        )
    numbers = [1] * len(spec.convolutions) if groups == 1 else [row.groups for row in towers]
    pairs = zip(spec.convolutions, numbers, strict=True)
    if groups == 1 and spec.lrn is not None:  # no tower, no edge
        spec = replace(spec, lrn=replace(spec.lrn, groups=1))
    return replace(spec, convolutions=tuple(replace(row, groups=n) for row, n in pairs))


def _with_towers_apart(spec, groups, apart):
    if not isinstance(apart, bool):
        raise ValueError(f"build: apart must be True or False, got {apart!r}")
    if not apart:
        return spec
    if groups == 1:
        raise ValueError("build: apart=True keeps two towers apart, groups=1 makes them one")
    if len(spec.convolutions) != len(SPECS["paper"].convolutions):
        raise ValueError(
            f"build: apart=True divides conv2 to conv5 of five convolutions; spec {spec.name} has "
            f"{len(spec.convolutions)}"
        )
    first, *others = spec.convolutions
    if spec.lrn is not None:
        spec = replace(spec, lrn=replace(spec.lrn, groups=2))
    return replace(spec, convolutions=(first, *(replace(row, groups=2) for row in others)))


def _with_width(spec, width):
    if not _is_number(width) or not 0 < width <= _WIDEST:
        raise ValueError(
            f"build: width must be a positive number, at most {_WIDEST:g}, got {width!r}"
        )
    # The groups of a layer and of the next layer divide its kernels.
    groups = max(row.groups for row in spec.convolutions)

    def scaled(old, step):
        return max(1, math.floor(old * width / step + 0.5)) * step

    rows = tuple(replace(row, out=scaled(row.out, groups)) for row in spec.convolutions)
    return replace(spec, convolutions=rows, hidden=tuple(scaled(old, 1) for old in spec.hidden))


def _without_layer(spec, name):
    """The row without a convolution or hidden fully connected layer, and without what follows from
    it in its block; a pool stays. Its place is kept, so other layers keep their numbers."""
    kinds = [_weighted_word(block) for block in spec.blocks]
    places = [place for place, kind in enumerate(kinds) if kind]
    names = {f"{kinds[place]}{place + 1}": place for place in places[1:-1]}
    if not isinstance(name, str) or name not in names:
        raise ValueError(
            f"build: without must be one of {', '.join(names)}, got {name!r}; the first "
            f"convolution and the last fully connected layer of spec {spec.name} have to stay"
        )
    place, weights = names[name], spec.weights
    position = places.index(place)  # among the layers with weights
    kept = [word for word in spec.blocks[place].split() if word in POOLS]
    if weights.rule == "normal":
        weights = replace(
            weights,
            deviations=_left_out(weights.deviations, position),
            biases=_left_out(weights.biases, position),
        )
    return replace(  # one step, since a row checks its own lengths
        spec,
        blocks=(*spec.blocks[:place], " ".join(kept), *spec.blocks[place + 1 :]),
        convolutions=_left_out(spec.convolutions, position),
        hidden=_left_out(spec.hidden, position - len(spec.convolutions)),
        weights=weights,
    )


def _weighted_word(block):
    """The word of the block's layer with weights, conv or fc; "" if it has none."""
    return next((word for word in block.split() if word in ("conv", "fc")), "")


def _left_out(values, position):
    """The tuple without the value at this position; all of it if it has no such position."""
    return tuple(value for place, value in enumerate(values) if place != position)


def is_count(value):
    """Whether value is a whole number of at least 1."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 1


def _is_number(value):
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
