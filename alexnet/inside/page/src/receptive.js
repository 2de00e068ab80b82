// The pixels of the photo that can change an output, as in alexnet/network/receptive_fields.py.

/** [[first row, last row], [first column, last column]] of the layer's output at `at`. */
export function pixelsSeen(layers, name, at) {
  const path = layers.slice(0, layers.findIndex((layer) => layer.name === name) + 1).reverse();
  return [0, 1].map((axis) => {
    let ends = at.length === 3 ? [at[1 + axis], at[1 + axis]] : [0, 0];
    for (const layer of path) {
      const cells = layer.inputs.length === 3 ? layer.inputs[1 + axis] : 1;
      const [first, last] = cellsRead(layer, axis, cells, ...ends);
      ends = [Math.max(first, 0), Math.min(last, cells - 1)];
    }
    return ends;
  });
}

function cellsRead(layer, axis, cells, first, last) {
  const a = layer.arguments;
  switch (layer.kind) {
    case "Flatten":
    case "Linear":
      return [0, cells - 1];
    case "Conv2d":
      return windows(a.kernel[axis], a.stride[axis], a.padding[axis]);
    case "MaxPool2d":
    case "AvgPool2d":
      return windows(a.window[axis], a.stride[axis], a.padding[axis]);
    case "SameMapNorm":
      return [first - Math.floor(a.size / 2), last + Math.floor(a.size / 2)];
    case "AdaptiveAvgPool2d":
      return [
        Math.floor((first * cells) / a.size[axis]),
        Math.ceil(((last + 1) * cells) / a.size[axis]) - 1,
      ];
    default:
      return [first, last];
  }
  function windows(window, stride, padding) {
    return [first * stride - padding, last * stride - padding + window - 1];
  }
}
