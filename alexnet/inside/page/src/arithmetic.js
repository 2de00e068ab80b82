// The arithmetic behind one output, as in alexnet/inside/arithmetic.py, in JavaScript's numbers,
// which are float64.
//
// Each function returns
//   {formula, corner, shape, read, weights, terms, steps, chosen}
//     corner, shape   where the inputs that it read begin, and how many there are along each axis
//     read            those inputs; weights, terms: what multiplies them, what is summed, or null
//     steps           [name, number], the last is the output
//     chosen          the place in read of the largest or of x itself, or null
// and of a fully connected layer, where read holds the inputs of the largest products only,
//     places, inputs  where they are, and how many inputs there are
//     growth          [count, the sum of so many products, the largest first]

/** The arithmetic of a layer's output `at`. x: {shape, data} of its input; w: its parameters. */
export function arithmetic(layer, x, w, at, found) {
  return KINDS[layer.kind](layer.arguments, x, w, at, found);
}

const KINDS = {
  Conv2d: convolution,
  Linear: fullyConnected,
  MaxPool2d: maxPool,
  AvgPool2d: averagePool,
  AdaptiveAvgPool2d: adaptiveAveragePool,
  LocalResponseNorm: localResponseNorm,
  SameMapNorm: sameMapNorm,
  BatchNorm2d: batchNorm,
  ReLU: (a, x, w, at) => one("y = max(x, 0)", x, at, (v) => [["y", Math.max(v, 0)]]),
  Tanh: (a, x, w, at) => one("y = tanh(x)", x, at, (v) => [["y", Math.tanh(v)]]),
  Dropout: (a, x, w, at) => {
    const share = a.scale === "test" ? 1 - a.drop : 1;
    const formula = a.scale === "test" ? "y = x (1 - drop)" : "y = x, in test";
    return one(formula, x, at, (v) => [["share kept", share], ["y", v * share]]);
  },
  Flatten: (a, x, w, at) => {
    const [, rows, columns] = x.shape;
    const inMap = at[0] % (rows * columns);
    const place = [Math.floor(at[0] / (rows * columns)), Math.floor(inMap / columns), inMap % columns];
    return one("y = x, numbered row by row", x, place, (v) => [["y", v]]);
  },
};

// --- weighted sums -------------------------------------------------------------------------------

function convolution(a, x, w, [output, row, column]) {
  const [, depth, kernelRows, kernelColumns] = w.weight.shape;
  const group = Math.floor(output / (w.weight.shape[0] / a.groups));
  const corner = [group * depth, row * a.stride[0] - a.padding[0], column * a.stride[1] - a.padding[1]];
  const shape = [depth, kernelRows, kernelColumns];
  const size = depth * kernelRows * kernelColumns;
  const weights = w.weight.data.subarray(output * size, (output + 1) * size);
  const read = cells(x, corner, shape);
  const terms = read.map((value, i) => value * weights[i]);
  const total = sum(terms);
  const bias = w.bias ? w.bias.data[output] : 0;
  const steps = [["sum of w x", total], ["b", bias], ["y", total + bias]];
  return { formula: "y = sum of w x + b", corner, shape, read, weights, terms, steps, chosen: null };
}

/** found: {places, products, counts, sums} of this unit, since the page has no dense weights. */
function fullyConnected(a, x, w, at, found) {
  const read = found.places.map((place) => x.data[place]);
  const bias = w.bias ? w.bias.data[at[0]] : 0;
  const total = found.sums.at(-1);
  const steps = [["sum of w x", total], ["b", bias], ["y", total + bias]];
  const others = a.in_features - read.length;
  if (others) {
    const most = sum(found.products);
    steps.unshift([`the ${read.length} largest w x`, most], [`the other ${others.toLocaleString("en-US")} w x`, total - most]);
  }
  const weights = found.products.map((product, i) => (read[i] ? product / read[i] : NaN));
  return {
    formula: "y = sum of w x + b", corner: [0], shape: [read.length], read, weights,
    terms: found.products, steps, chosen: null, places: found.places, inputs: a.in_features,
    growth: found.counts.map((count, i) => [count, found.sums[i]]),
  };
}

// --- windows -------------------------------------------------------------------------------------

function maxPool(a, x, w, at) {
  const part = window(a, x, at);
  let chosen = 0;
  part.read.forEach((value, i) => {
    if (value > part.read[chosen]) chosen = i;
  });
  const steps = [["y", part.read[chosen]]];
  return { formula: "y = the largest x of the window", ...part, weights: null, terms: null, steps, chosen };
}

function averagePool(a, x, w, at) {
  const part = window(a, x, at);
  let count = part.read.length;
  if (a.count_include_pad) {
    count = 1;
    for (const axis of [0, 1]) {
      const first = at[1 + axis] * a.stride[axis] - a.padding[axis];
      count *= Math.min(first + a.window[axis], x.shape[1 + axis] + a.padding[axis]) - first;
    }
  }
  return mean(part, count);
}

