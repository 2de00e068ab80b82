(() => {
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
      const [, rows2, columns] = x.shape;
      const inMap = at[0] % (rows2 * columns);
      const place = [Math.floor(at[0] / (rows2 * columns)), Math.floor(inMap / columns), inMap % columns];
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
    const total = found.sums.at(-1);
    const steps2 = [["sum of w x", total], ["b", bias], ["y", total + bias]];
    const others = a.in_features - read.length;
    if (others) {
      const most = sum(found.products);
      steps2.unshift([`the ${read.length} largest w x`, most], [`the other ${others.toLocaleString("en-US")} w x`, total - most]);
    }
    const weights = found.products.map((product, i) => read[i] ? product / read[i] : NaN);
    return {
      formula: "y = sum of w x + b",
      corner: [0],
      shape: [read.length],
      read,
      weights,
      terms: found.products,
      steps: steps2,
      chosen: null,
      places: found.places,
      inputs: a.in_features,
      growth: found.counts.map((count, i) => [count, found.sums[i]])
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
    const ends2 = [0, 1].map((axis) => {
      const [size, outputs, i] = [x.shape[1 + axis], a.size[axis], at[1 + axis]];
      return [Math.floor(i * size / outputs), Math.ceil((i + 1) * size / outputs)];
    });
    const corner = [at[0], ends2[0][0], ends2[1][0]];
    const shape = [1, ends2[0][1] - ends2[0][0], ends2[1][1] - ends2[1][0]];
    const part = { corner, shape, read: cells(x, corner, shape) };
    return mean(part, part.read.length);
  }
  function mean(part, count) {
    const total = sum(part.read);
    const steps2 = [["sum of x", total], ["cells", count], ["y", total / count]];
    return { formula: "y = sum of x / cells", ...part, weights: null, terms: part.read, steps: steps2, chosen: null };
  }
  function window2(a, x, at) {
    const ends2 = [0, 1].map((axis) => {
      const first = at[1 + axis] * a.stride[axis] - a.padding[axis];
      return [Math.max(first, 0), Math.min(first + a.window[axis], x.shape[1 + axis])];
    });
    const corner = [at[0], ends2[0][0], ends2[1][0]];
    const shape = [1, ends2[0][1] - ends2[0][0], ends2[1][1] - ends2[1][0]];
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
    const rows2 = Math.min(row + reach + 1, x.shape[1]) - top;
    const columns = Math.min(column + reach + 1, x.shape[2]) - left;
    const own = (row - top) * columns + column - left;
    return normalised(a, a.alpha / a.size ** 2, x, [channel, top, left], [1, rows2, columns], own);
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
    const [, rows2, columns] = x.shape;
    const read = [];
    for (let c = corner[0]; c < corner[0] + shape[0]; c++)
      for (let i = corner[1]; i < corner[1] + shape[1]; i++)
        for (let j = corner[2]; j < corner[2] + shape[2]; j++) {
          const inside = i >= 0 && i < rows2 && j >= 0 && j < columns;
          read.push(inside ? x.data[(c * rows2 + i) * columns + j] : 0);
        }
    return read;
  }
  function sum(numbers) {
    return numbers.reduce((total, number) => total + number, 0);
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
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    array.data = new kinds[kind](bytes.buffer);
    delete array[kind];
    return array;
  }
  async function output(state2, layer) {
    let value = await load(`c${state2.checkpoint}/p${state2.photo}/${layer}`);
    while (value.same) value = await load(value.same);
    return decode(value);
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
  function networkName({ path, step, epoch }) {
    const known = [step != null && `step ${step}`, epoch != null && `epoch ${epoch}`].filter(Boolean);
    return known.length ? `${path} (${known.join(", ")})` : path;
  }

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
  function table(head, rows2, attributes) {
    return h(
      "table",
      attributes,
      h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, rows2.map((row) => h("tr", row.attributes, (row.cells ?? row).map((cell2) => h("td", null, cell2)))))
    );
  }
  function whenSeen(element, action) {
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      observer.disconnect();
      action();
    }, { rootMargin: "200px" });
    observer.observe(element);
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
    const [, rows2, columns] = array.shape;
    const one2 = array.data.subarray(channel * rows2 * columns, (channel + 1) * rows2 * columns);
    return tileCanvas({ shape: [1, rows2, columns], data: one2 }, low, high);
  }
  function tileCanvas(array, low, high) {
    return drawn(array.shape, (i) => colour(array.data[i], low, high));
  }
  function colourTiles({ shape: [outputs, , rows2, columns], data }, size) {
    const pixels = rows2 * columns;
    return drawn([outputs, rows2, columns], (i) => {
      const first = 3 * pixels * Math.floor(i / pixels) + i % pixels;
      return [0, 1, 2].map((channel) => 127.5 * (1 + data[first + channel * pixels] / size));
    });
  }
  function tiling([channels, rows2 = 1, columns = 1]) {
    const across = Math.ceil(Math.sqrt(channels));
    const gap = rows2 * columns > 1 ? 1 : 0;
    const [width, height] = [across * (columns + gap) - gap, Math.ceil(channels / across) * (rows2 + gap) - gap];
    return { across, rows: rows2, columns, gap, width, height };
  }
  function drawn(shape, rgb) {
    const { across, rows: rows2, columns, gap, width, height } = tiling(shape);
    const canvas = h("canvas", { width, height });
    const pixels = canvas.getContext("2d").createImageData(width, height);
    for (let channel = 0, i = 0; channel < shape[0]; channel++) {
      const left = channel % across * (columns + gap);
      const top = Math.floor(channel / across) * (rows2 + gap);
      for (let row = 0; row < rows2; row++)
        for (let column = 0; column < columns; column++, i++) {
          const [red, green, blue] = rgb(i);
          pixels.data.set([red, green, blue, 255], 4 * ((top + row) * width + left + column));
        }
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  }
  function legend(low, high) {
    const size = Math.max(-low, high);
    const [from, to] = low < 0 ? [-size, size] : [low, high];
    const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => css(from + share * (to - from), low, high));
    return h(
      "span",
      { class: "legend" },
      short(from, 3),
      h("span", { class: "ramp", style: `background:linear-gradient(to right,${stops.join(",")})` }),
      short(to, 3)
    );
  }
  function differenceLegend(change) {
    return change ? ["Differences: ", legend(-change, change)] : "No number differs.";
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
    const [, rows2, columns] = array.shape;
    const canvas = mapCanvas(array, at[0], layer.low, layer.high);
    const side = LARGE / Math.max(rows2, columns);
    canvas.style = `width:${side * columns}px;height:${side * rows2}px`;
    const mark = h("span", {
      class: "mark",
      style: `left:${at[2] * side}px;top:${at[1] * side}px;width:${side}px;height:${side}px`
    });
    const steps2 = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const value = array.data[(at[0] * rows2 + at[1]) * columns + at[2]];
    return h("div", {
      class: "large",
      tabindex: 0,
      role: "application",
      id: "large-map",
      "aria-label": `map ${at[0]} of ${layer.name}, ${rows2} by ${columns}. Arrow keys choose a number. Row ${at[1]}, column ${at[2]}: ${short(value)}`,
      onclick: (event) => {
        const box = canvas.getBoundingClientRect();
        const column = Math.floor((event.clientX - box.left) / box.width * columns);
        const row = Math.floor((event.clientY - box.top) / box.height * rows2);
        choose(Math.min(Math.max(row, 0), rows2 - 1), Math.min(Math.max(column, 0), columns - 1));
      },
      onkeydown: (event) => {
        const step = steps2[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const row = Math.min(Math.max(at[1] + step[0], 0), rows2 - 1);
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

  // src/beside.js
  function besideEachOther(facts2, now, shape, spread, go2) {
    const networks = facts2.checkpoints.map((_, c) => c);
    const photos = facts2.photos.map((_, p) => p);
    const all = networks.flatMap((c) => photos.map((p) => spread(c, p)));
    const low = Math.min(...all.map((each) => each.low));
    const high = Math.max(...all.map((each) => each.high));
    const change = Math.max(...all.map((each) => each.change ?? 0));
    const isOne = shape.length === 3 && now.beside === "map";
    const view = isOne ? oneMap(shape, now.at) : allMaps(shape, now.at);
    const isAnswer = now.layer === facts2.answers[0].layers.at(-1).name;
    const chosen = `${now.layer}[${now.at.join(", ")}]${isAnswer ? `, ${facts2.classes[now.at[0]]},` : ""}`;
    const what = shape.length === 1 ? `all ${grouped(shape[0])} units` : isOne ? `map ${now.at[0]}` : `all ${shape[0]} maps`;
    const outputs = networks.map((c) => h("tr", null, photos.map((p) => {
      const top = facts2.answers.find((a) => a.checkpoint === c && a.photo === p).top[0];
      const answer = `${facts2.classes[top[0]]} ${(100 * top[1]).toFixed(1)} %`;
      return cell(view, async () => {
        const y = await output({ checkpoint: c, photo: p }, now.layer);
        const value = short(y.data[index(y.shape, now.at)], 9);
        const names = `${networkName(facts2.checkpoints[c])}, ${facts2.photos[p].name}`;
        return [h("button", {
          class: "cell",
          id: `cell-${c}-${p}`,
          "data-cell": `${c},${p}`,
          "aria-current": c === now.checkpoint && p === now.photo ? "true" : null,
          "aria-label": `${names}: ${now.layer}[${now.at.join(", ")}] = ${value}; ${answer}. Explain this number`,
          onclick: (event) => go2({ checkpoint: c, photo: p, beside: null, at: event.detail ? under(event, view) : now.at })
        }, view.draw(y, low, high), view.mark()), h("p", { class: "value" }, value), h("p", { class: "answer" }, answer)];
      });
    })));
    const differences = networks.map((c) => c > 0 && h("tr", { class: "difference" }, photos.map((p) => cell(view, async () => {
      const [above, y] = await Promise.all([c - 1, c].map((each) => output({ checkpoint: each, photo: p }, now.layer)));
      const difference = { shape: y.shape, data: Float64Array.from(y.data, (value2, i) => value2 - above.data[i]) };
      const value = short(difference.data[index(y.shape, now.at)], 6);
      const names = `${networkName(facts2.checkpoints[c])} less the one above, ${facts2.photos[p].name}`;
      return [h(
        "div",
        { class: "cell", role: "img", "aria-label": `${names}: ${value}`, "data-cell": `${c},${p}` },
        view.draw(difference, -(change || 1), change || 1),
        view.mark()
      ), h("p", { class: "value" }, value)];
    }))));
    const wide = (text) => h("tr", null, h("th", { colspan: photos.length, scope: "rowgroup" }, text));
    return h(
      "section",
      { class: "beside" },
      h("h2", null, `${now.layer}, ${what}: ${counted(networks.length, "network")}, ${counted(photos.length, "photo")}`),
      controls(now, shape, isOne, go2),
      h("p", null, "Every cell: ", legend(low, high), networks.length > 1 && differenceLegend(change)),
      h("p", null, `Below each cell: ${chosen} and the network's first answer. A cell leads to the number under the pointer, explained.`),
      h(
        "table",
        { class: shape.length === 3 && !isOne ? "cells tiles" : "cells" },
        h("thead", null, h("tr", null, facts2.photos.map((photo) => h("th", { scope: "col" }, h("img", { src: photo.picture, alt: "" }), photo.name)))),
        networks.map((c) => h(
          "tbody",
          null,
          wide(networkName(facts2.checkpoints[c])),
          outputs[c],
          c > 0 && wide("less the network above"),
          differences[c]
        ))
      )
    );
  }
  function cell(view, parts) {
    const place = h("td", null, h("div", { class: "cell waiting", style: `aspect-ratio:${view.width}/${view.height}` }, "…"));
    whenSeen(place, async () => {
      try {
        place.replaceChildren(...await parts());
      } catch (error) {
        place.replaceChildren(h("p", { class: "error", role: "alert" }, error.message));
      }
    });
    return place;
  }
  function controls(now, shape, isOne, go2) {
    const names = shape.length === 3 ? ["map", "row", "column"] : ["unit"];
    const moved = (axis, value) => now.at.map((place, i) => i === axis ? Math.min(Math.max(Math.trunc(value) || 0, 0), shape[axis] - 1) : place);
    const choice = (beside, text) => h("button", {
      id: `beside-${beside}`,
      "aria-pressed": String(isOne === (beside === "map")),
      onclick: () => go2({ beside })
    }, text);
    return h(
      "div",
      { class: "controls" },
      shape.length === 3 && h("div", { role: "group", "aria-label": "what a cell shows" }, choice("map", "the chosen map"), choice("maps", "all maps")),
      names.map((name, axis) => h("label", null, `${name} `, h("input", {
        type: "number",
        id: `at-${axis}`,
        min: 0,
        max: shape[axis] - 1,
        value: now.at[axis],
        onchange: (event) => go2({ at: moved(axis, event.target.value) })
      })))
    );
  }
  function oneMap([, rows2, columns], at) {
    return {
      width: columns,
      height: rows2,
      draw: (array, low, high) => mapCanvas(array, at[0], low, high),
      mark: () => frame(at[2] / columns, at[1] / rows2, 1 / columns, 1 / rows2),
      place: (x, y) => [at[0], Math.floor(y * rows2), Math.floor(x * columns)]
    };
  }
  function allMaps(shape, at) {
    const { across, rows: rows2, columns, gap, width, height } = tiling(shape);
    const [left, top] = [at[0] % across * (columns + gap), Math.floor(at[0] / across) * (rows2 + gap)];
    return {
      width,
      height,
      draw: (array, low, high) => tileCanvas(array, low, high),
      mark: () => frame(left / width, top / height, columns / width, rows2 / height),
      place: (x, y) => {
        const [column, row] = [Math.floor(x * width / (columns + gap)), Math.floor(y * height / (rows2 + gap))];
        const channel = row * across + column;
        return channel < shape[0] ? [channel, ...at.slice(1)] : at;
      }
    };
  }
  function frame(left, top, width, height) {
    const share = (part) => `${100 * part}%`;
    return h("span", { class: "mark", style: `left:${share(left)};top:${share(top)};width:${share(width)};height:${share(height)}` });
  }
  function under(event, view) {
    const box = event.currentTarget.querySelector("canvas").getBoundingClientRect();
    const share = (at, size) => Math.min(Math.max(at / size, 0), 1 - 1e-9);
    return view.place(share(event.clientX - box.left, box.width), share(event.clientY - box.top, box.height));
  }
  function counted(count, noun) {
    return `${count} ${noun}${count === 1 ? "" : "s"}`;
  }

  // src/kernels.js
  var WIDEST = 384;
  function kernelsOf(weight, channel) {
    const own = ofMap(weight, channel);
    const [low, high] = ends(own.data);
    return h(
      "section",
      { class: "filters" },
      h("h3", null, `the ${own.shape[0]} kernels of map ${channel}, ${own.shape.slice(1).join(" x ")}, from ${short(low, 3)} (blue) to ${short(high, 3)} (orange)`),
      picture(tileCanvas(own, Math.min(low, -1e-12), high), own, "the kernels, one for each input channel")
    );
  }
  function kernelsBeside(facts2, now) {
    const section = h(
      "section",
      { class: "filters" },
      h("h3", null, `the kernels of ${now.layer}, map ${now.at[0]}, in every network`),
      h("p", null, "…")
    );
    whenSeen(section, async () => {
      try {
        const weights = await Promise.all(facts2.checkpoints.map(async (_, checkpoint) => (await parameters({ checkpoint }, now.layer)).weight));
        section.lastChild.replaceWith(...rows(facts2, now, weights));
      } catch (error) {
        section.lastChild.replaceWith(h("p", { class: "error", role: "alert" }, error.message));
      }
    });
    return section;
  }
  function rows(facts2, now, weights) {
    const own = weights.map((weight) => ofMap(weight, now.at[0]));
    const changes = own.map(({ shape, data }, c) => c > 0 && {
      shape,
      data: Float64Array.from(data, (value, i) => value - own[c - 1].data[i])
    });
    const size = largest(own);
    const change = largest(changes.filter(Boolean));
    const inColour = weights[0].shape[1] === 3 && (largest(weights) || 1);
    return [
      h(
        "p",
        null,
        "Every network: ",
        legend(-size, size),
        differenceLegend(change),
        inColour && `Colours: grey is 0, the brightest ${short(inColour, 3)}.`
      ),
      ...facts2.checkpoints.map((checkpoint, c) => h(
        "div",
        { class: "row", role: "group", "aria-label": networkName(checkpoint) },
        h("h4", null, networkName(checkpoint)),
        captioned(`map ${now.at[0]}`, picture(tileCanvas(own[c], -(size || 1), size || 1), own[c], "its kernels, one for each input channel")),
        c > 0 && captioned("less the network above", picture(tileCanvas(changes[c], -(change || 1), change || 1), changes[c], "the difference of the kernels")),
        inColour && captioned(`all ${weights[c].shape[0]} as colours`, picture(colourTiles(weights[c], inColour), null, "all kernels as colours"))
      ))
    ];
  }
  function captioned(text, drawn2) {
    return h("figure", null, drawn2, h("figcaption", null, text));
  }
  function picture(canvas, array, text) {
    const [low, high] = array ? ends(array.data) : [];
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", array ? `${text}, from ${short(low)} to ${short(high)}` : text);
    const zoom = Math.min(Math.max(Math.floor(WIDEST / canvas.width), 1), 4);
    canvas.style = `width:${zoom * canvas.width}px`;
    return canvas;
  }
  function ofMap(weight, channel) {
    const [, ...shape] = weight.shape;
    const size = shape.reduce((a, b) => a * b);
    return { shape, data: weight.data.subarray(channel * size, (channel + 1) * size) };
  }
  function ends(data) {
    return data.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  }
  function largest(arrays) {
    return Math.max(0, ...arrays.map(({ data }) => Math.max(...ends(data).map(Math.abs))));
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
        const [channels, rows2 = 1] = layer.outputs;
        const isVector = layer.outputs.length === 1;
        const height = isVector ? HEIGHT / 2 : Math.max(LEAST, HEIGHT * rows2 / imageSize2);
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

  // src/number.js
  var LARGEST = 12;
  function explainNumber({ layer, at, before, x, y, w, found, pixels, by, follow }) {
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
        `The engine (${by}) computed ${short(value, 9)}; the arithmetic here, in float64, gives ${short(last, 12)}.`
      ),
      a.shape.length === 3 && a.shape[1] * a.shape[2] > 1 ? windows(a, follow) : null,
      a.read.length > 1 ? largest2(a, before, place, follow) : back(before, place(0), a.read[0], follow),
      a.growth?.length > 1 ? growth(a) : null
    );
  }
  function placeOf(a, i) {
    if (a.shape.length === 1) return [a.corner[0] + i];
    const [, rows2, columns] = a.shape;
    return [
      a.corner[0] + Math.floor(i / (rows2 * columns)),
      a.corner[1] + Math.floor(i / columns) % rows2,
      a.corner[2] + i % columns
    ];
  }
  function steps(a) {
    return table(["step", "number"], a.steps.map(([name, number]) => [name, short(number, 9)]), { class: "steps" });
  }
  function windows(a, follow) {
    const [channels, rows2, columns] = a.shape;
    const size = rows2 * columns;
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
  function largest2(a, before, place, follow) {
    const weight = a.terms ?? a.read;
    const order = [...weight.keys()].sort((i, j) => Math.abs(weight[j]) - Math.abs(weight[i])).slice(0, a.places ? weight.length : LARGEST);
    const total = a.steps.find(([name]) => name.startsWith("sum"))?.[1];
    const head = ["place", "x", ...a.weights ? ["w"] : [], ...a.terms && a.terms !== a.read ? [a.weights ? "w x" : "x squared"] : []];
    if (total !== void 0) head.push("of the sum");
    const rows2 = order.map((i) => {
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
      table(head, rows2, { class: "terms" })
    );
  }
  function growth({ growth: sums, inputs }) {
    const size = Math.max(...sums.map(([, total]) => Math.abs(total))) || 1;
    const last = sums.at(-1)[1];
    const rows2 = sums.map(([count, total]) => [
      count === inputs ? `all ${grouped(count)}` : grouped(count),
      short(total, 9),
      last ? `${(100 * total / last).toFixed(1)} %` : "",
      h("span", { class: total < 0 ? "bar below" : "bar", style: `width:${6 * Math.abs(total) / size}rem` })
    ]);
    return h(
      "div",
      null,
      h("p", null, "How the sum grows, the largest products first. Bars: orange above 0, blue below."),
      table(["products", "their sum", "of the sum", ""], rows2, { class: "growth" })
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
      let ends2 = at.length === 3 ? [at[1 + axis], at[1 + axis]] : [0, 0];
      for (const layer of path) {
        const cells2 = layer.inputs.length === 3 ? layer.inputs[1 + axis] : 1;
        const [first, last] = cellsRead(layer, axis, cells2, ...ends2);
        ends2 = [Math.max(first, 0), Math.min(last, cells2 - 1)];
      }
      return ends2;
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
  function sources(files, layer, backend, chosen, choose) {
    if (!files) {
      const why = layer.kind === "Flatten" ? "it numbers its input anew" : "outside training it hands its input on, or multiplies it by one number";
      return h("section", { class: "source" }, h("p", null, `No kernel computes ${layer.name}: ${why}.`));
    }
    const names = Object.keys(files);
    const name = names.includes(chosen) ? chosen : names[0];
    const byTiles = layer.algorithm === "winograd" && name.startsWith(backend);
    const marks = byTiles ? [] : files[name].marks;
    const lines = files[name].text.split("\n").map((line, i) => {
      const steps2 = marks.find(([number]) => number === i + 1)?.[1];
      return h("code", { class: steps2 && "running", title: steps2 }, `${String(i + 1).padStart(4)}  ${line}
`);
    });
    const source = h("pre", { tabindex: 0, "aria-label": name }, lines);
    const show = (number) => {
      source.scrollTop = lines[number - 1].offsetTop - source.clientHeight / 3;
    };
    if (marks.length) requestAnimationFrame(() => show(marks[0][0]));
    return h(
      "section",
      { class: "source" },
      h("div", { role: "tablist", "aria-label": "backends" }, names.map((each) => h("button", { role: "tab", "aria-selected": String(each === name), onclick: () => choose(each) }, each))),
      h("p", { class: "marks" }, byTiles ? `No line is marked: ${backend} made this number by Winograd's tiles, in ${backend}/winograd.` : !marks.length ? "No line is marked: this file was edited where a mark belongs." : ["Marked: ", marks.map(([number, steps2]) => h("button", { onclick: () => show(number) }, `line ${number}, ${steps2}`)), remark(name, marks)]),
      source
    );
  }
  function remark(name, marks) {
    const steps2 = marks.flatMap(([, each]) => each.split(", "));
    if (new Set(steps2).size < steps2.length) return " Two lines make one step: one for whole windows, the other where windows are cut off or of another size.";
    if (name.endsWith(".cu") && steps2[0] === "b") return " cuBLAS makes the sum of w x; the .py calls it.";
    return "";
  }

  // src/main.js
  window.explore = { receive };
  var page = document.getElementById("page");
  var facts;
  var drawing = 0;
  function state() {
    const words = new URLSearchParams(location.hash.slice(1));
    const layers = layersOf(0, 0);
    const number = (name, count, otherwise) => Math.min(Math.max(Math.trunc(Number(words.get(name) ?? otherwise)) || 0, 0), count - 1);
    const now = {
      photo: number("photo", facts.photos.length, 0),
      checkpoint: number("checkpoint", facts.checkpoints.length, facts.opened),
      layer: words.get("layer"),
      file: words.get("file"),
      beside: ["map", "maps"].find((each) => each === words.get("beside"))
    };
    if (now.layer !== "image" && !layers.some((layer) => layer.name === now.layer)) now.layer = layers[0].name;
    const shape = shapeOf(now.layer);
    const at = (words.get("at") ?? "").split(",").map(Number);
    const fits = at.length === shape.length && at.every((place, axis) => Number.isInteger(place) && place >= 0 && place < shape[axis]);
    now.at = fits ? at : shape.map((size, axis) => axis ? Math.floor(size / 2) : 0);
    return now;
  }
  function go(changes) {
    const next = { ...state(), ...changes };
    const words = { photo: next.photo, checkpoint: next.checkpoint, layer: next.layer, at: next.at?.join(",") };
    for (const name of ["file", "beside"]) if (next[name]) words[name] = next[name];
    location.hash = new URLSearchParams(words).toString();
  }
  function answerOf(checkpoint, photo) {
    return facts.answers.find((a) => a.checkpoint === checkpoint && a.photo === photo);
  }
  function layersOf(checkpoint, photo) {
    return answerOf(checkpoint, photo).layers;
  }
  function spreadOf(name, checkpoint, photo) {
    const answer = answerOf(checkpoint, photo);
    return name === "image" ? answer.image : answer.layers.find((layer) => layer.name === name);
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
      const parts = now.beside ? besidePanel(now, layers) : await panel(now, layers);
      if (mine !== drawing) return;
      main.replaceChildren(...parts.filter(Boolean));
    } catch (error) {
      if (mine === drawing) main.replaceChildren(h("p", { class: "error", role: "alert" }, error.message));
    }
    if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
  }
  function heading(now) {
    const answer = answerOf(now.checkpoint, now.photo);
    const view = (id, beside, text) => h("button", {
      id,
      "aria-pressed": String(Boolean(beside) === Boolean(now.beside)),
      onclick: () => go({ beside })
    }, text);
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
        facts.checkpoints.map((c, i) => h("option", { value: i, selected: i === now.checkpoint }, networkName(c)))
      )) : h("p", null, `${facts.checkpoints[0].spec}: ${facts.checkpoints[0].path}`),
      facts.photos.length * facts.checkpoints.length > 1 && h(
        "div",
        { class: "views", role: "group", "aria-label": "view" },
        view("view-number", null, "one number"),
        view("view-beside", now.beside ?? "map", "beside each other")
      ),
      h("ol", { class: "answers", "aria-label": "the most probable classes" }, answer.top.map(([label, share]) => h(
        "li",
        null,
        h("span", { class: "length", style: `width:${100 * share}%` }),
        `${facts.classes[label]} ${(100 * share).toFixed(1)} %`
      )))
    );
  }
  function besidePanel(now, layers) {
    const layer = layers.find(({ name }) => name === now.layer);
    const spread = (checkpoint, photo) => spreadOf(now.layer, checkpoint, photo);
    return [
      besideEachOther(facts, now, shapeOf(now.layer), spread, go),
      layer?.kind === "Conv2d" && facts.checkpoints.length > 1 ? kernelsBeside(facts, now) : null
    ];
  }
  async function panel(now, layers) {
    const place = layers.findIndex((layer2) => layer2.name === now.layer);
    const photo = facts.photos[now.photo];
    if (place < 0) return [await inputPanel(now)];
    const layer = layers[place];
    const before = place ? layers[place - 1].name : "image";
    const [x, y, w] = await Promise.all([output(now, before), output(now, now.layer), parameters(now, now.layer)]);
    const found = layer.kind === "Linear" ? unitTerms(await terms(now, now.layer), now.at[0]) : null;
    const ends2 = pixelsSeen(layers, now.layer, now.at);
    const pixels = `rows ${ends2[0].join(" to ")} and columns ${ends2[1].join(" to ")} of the photo`;
    const follow = (at) => go({ layer: before, at });
    const by = [facts.backend, layer.algorithm].filter(Boolean).join(", ");
    const isMap = y.shape.length === 3;
    return [
      h("section", { class: "facts" }, h("h2", null, `${layer.name}, ${layer.kind}`), described(layer), histogram(layer)),
      h(
        "section",
        { class: "look" },
        framed(photo, ends2),
        isMap ? largeMap(y, layer, now.at, (row, column) => go({ at: [now.at[0], row, column] })) : null
      ),
      explainNumber({ layer, at: now.at, before, x, y, w, found, pixels, by, follow }),
      sources(facts.sources[layer.kind], layer, facts.backend, now.file, (file) => go({ file })),
      h(
        "section",
        { class: "all" },
        isMap ? h("h3", null, `all ${y.shape[0]} maps`) : h("h3", null, "its units"),
        isMap ? sheet(y, layer, now.at[0], (channel) => go({ at: [channel, ...now.at.slice(1)] })) : bars(y, layer, now.at[0], (unit) => go({ at: [unit] }), place === layers.length - 1 ? facts.classes : null)
      ),
      layer.kind === "Conv2d" ? kernelsOf(w.weight, now.at[0]) : null
    ];
  }
  async function inputPanel(now) {
    const x = await output(now, "image");
    const layer = { name: "image", ...spreadOf("image", now.checkpoint, now.photo) };
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
  function unitTerms({ places, products, counts, sums }, unit) {
    const part = ({ shape: [, count], data }) => Array.from(data.subarray(unit * count, (unit + 1) * count));
    return { places: part(places), products: part(products), counts: Array.from(counts.data), sums: part(sums) };
  }
  function described(layer) {
    const rows2 = [
      ["output", layer.outputs.map(grouped).join(" x ")],
      ...Object.entries(layer.arguments).map(([name, value]) => [name, String(value)]),
      ["parameters", grouped(layer.parameters)],
      ["time", `${(1e3 * layer.seconds).toPrecision(3)} ms`],
      ["memory", `${(layer.bytes / 1e6).toPrecision(3)} MB`],
      ["zeros", `${(100 * layer.zero).toFixed(1)} %`],
      [layer.outputs.length === 3 ? "silent maps" : "silent units", grouped(layer.silent)]
    ];
    return h("dl", null, rows2.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
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
  function framed(photo, [rows2, columns]) {
    const share = (pixels) => `${100 * pixels / imageSize()}%`;
    const style = `top:${share(rows2[0])};left:${share(columns[0])};height:${share(rows2[1] - rows2[0] + 1)};width:${share(columns[1] - columns[0] + 1)}`;
    return h(
      "div",
      { class: "framed" },
      h("img", { src: photo.picture, alt: `${photo.name}; framed: rows ${rows2.join(" to ")}, columns ${columns.join(" to ")}` }),
      h("span", { class: "frame", style })
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
      c: () => go({ checkpoint: (now.checkpoint + 1) % facts.checkpoints.length }),
      b: () => go({ beside: now.beside ? null : "map" })
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
