// The maps of a layer on canvases: a sheet of all of them, and the chosen one enlarged, on which a
// click or the arrow keys choose a number.

import { colour } from "./colours.js";
import { h, short } from "./elements.js";

const SHEET = 56; // pixels of a map on the sheet
const LARGE = 384;

/** Draw one map of an array (channels, rows, columns) on a canvas of its own size. */
export function mapCanvas(array, channel, low, high) {
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

/** All maps as buttons, each with the same scale. */
export function sheet(array, layer, chosen, choose) {
  const maps = [];
  for (let channel = 0; channel < array.shape[0]; channel++) {
    const canvas = mapCanvas(array, channel, layer.low, layer.high);
    canvas.style = `width:${SHEET}px;height:${SHEET}px`;
    maps.push(h("button", {
      class: "map", "aria-label": `map ${channel}`, title: `map ${channel}`,
      "aria-pressed": String(channel === chosen), onclick: () => choose(channel),
    }, canvas));
  }
  return h("div", { class: "sheet" }, maps);
}

/** The chosen map, enlarged. choose(row, column) is called for a click or a key. */
export function largeMap(array, layer, at, choose) {
  const [, rows, columns] = array.shape;
  const canvas = mapCanvas(array, at[0], layer.low, layer.high);
  const side = LARGE / Math.max(rows, columns);
  canvas.style = `width:${side * columns}px;height:${side * rows}px`;
  const mark = h("span", {
    class: "mark",
    style: `left:${at[2] * side}px;top:${at[1] * side}px;width:${side}px;height:${side}px`,
  });
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const value = array.data[(at[0] * rows + at[1]) * columns + at[2]];
  return h("div", {
    class: "large", tabindex: 0, role: "application", id: "large-map",
    "aria-label": `map ${at[0]} of ${layer.name}, ${rows} by ${columns}. Arrow keys choose a number. ` +
      `Row ${at[1]}, column ${at[2]}: ${short(value)}`,
    onclick: (event) => {
      const box = canvas.getBoundingClientRect();
      const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
      const row = Math.floor(((event.clientY - box.top) / box.height) * rows);
      choose(Math.min(Math.max(row, 0), rows - 1), Math.min(Math.max(column, 0), columns - 1));
    },
    onkeydown: (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      const row = Math.min(Math.max(at[1] + step[0], 0), rows - 1);
      choose(row, Math.min(Math.max(at[2] + step[1], 0), columns - 1));
    },
  }, canvas, mark);
}

/** The units of a fully connected layer, as bars. */
export function bars(array, layer, chosen, choose, names) {
  const order = [...array.data.keys()].sort((a, b) => array.data[b] - array.data[a]).slice(0, 60);
  if (!order.includes(chosen)) order.push(chosen);
  const size = Math.max(Math.abs(layer.low), Math.abs(layer.high)) || 1;
  return h("div", { class: "bars" },
    h("p", null, `The ${Math.min(60, array.data.length)} largest of ${array.data.length} outputs.`),
    order.map((unit) => h("button", {
      class: "bar", "aria-pressed": String(unit === chosen), onclick: () => choose(unit),
    },
      h("span", { class: "name" }, names?.[unit] ?? String(unit)),
      h("span", { class: "length", style: `width:${(100 * Math.abs(array.data[unit])) / size}%` }),
      h("span", { class: "value" }, short(array.data[unit])))));
}
