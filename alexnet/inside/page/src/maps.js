// The maps of a layer on canvases: a sheet of all of them, and the chosen one enlarged, on which a
// click or the arrow keys choose a number.

import { colour, css } from "./colours.js";
import { h, short } from "./elements.js";

const SHEET = 56; // pixels of a map on the sheet
const LARGE = 384;

/** Draw one map of an array (channels, rows, columns) on a canvas of its own size. */
export function mapCanvas(array, channel, low, high) {
  const [, rows, columns] = array.shape;
  const one = array.data.subarray(channel * rows * columns, (channel + 1) * rows * columns);
  return tileCanvas({ shape: [1, rows, columns], data: one }, low, high);
}

/** All maps of an array on one canvas, as tiles row by row. Of a vector each unit is a tile. */
export function tileCanvas(array, low, high) {
  return drawn(array.shape, (i) => colour(array.data[i], low, high));
}

/** The kernels (outputs, 3, rows, columns) as tiles of red, green and blue; 0 is grey, size full. */
export function colourTiles({ shape: [outputs, , rows, columns], data }, size) {
  const pixels = rows * columns;
  return drawn([outputs, rows, columns], (i) => {
    const first = 3 * pixels * Math.floor(i / pixels) + (i % pixels);
    return [0, 1, 2].map((channel) => 127.5 * (1 + data[first + channel * pixels] / size));
  });
}

/** How tiles of (channels, rows, columns) or (units,) lie: so many across, with gaps between maps. */
export function tiling([channels, rows = 1, columns = 1]) {
  const across = Math.ceil(Math.sqrt(channels));
  const gap = rows * columns > 1 ? 1 : 0;
  const [width, height] = [across * (columns + gap) - gap, Math.ceil(channels / across) * (rows + gap) - gap];
  return { across, rows, columns, gap, width, height };
}

/** A canvas of tiles; rgb(i) is the colour of element i in C order. */
function drawn(shape, rgb) {
  const { across, rows, columns, gap, width, height } = tiling(shape);
  const canvas = h("canvas", { width, height });
  const pixels = canvas.getContext("2d").createImageData(width, height);
  for (let channel = 0, i = 0; channel < shape[0]; channel++) {
    const left = (channel % across) * (columns + gap);
    const top = Math.floor(channel / across) * (rows + gap);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++, i++) {
        const [red, green, blue] = rgb(i);
        pixels.data.set([red, green, blue, 255], 4 * ((top + row) * width + left + column));
      }
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

/** The scale of colours from low to high. */
export function legend(low, high) {
  const size = Math.max(-low, high);
  const [from, to] = low < 0 ? [-size, size] : [low, high];
  const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => css(from + share * (to - from), low, high));
  return h("span", { class: "legend" }, short(from, 3),
    h("span", { class: "ramp", style: `background:linear-gradient(to right,${stops.join(",")})` }), short(to, 3));
}

/** The scale of the differences between networks. */
export function differenceLegend(change) {
  return change ? ["Differences: ", legend(-change, change)] : "No number differs.";
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
