(() => {
  // src/elements.js
  function h(tag, attributes, ...children) {
    return filled(document.createElement(tag), attributes, children);
  }
  function svg(tag, attributes, ...children) {
    return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  }
  function filled(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value != null) element.setAttribute(name, value);
    }
    element.append(...children.flat(2).filter((child) => child != null && child !== false));
    return element;
  }
  function short(number, digits = 6) {
    if (number === 0) return "0";
    const size = Math.abs(number);
    return size >= 1e-4 && size < 1e7 ? String(+number.toPrecision(digits)) : number.toExponential(digits - 2);
  }
  function grouped(number) {
    return number.toLocaleString("en-US");
  }
  function table(head, rows, attributes) {
    return h(
      "table",
      attributes,
      h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, rows.map((row) => h("tr", row.attributes, (row.cells ?? row).map((cell) => h("td", null, cell)))))
    );
  }

  // src/network.js
  var HEIGHT = 120;
  var LEAST = 6;
  function drawNetwork(layers, chosen, imageSize2, choose) {
    const image = { name: "image", kind: "the photo", outputs: [3, imageSize2, imageSize2] };
    return h(
      "nav",
      { class: "network", "aria-label": "layers" },
      [image, ...layers].map((layer) => {
        const [channels, rows = 1] = layer.outputs;
        const isVector = layer.outputs.length === 1;
        const height = isVector ? HEIGHT / 2 : Math.max(LEAST, HEIGHT * rows / imageSize2);
        const width = isVector ? LEAST : 4 + 3 * Math.log2(channels);
        return h(
          "button",
          {
            class: `layer ${layer.kind}`,
            "aria-pressed": String(layer.name === chosen),
            "aria-label": `${layer.name}, ${layer.kind}, ${layer.outputs.join(" by ")}`,
            title: `${layer.name}: ${layer.outputs.map(grouped).join(" x ")}`,
            onclick: () => choose(layer.name)
          },
          h("span", { class: "box", style: `height:${height}px;width:${width}px` }),
          h("span", { class: "name" }, layer.name)
        );
      })
    );
  }

  // src/data.js
  var arrived = /* @__PURE__ */ new Map();
  var waiting = /* @__PURE__ */ new Map();
  function receive(name, value) {
    arrived.set(name, value);
    waiting.get(name)?.resolve(value);
    waiting.delete(name);
  }
  function load(name) {
    if (arrived.has(name)) return Promise.resolve(arrived.get(name));
    if (!waiting.has(name)) waiting.set(name, request(name));
    return waiting.get(name).promise;
  }
  function request(name) {
    const entry = {};
    entry.promise = new Promise((resolve, reject) => {
      entry.resolve = resolve;
      const script = document.createElement("script");
      script.src = `data/${name}.js`;
      script.onerror = () => reject(new Error(`data/${name}.js is missing from this folder`));
      document.head.append(script);
    });
    return entry;
  }
  function decode(array) {
    if (array.data) return array;
    const kinds = { float32: Float32Array, uint16: Uint16Array, int32: Int32Array, uint8: Uint8Array };
    const kind = Object.keys(kinds).find((name) => name in array);
    const text = atob(array[kind]);
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    array.data = new kinds[kind](bytes.buffer);
    delete array[kind];
    return array;
  }
  async function output(state2, layer) {
    return decode(await load(`c${state2.checkpoint}/p${state2.photo}/${layer}`));
  }
  async function parameters(state2, layer) {
    const arrays = await load(`c${state2.checkpoint}/${layer}`);
    for (const name in arrays) decode(arrays[name]);
    return arrays;
  }
  async function terms(state2, layer) {
    const found = await load(`c${state2.checkpoint}/p${state2.photo}/${layer}-terms`);
    for (const name in found) decode(found[name]);
    return found;
  }

  // src/colours.js
  var SIGNED = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [244, 165, 60], [127, 59, 8]];
  var RISING = [[0, 32, 76], [62, 77, 107], [124, 123, 120], [187, 175, 113], [255, 234, 70]];
  function colour(value, low, high) {
    if (Number.isNaN(value)) return [255, 0, 255];
    if (low < 0) {
      const size = Math.max(-low, high);
      return between(SIGNED, 0.5 + value / (2 * size || 1));
    }
    return between(RISING, high > low ? (value - low) / (high - low) : 0);
  }
  function css(value, low, high) {
    return `rgb(${colour(value, low, high).map(Math.round).join(",")})`;
  }
  function ink(value, low, high) {
    const [red, green, blue] = colour(value, low, high);
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "black" : "white";
  }
  function between(stops, share) {
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const first = Math.min(Math.floor(place), stops.length - 2);
    return stops[first].map((from, i) => from + (place - first) * (stops[first + 1][i] - from));
  }

  // src/maps.js
  var SHEET = 56;
  var LARGE = 384;
  function mapCanvas(array, channel, low, high) {
    const [, rows, columns] = array.shape;
    const canvas = h("canvas", { width: columns, height: rows });
    const pixels = canvas.getContext("2d").createImageData(columns, rows);
    const first = channel * rows * columns;
    for (let i = 0; i < rows * columns; i++) {
      const [red, green, blue] = colour(array.data[first + i], low, high);
      pixels.data.set([red, green, blue, 255], 4 * i);
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  }
  function sheet(array, layer, chosen, choose) {
    const maps = [];
    for (let channel = 0; channel < array.shape[0]; channel++) {
      const canvas = mapCanvas(array, channel, layer.low, layer.high);
      canvas.style = `width:${SHEET}px;height:${SHEET}px`;
      maps.push(h("button", {
        class: "map",
        "aria-label": `map ${channel}`,
        title: `map ${channel}`,
        "aria-pressed": String(channel === chosen),
        onclick: () => choose(channel)
      }, canvas));
    }
    return h("div", { class: "sheet" }, maps);
  }
  function largeMap(array, layer, at, choose) {
    const [, rows, columns] = array.shape;
    const canvas = mapCanvas(array, at[0], layer.low, layer.high);
    const side = LARGE / Math.max(rows, columns);
    canvas.style = `width:${side * columns}px;height:${side * rows}px`;
    const mark = h("span", {
      class: "mark",
      style: `left:${at[2] * side}px;top:${at[1] * side}px;width:${side}px;height:${side}px`
    });
    const steps2 = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const value = array.data[(at[0] * rows + at[1]) * columns + at[2]];
    return h("div", {
      class: "large",
      tabindex: 0,
      role: "application",
      id: "large-map",
      "aria-label": `map ${at[0]} of ${layer.name}, ${rows} by ${columns}. Arrow keys choose a number. Row ${at[1]}, column ${at[2]}: ${short(value)}`,
      onclick: (event) => {
        const box = canvas.getBoundingClientRect();
        const column = Math.floor((event.clientX - box.left) / box.width * columns);
        const row = Math.floor((event.clientY - box.top) / box.height * rows);
        choose(Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1));
      },
      onkeydown: (event) => {
        const step = steps2[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const row = Math.min(Math.max(at[1] + step[0], 0), rows - 1);
        choose(row, Math.min(Math.max(at[2] + step[1], 0), columns - 1));
      }
    }, canvas, mark);
  }
  function bars(array, layer, chosen, choose, names) {
    const order = [...array.data.keys()].sort((a, b) => array.data[b] - array.data[a]).slice(0, 60);
    if (!order.includes(chosen)) order.push(chosen);
    const size = Math.max(Math.abs(layer.low), Math.abs(layer.high)) || 1;
    return h(
      "div",
      { class: "bars" },
      h("p", null, `The ${Math.min(60, array.data.length)} largest of ${array.data.length} outputs.`),
      order.map((unit) => h(
        "button",
        {
          class: "bar",
          "aria-pressed": String(unit === chosen),
          onclick: () => choose(unit)
        },
        h("span", { class: "name" }, names?.[unit] ?? String(unit)),
        h("span", { class: "length", style: `width:${100 * Math.abs(array.data[unit]) / size}%` }),
        h("span", { class: "value" }, short(array.data[unit]))
      ))
    );
  }

  // src/arithmetic.js
  function arithmetic(layer, x, w, at, found) {
    return KINDS[layer.kind](layer.arguments, x, w, at, found);
  }
  var KINDS = {
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
    }
  };
  function convolution(a, x, w, [output2, row, column]) {
    const [, depth, kernelRows, kernelColumns] = w.weight.shape;
    const group = Math.floor(output2 / (w.weight.shape[0] / a.groups));
    const corner = [group * depth, row * a.stride[0] - a.padding[0], column * a.stride[1] - a.padding[1]];
    const shape = [depth, kernelRows, kernelColumns];
    const size = depth * kernelRows * kernelColumns;
    const weights = w.weight.data.subarray(output2 * size, (output2 + 1) * size);
    const read = cells(x, corner, shape);
    const terms2 = read.map((value, i) => value * weights[i]);
    const total = sum(terms2);
    const bias = w.bias ? w.bias.data[output2] : 0;
    const steps2 = [["sum of w x", total], ["b", bias], ["y", total + bias]];
    return { formula: "y = sum of w x + b", corner, shape, read, weights, terms: terms2, steps: steps2, chosen: null };
  }
  function fullyConnected(a, x, w, at, found) {
    const read = found.places.map((place) => x.data[place]);
    const bias = w.bias ? w.bias.data[at[0]] : 0;
    const steps2 = [["sum of w x", found.total], ["b", bias], ["y", found.total + bias]];
    const formula = "y = sum of w x + b";
    const shape = [found.places.length];
    const weights = found.products.map((product, i) => read[i] ? product / read[i] : NaN);
    return {
      formula,
      corner: [0],
      shape,
      read,
      weights,
      terms: found.products,
      steps: steps2,
      chosen: null,
      places: found.places,
      rest: found.total - sum(found.products),
      inputs: a.in_features
    };
  }
  function maxPool(a, x, w, at) {
    const part = window2(a, x, at);
    let chosen = 0;
    part.read.forEach((value, i) => {
      if (value > part.read[chosen]) chosen = i;
    });
    const steps2 = [["y", part.read[chosen]]];
    return { formula: "y = the largest x of the window", ...part, weights: null, terms: null, steps: steps2, chosen };
  }
  function averagePool(a, x, w, at) {
    const part = window2(a, x, at);
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
      return [Math.floor(i * size / outputs), Math.ceil((i + 1) * size / outputs)];
    });
    const corner = [at[0], ends[0][0], ends[1][0]];
    const shape = [1, ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]];
    const part = { corner, shape, read: cells(x, corner, shape) };
    return mean(part, part.read.length);
  }
  function mean(part, count) {
    const total = sum(part.read);
    const steps2 = [["sum of x", total], ["cells", count], ["y", total / count]];
    return { formula: "y = sum of x / cells", ...part, weights: null, terms: part.read, steps: steps2, chosen: null };
  }
  function window2(a, x, at) {
    const ends = [0, 1].map((axis) => {
      const first = at[1 + axis] * a.stride[axis] - a.padding[axis];
      return [Math.max(first, 0), Math.min(first + a.window[axis], x.shape[1 + axis])];
    });
    const corner = [at[0], ends[0][0], ends[1][0]];
    const shape = [1, ends[0][1] - ends[0][0], ends[1][1] - ends[1][0]];
    return { corner, shape, read: cells(x, corner, shape) };
  }
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
    const terms2 = read.map((value) => value * value);
    const total = sum(terms2);
    const scale = a.k + alpha * total;
    const divisor = scale ** a.beta;
    const steps2 = [
      ["x", read[own]],
      ["sum of squares", total],
      ["scale", scale],
      ["scale ** beta", divisor],
      ["y", read[own] / divisor]
    ];
    const formula = `y = x / (k + alpha sum of x squared) ** beta, with k ${a.k}, alpha ${alpha}, beta ${a.beta}`;
    return { formula, corner, shape, read, weights: null, terms: terms2, steps: steps2, chosen: own };
  }
  function batchNorm(a, x, w, at) {
    const channel = at[0];
    const [average, variance] = [w.running_mean.data[channel], w.running_var.data[channel]];
    const weight = w.weight ? w.weight.data[channel] : 1;
    const bias = w.bias ? w.bias.data[channel] : 0;
    const deviation = Math.sqrt(variance + a.eps);
    return one("y = w (x - mean) / sqrt(variance + eps) + b", x, at, (value) => [
      ["mean", average],
      ["sqrt(variance + eps)", deviation],
      ["x normalised", (value - average) / deviation],
      ["w", weight],
      ["b", bias],
      ["y", weight * (value - average) / deviation + bias]
    ]);
  }
  function one(formula, x, at, steps2) {
    const value = x.data[index(x.shape, at)];
    const shape = at.map(() => 1);
    return {
      formula,
      corner: at,
      shape,
      read: [value],
      weights: null,
      terms: null,
      steps: [["x", value], ...steps2(value)],
      chosen: null
    };
  }
  function index(shape, at) {
    return at.reduce((total, place, axis) => total * shape[axis] + place, 0);
  }
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

  // src/number.js
  var LARGEST = 12;
  function explainNumber(layer, before, x, y, w, at, found, pixels, follow) {
    const value = y.data[index(y.shape, at)];
    const a = arithmetic(layer, x, w, at, found);
    const last = a.steps.at(-1)[1];
    const place = (i) => a.places ? [a.places[i]] : placeOf(a, i);
    return h(
      "section",
      { class: "number", "aria-live": "polite" },
      h("h3", { id: "number" }, `${layer.name}[${at.join(", ")}] = ${short(value, 9)}`),
      h("p", { class: "formula" }, a.formula),
      h("p", null, `It reads ${grouped(a.inputs ?? a.read.length)} numbers of ${before} and sees ${pixels}.`),
      steps(a),
      h(
        "p",
        { class: "check" },
        `The engine computed ${short(value, 9)}; the arithmetic here, in float64, gives ${short(last, 12)}.`
      ),
      a.shape.length === 3 && a.shape[1] * a.shape[2] > 1 ? windows(a, follow) : null,
      a.read.length > 1 ? largest(a, before, place, follow) : back(before, place(0), a.read[0], follow)
    );
  }
  function placeOf(a, i) {
    if (a.shape.length === 1) return [a.corner[0] + i];
    const [, rows, columns] = a.shape;
    return [
      a.corner[0] + Math.floor(i / (rows * columns)),
      a.corner[1] + Math.floor(i / columns) % rows,
      a.corner[2] + i % columns
    ];
  }
  function steps(a) {
    return table(["step", "number"], a.steps.map(([name, number]) => [name, short(number, 9)]), { class: "steps" });
  }
  function windows(a, follow) {
    const [channels, rows, columns] = a.shape;
    const size = rows * columns;
    const weight = a.terms ?? a.read;
    const sums = Array.from({ length: channels }, (_, c) => weight.slice(c * size, (c + 1) * size).reduce((total, v) => total + Math.abs(v), 0));
    const channel = sums.indexOf(Math.max(...sums));
    const squares = [["x", a.read]];
    if (a.weights) squares.push(["w", a.weights], ["w x", a.terms]);
    return h(
      "div",
      { class: "windows" },
      h("p", null, `Channel ${a.corner[0] + channel}` + (channels > 1 ? `, which counts most of ${channels}` : "")),
      squares.map(([name, numbers]) => {
        const part = Array.from(numbers.slice(channel * size, (channel + 1) * size));
        const [low, high] = [Math.min(...part), Math.max(...part)];
        return h(
          "figure",
          null,
          h("figcaption", null, name),
          h(
            "div",
            { class: "square", style: `grid-template-columns:repeat(${columns},minmax(1.5rem,3rem))` },
            part.map((value, i) => {
              const at = placeOf(a, channel * size + i);
              return h("button", {
                style: `background:${css(value, Math.min(low, 0), high)};color:${ink(value, Math.min(low, 0), high)}`,
                class: a.chosen === channel * size + i ? "chosen" : "",
                "aria-label": `${name} at ${at.join(", ")}: ${short(value)}`,
                title: `${at.join(", ")}: ${short(value)}`,
                onclick: () => follow(at)
              }, short(value, columns > 7 ? 2 : 3));
            })
          )
        );
      })
    );
  }
  function largest(a, before, place, follow) {
    const weight = a.terms ?? a.read;
    const order = [...weight.keys()].sort((i, j) => Math.abs(weight[j]) - Math.abs(weight[i])).slice(0, LARGEST);
    const total = a.steps.find(([name]) => name.startsWith("sum"))?.[1];
    const head = ["place", "x", ...a.weights ? ["w"] : [], ...a.terms && a.terms !== a.read ? [a.weights ? "w x" : "x squared"] : []];
    if (total !== void 0) head.push("of the sum");
    const rows = order.map((i) => {
      const cells2 = [
        h("button", { class: "follow", onclick: () => follow(place(i)) }, place(i).join(", ")),
        short(a.read[i])
      ];
      if (a.weights) cells2.push(short(a.weights[i]));
      if (a.terms && a.terms !== a.read) cells2.push(short(a.terms[i]));
      if (total !== void 0) cells2.push(total ? `${(100 * weight[i] / total).toFixed(1)} %` : "");
      return { cells: cells2, attributes: { class: a.chosen === i ? "chosen" : null } };
    });
    return h(
      "div",
      null,
      h("p", null, `The ${order.length} largest, of ${before}. A place leads to that number's own arithmetic.`),
      table(head, rows, { class: "terms" })
    );
  }
  function back(before, at, value, follow) {
    return h(
      "p",
      null,
      `${before}[${at.join(", ")}] is ${short(value, 9)}. `,
      h("button", { class: "follow", onclick: () => follow(at) }, "How it came")
    );
  }

  // src/receptive.js
  function pixelsSeen(layers, name, at) {
    const path = layers.slice(0, layers.findIndex((layer) => layer.name === name) + 1).reverse();
    return [0, 1].map((axis) => {
      let ends = at.length === 3 ? [at[1 + axis], at[1 + axis]] : [0, 0];
      for (const layer of path) {
        const cells2 = layer.inputs.length === 3 ? layer.inputs[1 + axis] : 1;
        const [first, last] = cellsRead(layer, axis, cells2, ...ends);
        ends = [Math.max(first, 0), Math.min(last, cells2 - 1)];
      }
      return ends;
    });
  }
  function cellsRead(layer, axis, cells2, first, last) {
    const a = layer.arguments;
    switch (layer.kind) {
      case "Flatten":
      case "Linear":
        return [0, cells2 - 1];
      case "Conv2d":
        return windows2(a.kernel[axis], a.stride[axis], a.padding[axis]);
      case "MaxPool2d":
      case "AvgPool2d":
        return windows2(a.window[axis], a.stride[axis], a.padding[axis]);
      case "SameMapNorm":
        return [first - Math.floor(a.size / 2), last + Math.floor(a.size / 2)];
      case "AdaptiveAvgPool2d":
        return [
          Math.floor(first * cells2 / a.size[axis]),
          Math.ceil((last + 1) * cells2 / a.size[axis]) - 1
        ];
      default:
        return [first, last];
    }
    function windows2(window3, stride, padding) {
      return [first * stride - padding, last * stride - padding + window3 - 1];
    }
  }

  // src/source.js
  var RUNNING = {
    "numpy/conv2d.py": "np.matmul(weight_matrix, columns_matrix",
    "numpy/linear.py": "np.matmul(x, weight.T",
    "numpy/max_pool2d.py": "wins = ",
    "numpy/avg_pool2d.py": "y[...] = total /",
    "numpy/adaptive_avg_pool2d.py": "y[:, :, i, j] =",
    "numpy/local_response_norm.py": "y[...] = x * scale**-beta",
    "numpy/same_map_norm.py": "y[...] = x * scale**-beta",
    "numpy/batch_norm.py": "y[...] = _maps(weight)",
    "numpy/relu.py": "np.maximum(x, 0, out=y)",
    "numpy/tanh.py": "np.tanh(x, out=y)"
  };
  function sources(files, chosen, choose) {
    if (!files) return null;
    const names = Object.keys(files);
    const name = names.includes(chosen) ? chosen : names[0];
    return h(
      "section",
      { class: "source" },
      h("div", { role: "tablist", "aria-label": "backends" }, names.map((each) => h("button", { role: "tab", "aria-selected": String(each === name), onclick: () => choose(each) }, each))),
      h("pre", { tabindex: 0 }, files[name].split("\n").map((line, i) => {
        const running = RUNNING[name] && line.includes(RUNNING[name]);
        return h("code", { class: running ? "running" : null }, `${String(i + 1).padStart(4)}  ${line}
`);
      }))
    );
  }

  // src/main.js
  window.explore = { receive };
  var page = document.getElementById("page");
  var facts;
  var drawing = 0;
  function state() {
    const words = new URLSearchParams(location.hash.slice(1));
    const layers = layersOf(0, 0);
    const number = (name, count) => Math.min(Math.max(Number(words.get(name)) || 0, 0), count - 1);
    const now = {
      photo: number("photo", facts.photos.length),
      checkpoint: number("checkpoint", facts.checkpoints.length),
      layer: words.get("layer"),
      file: words.get("file")
    };
    if (now.layer !== "image" && !layers.some((layer) => layer.name === now.layer)) now.layer = layers[0].name;
    const shape = shapeOf(now.layer);
    const at = (words.get("at") ?? "").split(",").map(Number);
    const fits = at.length === shape.length && at.every((place, axis) => place >= 0 && place < shape[axis]);
    now.at = fits ? at : shape.map((size, axis) => axis ? Math.floor(size / 2) : 0);
    return now;
  }
  function go(changes) {
    const next = { ...state(), ...changes };
    const words = { photo: next.photo, checkpoint: next.checkpoint, layer: next.layer, at: next.at?.join(",") };
    if (next.file) words.file = next.file;
    location.hash = new URLSearchParams(words).toString();
  }
  function layersOf(checkpoint, photo) {
    return facts.answers.find((a) => a.checkpoint === checkpoint && a.photo === photo).layers;
  }
  function imageSize() {
    return facts.checkpoints[0].image_size;
  }
  function shapeOf(name) {
    if (name === "image") return [3, imageSize(), imageSize()];
    return layersOf(0, 0).find((layer) => layer.name === name).outputs;
  }
  async function draw() {
    const mine = ++drawing;
    const now = state();
    const focus = document.activeElement?.id;
    const layers = layersOf(now.checkpoint, now.photo);
    const main = h("main", null, h("p", null, "…"));
    page.replaceChildren(heading(now), drawNetwork(layers, now.layer, imageSize(), (layer) => go({ layer, at: null })), main);
    try {
      const parts = await panel(now, layers);
      if (mine !== drawing) return;
      main.replaceChildren(...parts.filter(Boolean));
    } catch (error) {
      if (mine === drawing) main.replaceChildren(h("p", { class: "error", role: "alert" }, error.message));
    }
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  }
  function heading(now) {
    const answer = facts.answers.find((a) => a.checkpoint === now.checkpoint && a.photo === now.photo);
    return h(
      "header",
      null,
      h("div", { class: "photos", role: "tablist", "aria-label": "photos" }, facts.photos.map((photo, i) => h(
        "button",
        { role: "tab", "aria-selected": String(i === now.photo), "aria-label": photo.name, onclick: () => go({ photo: i }) },
        h("img", { src: photo.picture, alt: "" })
      ))),
      facts.checkpoints.length > 1 ? h("label", null, "network ", h(
        "select",
        { id: "checkpoint", onchange: (e) => go({ checkpoint: Number(e.target.value) }) },
        facts.checkpoints.map((c, i) => h(
          "option",
          { value: i, selected: i === now.checkpoint },
          c.epoch == null ? c.path : `${c.path}, epoch ${c.epoch}`
        ))
      )) : h("p", null, `${facts.checkpoints[0].spec}: ${facts.checkpoints[0].path}`),
      h("ol", { class: "answers", "aria-label": "the most probable classes" }, answer.top.map(([label, share]) => h(
        "li",
        null,
        h("span", { class: "length", style: `width:${100 * share}%` }),
        `${facts.classes[label]} ${(100 * share).toFixed(1)} %`
      )))
    );
  }
  async function panel(now, layers) {
    const place = layers.findIndex((layer2) => layer2.name === now.layer);
    const photo = facts.photos[now.photo];
    if (place < 0) return [await inputPanel(now)];
    const layer = layers[place];
    const before = place ? layers[place - 1].name : "image";
    const [x, y, w] = await Promise.all([output(now, before), output(now, now.layer), parameters(now, now.layer)]);
    const found = layer.kind === "Linear" ? unitTerms(await terms(now, now.layer), now.at[0]) : null;
    const ends = pixelsSeen(layers, now.layer, now.at);
    const seen = `rows ${ends[0].join(" to ")} and columns ${ends[1].join(" to ")} of the photo`;
    const follow = (at) => go({ layer: before, at });
    const isMap = y.shape.length === 3;
    return [
      h("section", { class: "facts" }, h("h2", null, `${layer.name}, ${layer.kind}`), described(layer), histogram(layer)),
      h(
        "section",
        { class: "look" },
        framed(photo, ends),
        isMap ? largeMap(y, layer, now.at, (row, column) => go({ at: [now.at[0], row, column] })) : null
      ),
      explainNumber(layer, before, x, y, w, now.at, found, seen, follow),
      h(
        "section",
        { class: "all" },
        isMap ? h("h3", null, `all ${y.shape[0]} maps`) : h("h3", null, "its units"),
        isMap ? sheet(y, layer, now.at[0], (channel) => go({ at: [channel, ...now.at.slice(1)] })) : bars(y, layer, now.at[0], (unit) => go({ at: [unit] }), place === layers.length - 1 ? facts.classes : null)
      ),
      layer.kind === "Conv2d" ? filters(w.weight, now.at[0]) : null,
      sources(facts.sources[layer.kind], now.file, (file) => go({ file }))
    ];
  }
  async function inputPanel(now) {
    const x = await output(now, "image");
    const [low, high] = x.data.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const layer = { name: "image", low, high };
    const [channel, row, column] = now.at;
    const value = x.data[(channel * x.shape[1] + row) * x.shape[2] + column];
    return h(
      "section",
      { class: "look" },
      h("h2", null, `${["red", "green", "blue"][channel]} of the photo, normalised: [${now.at.join(", ")}] = ${short(value, 9)}`),
      framed(facts.photos[now.photo], [[row, row], [column, column]]),
      largeMap(x, layer, now.at, (r, c) => go({ at: [channel, r, c] })),
      sheet(x, layer, channel, (c) => go({ at: [c, row, column] }))
    );
  }
  function unitTerms({ places, products, totals }, unit) {
    const count = places.shape[1];
    const part = (array) => Array.from(array.data.subarray(unit * count, (unit + 1) * count));
    return { places: part(places), products: part(products), total: totals.data[unit] };
  }
  function described(layer) {
    const rows = [
      ["output", layer.outputs.map(grouped).join(" x ")],
      ...Object.entries(layer.arguments).map(([name, value]) => [name, String(value)]),
      ["parameters", grouped(layer.parameters)],
      ["time", `${(1e3 * layer.seconds).toPrecision(3)} ms`],
      ["memory", `${(layer.bytes / 1e6).toPrecision(3)} MB`],
      ["zeros", `${(100 * layer.zero).toFixed(1)} %`],
      [layer.outputs.length === 3 ? "silent maps" : "silent units", grouped(layer.silent)]
    ];
    return h("dl", null, rows.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
  }
  function histogram(layer) {
    const most = Math.max(...layer.histogram);
    const width = 200 / layer.histogram.length;
    const label = `histogram of the outputs, from ${short(layer.low)} to ${short(layer.high)}, mean ${short(layer.mean)}`;
    return h(
      "figure",
      null,
      svg(
        "svg",
        { viewBox: "0 0 200 60", role: "img", "aria-label": label, class: "histogram" },
        layer.histogram.map((count, i) => {
          const height = 60 * Math.sqrt(count / most);
          return svg("rect", { x: i * width, y: 60 - height, width: width - 0.5, height });
        })
      ),
      h("figcaption", null, `${short(layer.low, 4)} to ${short(layer.high, 4)}, mean ${short(layer.mean, 4)}; heights are square roots`)
    );
  }
  function framed(photo, [rows, columns]) {
    const share = (pixels) => `${100 * pixels / imageSize()}%`;
    const style = `top:${share(rows[0])};left:${share(columns[0])};height:${share(rows[1] - rows[0] + 1)};width:${share(columns[1] - columns[0] + 1)}`;
    return h(
      "div",
      { class: "framed" },
      h("img", { src: photo.picture, alt: `${photo.name}; framed: rows ${rows.join(" to ")}, columns ${columns.join(" to ")}` }),
      h("span", { class: "frame", style })
    );
  }
  function filters(weight, channel) {
    const [, depth, rows, columns] = weight.shape;
    const size = depth * rows * columns;
    const data = weight.data.subarray(channel * size, (channel + 1) * size);
    const [low, high] = data.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [0, 0]);
    const one2 = { shape: [depth, rows, columns], data };
    const squares = [];
    for (let c = 0; c < depth; c++) {
      const canvas = mapCanvas(one2, c, Math.min(low, -1e-12), high);
      canvas.setAttribute("aria-hidden", "true");
      squares.push(canvas);
    }
    return h(
      "section",
      { class: "filters" },
      h("h3", null, `the ${depth} kernels of map ${channel}, ${rows} x ${columns}, from ${short(low, 3)} (blue) to ${short(high, 3)} (orange)`),
      h("div", { class: "sheet" }, squares)
    );
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT/.test(event.target.tagName)) return;
    const now = state();
    const names = ["image", ...layersOf(0, 0).map((layer) => layer.name)];
    const place = names.indexOf(now.layer);
    const moves = {
      ArrowRight: () => place + 1 < names.length && go({ layer: names[place + 1], at: null }),
      ArrowLeft: () => place > 0 && go({ layer: names[place - 1], at: null }),
      ArrowDown: () => go({ at: [Math.min(now.at[0] + 1, shapeOf(now.layer)[0] - 1), ...now.at.slice(1)] }),
      ArrowUp: () => go({ at: [Math.max(now.at[0] - 1, 0), ...now.at.slice(1)] }),
      p: () => go({ photo: (now.photo + 1) % facts.photos.length }),
      c: () => go({ checkpoint: (now.checkpoint + 1) % facts.checkpoints.length })
    };
    if (!moves[event.key] || event.target.closest?.("pre")) return;
    event.preventDefault();
    moves[event.key]();
  });
  window.addEventListener("hashchange", draw);
  load("index").then((value) => {
    facts = value;
    draw();
  }, (error) => page.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
})();
