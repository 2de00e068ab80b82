// One number explained: its formula, the inputs it read, the products, the sum. Each input leads to
// its own explanation in the layer before, back to the photo.

import { arithmetic, index } from "./arithmetic.js";
import { css, ink } from "./colours.js";
import { grouped, h, short, table } from "./elements.js";

const LARGEST = 12; // products of a window; of a fully connected layer all that the page has

/** The panel.
 *
 *  layer, at          the layer's facts, and which of its outputs
 *  before             the name of the layer that it reads, whose output x is
 *  x, y, w, found     arrays: its input, output, parameters; a unit's largest products
 *  pixels             in words, what it sees of the photo
 *  by                 what computed y
 *  follow(at)         goes to an input's own explanation */
export function explainNumber({ layer, at, before, x, y, w, found, pixels, by, follow }) {
  const value = y.data[index(y.shape, at)];
  const a = arithmetic(layer, x, w, at, found);
  const last = a.steps.at(-1)[1];
  const place = (i) => (a.places ? [a.places[i]] : placeOf(a, i));
  return h("section", { class: "number", "aria-live": "polite" },
    h("h3", { id: "number" }, `${layer.name}[${at.join(", ")}] = ${short(value, 9)}`),
    h("p", { class: "formula" }, a.formula),
    h("p", null, `It reads ${grouped(a.inputs ?? a.read.length)} numbers of ${before} and sees ${pixels}.`),
    steps(a),
    h("p", { class: "check" },
      `The engine (${by}) computed ${short(value, 9)}; the arithmetic here, in float64, gives ${short(last, 12)}.`),
    a.shape.length === 3 && a.shape[1] * a.shape[2] > 1 ? windows(a, follow) : null,
    a.read.length > 1 ? largest(a, before, place, follow) : back(before, place(0), a.read[0], follow),
    a.growth?.length > 1 ? growth(a) : null);
}

function placeOf(a, i) {
  if (a.shape.length === 1) return [a.corner[0] + i];
  const [, rows, columns] = a.shape;
  return [
    a.corner[0] + Math.floor(i / (rows * columns)),
    a.corner[1] + (Math.floor(i / columns) % rows),
    a.corner[2] + (i % columns),
  ];
}

function steps(a) {
  return table(["step", "number"], a.steps.map(([name, number]) => [name, short(number, 9)]), { class: "steps" });
}

/** The window's cells as squares of numbers: the channel that counts most. */
function windows(a, follow) {
  const [channels, rows, columns] = a.shape;
  const size = rows * columns;
  const weight = a.terms ?? a.read;
  const sums = Array.from({ length: channels }, (_, c) =>
    weight.slice(c * size, (c + 1) * size).reduce((total, v) => total + Math.abs(v), 0));
  const channel = sums.indexOf(Math.max(...sums));
  const squares = [["x", a.read]];
  if (a.weights) squares.push(["w", a.weights], ["w x", a.terms]);
  return h("div", { class: "windows" },
    h("p", null, `Channel ${a.corner[0] + channel}` + (channels > 1 ? `, which counts most of ${channels}` : "")),
    squares.map(([name, numbers]) => {
      const part = Array.from(numbers.slice(channel * size, (channel + 1) * size));
      const [low, high] = [Math.min(...part), Math.max(...part)];
      return h("figure", null, h("figcaption", null, name),
        h("div", { class: "square", style: `grid-template-columns:repeat(${columns},minmax(1.5rem,3rem))` },
          part.map((value, i) => {
            const at = placeOf(a, channel * size + i);
            return h("button", {
              style: `background:${css(value, Math.min(low, 0), high)};color:${ink(value, Math.min(low, 0), high)}`,
              class: a.chosen === channel * size + i ? "chosen" : "",
              "aria-label": `${name} at ${at.join(", ")}: ${short(value)}`,
              title: `${at.join(", ")}: ${short(value)}`,
              onclick: () => follow(at),
            }, short(value, columns > 7 ? 2 : 3));
          })));
    }));
}

function largest(a, before, place, follow) {
  const weight = a.terms ?? a.read;
  const order = [...weight.keys()].sort((i, j) => Math.abs(weight[j]) - Math.abs(weight[i])).slice(0, a.places ? weight.length : LARGEST);
  const total = a.steps.find(([name]) => name.startsWith("sum"))?.[1];
  const head = ["place", "x", ...(a.weights ? ["w"] : []), ...(a.terms && a.terms !== a.read ? [a.weights ? "w x" : "x squared"] : [])];
  if (total !== undefined) head.push("of the sum");
  const rows = order.map((i) => {
    const cells = [
      h("button", { class: "follow", onclick: () => follow(place(i)) }, place(i).join(", ")),
      short(a.read[i]),
    ];
    if (a.weights) cells.push(short(a.weights[i]));
    if (a.terms && a.terms !== a.read) cells.push(short(a.terms[i]));
    if (total !== undefined) cells.push(total ? `${((100 * weight[i]) / total).toFixed(1)} %` : "");
    return { cells, attributes: { class: a.chosen === i ? "chosen" : null } };
  });
  return h("div", null,
    h("p", null, `The ${order.length} largest, of ${before}. A place leads to that number's own arithmetic.`),
    table(head, rows, { class: "terms" }));
}

/** How the sum grows with the number of products: whether few inputs make it, or many. */
function growth({ growth: sums, inputs }) {
  const size = Math.max(...sums.map(([, total]) => Math.abs(total))) || 1;
  const last = sums.at(-1)[1];
  const rows = sums.map(([count, total]) => [
    count === inputs ? `all ${grouped(count)}` : grouped(count), short(total, 9),
    last ? `${((100 * total) / last).toFixed(1)} %` : "",
    h("span", { class: total < 0 ? "bar below" : "bar", style: `width:${(6 * Math.abs(total)) / size}rem` }),
  ]);
  return h("div", null,
    h("p", null, "How the sum grows, the largest products first. Bars: orange above 0, blue below."),
    table(["products", "their sum", "of the sum", ""], rows, { class: "growth" }));
}

function back(before, at, value, follow) {
  return h("p", null, `${before}[${at.join(", ")}] is ${short(value, 9)}. `,
    h("button", { class: "follow", onclick: () => follow(at) }, "How it came"));
}
