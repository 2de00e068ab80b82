"""The files of the page that alexnet.explore writes: index.html, the program, and the arrays.

    FOLDER/index.html  page.js  page.css
    FOLDER/data/index.js                            photos, checkpoints, layers, classes, sources
    FOLDER/data/c<checkpoint>/<layer>.js            parameters, float32
    FOLDER/data/c<checkpoint>/p<photo>/<layer>.js   outputs, float32; image.js: the network's input

A browser lets a page from the disk read no other file, but run scripts: so a data file is a script
that hands its value to the page. Arrays are base64. Of a fully connected layer the page gets, in
the place of 58 million weights, the LARGEST products of each unit.
"""

import base64
import json
from collections.abc import Iterator

import numpy as np

from alexnet.inside.trace import Trace, TracedLayer

LARGEST = 24  # products of a unit


def script(name: str, value) -> str:
    """The text of a data file."""
    return f"explore.receive({json.dumps(name)}, {json.dumps(value)});\n"


def encoded(array: np.ndarray) -> dict:
    """An array as the page decodes it: its shape, and its bytes under the name of its dtype."""
    array = np.ascontiguousarray(array)
    data = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    return {"shape": list(array.shape), array.dtype.name: data}


def parameter_files(seen: Trace) -> Iterator[tuple[str, dict]]:
    """(name, value) for each layer that has arrays. Dense weights are left out."""
    for traced in seen:
        arrays = dict(traced.arrays)
        if traced.kind == "Linear":
            del arrays["weight"]
        yield traced.name, {name: encoded(array) for name, array in arrays.items()}


def output_files(seen: Trace, image: int = 0) -> Iterator[tuple[str, dict]]:
    """(name, value) for what the network read, for each layer's output, and for the largest
    products of each unit of a fully connected layer."""
    yield "image", encoded(seen.layers[0].x[image])
    for traced in seen:
        yield traced.name, encoded(traced.y[image])
        if traced.kind == "Linear":
            yield f"{traced.name}-terms", largest_terms(traced, image)


def largest_terms(traced: TracedLayer, image: int = 0) -> dict:
    """Of each unit: places, uint16 or int32 (units, count), the inputs whose products w x are
    largest in size; products, float32; totals, float64 rounded to float32, the sum of all
    products."""
    x = traced.x[image]
    weight = traced.arrays["weight"]
    count = min(LARGEST, x.size)
    places = np.empty((len(weight), count), np.uint16 if x.size <= 1 << 16 else np.int32)
    products = np.empty((len(weight), count), np.float32)
    totals = np.empty(len(weight), np.float32)
    for unit, row in enumerate(weight):
        all_products = row.astype(np.float64) * x
        size = np.abs(all_products)
        largest = np.argpartition(-size, count - 1)[:count]
        largest = largest[np.lexsort((largest, -size[largest]))]
        places[unit], products[unit] = largest, all_products[largest]
        totals[unit] = all_products.sum()
    named = {"places": places, "products": products, "totals": totals}
    return {name: encoded(array) for name, array in named.items()}


def layer_facts(traced: TracedLayer, image: int = 0) -> dict:
    """What the page says of a layer: its kind, arguments, shapes, time, memory, and the spread of
    its output."""
    y = traced.y[image]
    maps = y.reshape(len(y), -1)
    return {
        "name": traced.name,
        "kind": traced.kind,
        "arguments": traced.arguments,
        "inputs": list(traced.x.shape[1:]),
        "outputs": list(y.shape),
        "parameters": int(sum(array.size for array in traced.arrays.values())),
        "seconds": traced.seconds,
        "bytes": traced.bytes,
        "low": float(y.min()),
        "high": float(y.max()),
        "mean": float(y.mean(dtype=np.float64)),
        "zero": float((y == 0).mean()),
        "silent": int((maps == 0).all(axis=1).sum()),
        "histogram": np.histogram(y, bins=40)[0].tolist(),
    }