function adaptiveAveragePool(a, x, w, at) {
  const ends = [0, 1].map((axis) => {
    const [size, outputs, i] = [x.shape[1 + axis], a.size[axis], at[1 + axis]];
    return [Math.floor((i * size) / outputs), Math.ceil(((i + 1) * size) / outputs)];
  });
  const corner = [at[0], ends[0][0], ends[1][0]];
  const shape = [1, ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]];
  const part = { corner, shape, read: cells(x, corner, shape) };
  return mean(part, part.read.length);
}

function mean(part, count) {
  const total = sum(part.read);
  const steps = [["sum of x", total], ["cells", count], ["y", total / count]];
  return { formula: "y = sum of x / cells", ...part, weights: null, terms: part.read, steps, chosen: null };
}

/** The cells of an output's window that lie on the map. */
function window(a, x, at) {
  const ends = [0, 1].map((axis) => {
    const first = at[1 + axis] * a.stride[axis] - a.padding[axis];
    return [Math.max(first, 0), Math.min(first + a.window[axis], x.shape[1 + axis])];
  });
  const corner = [at[0], ends[0][0], ends[1][0]];
  const shape = [1, ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]];
  return { corner, shape, read: cells(x, corner, shape) };
}

// --- normalisation -------------------------------------------------------------------------------

function localResponseNorm(a, x, w, [channel, row, column]) {
  const tower = x.shape[0] / a.groups;
  const start = Math.floor(channel / tower) * tower;
  const reach = Math.floor(a.size / 2);
  const first = Math.max(channel - reach, start);
  const last = Math.min(channel + reach, start + tower - 1);
  const alpha = a.divide_by_size ? a.alpha / a.size : a.alpha;
  return normalised(a, alpha, x, [first, row, column], [last - first + 1, 1, 1], channel - first);
}

function sameMapNorm(a, x, w, [channel, row, column]) {
  const reach = Math.floor(a.size / 2);
  const top = Math.max(row - reach, 0);
  const left = Math.max(column - reach, 0);
  const rows = Math.min(row + reach + 1, x.shape[1]) - top;
  const columns = Math.min(column + reach + 1, x.shape[2]) - left;
  const own = (row - top) * columns + column - left;
  return normalised(a, a.alpha / a.size ** 2, x, [channel, top, left], [1, rows, columns], own);
}

function normalised(a, alpha, x, corner, shape, own) {
  const read = cells(x, corner, shape);
  const terms = read.map((value) => value * value);
  const total = sum(terms);
  const scale = a.k + alpha * total;
  const divisor = scale ** a.beta;
  const steps = [
    ["x", read[own]], ["sum of squares", total], ["scale", scale], ["scale ** beta", divisor],
    ["y", read[own] / divisor],
  ];
  const formula = `y = x / (k + alpha sum of x squared) ** beta, with k ${a.k}, alpha ${alpha}, beta ${a.beta}`;
  return { formula, corner, shape, read, weights: null, terms, steps, chosen: own };
}

function batchNorm(a, x, w, at) {
  const channel = at[0];
  const [average, variance] = [w.running_mean.data[channel], w.running_var.data[channel]];
  const weight = w.weight ? w.weight.data[channel] : 1;
  const bias = w.bias ? w.bias.data[channel] : 0;
  const deviation = Math.sqrt(variance + a.eps);
  return one("y = w (x - mean) / sqrt(variance + eps) + b", x, at, (value) => [
    ["mean", average], ["sqrt(variance + eps)", deviation], ["x normalised", (value - average) / deviation],
    ["w", weight], ["b", bias], ["y", (weight * (value - average)) / deviation + bias],
  ]);
}

// --- cells ---------------------------------------------------------------------------------------

function one(formula, x, at, steps) {
  const value = x.data[index(x.shape, at)];
  const shape = at.map(() => 1);
  return {
    formula, corner: at, shape, read: [value], weights: null, terms: null,
    steps: [["x", value], ...steps(value)], chosen: null,
  };
}

/** The place of an element in C order. */
export function index(shape, at) {
  return at.reduce((total, place, axis) => total * shape[axis] + place, 0);
}

/** Cells of a map (channels, rows, columns), 0 outside it. */
function cells(x, corner, shape) {
  const [, rows, columns] = x.shape;
  const read = [];
  for (let c = corner[0]; c < corner[0] + shape[0]; c++)
    for (let i = corner[1]; i < corner[1] + shape[1]; i++)
      for (let j = corner[2]; j < corner[2] + shape[2]; j++) {
        const inside = i >= 0 && i < rows && j >= 0 && j < columns;
        read.push(inside ? x.data[(c * rows + i) * columns + j] : 0);
      }
  return read;
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
