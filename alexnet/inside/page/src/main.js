// The page: its state is in the address after #, so that a view can be kept and sent.
//
//   photo, checkpoint   their numbers          layer   its name
//   at                  the chosen number      file    the open source

import { drawNetwork } from "./network.js";
import { load, output, parameters, receive, terms } from "./data.js";
import { grouped, h, short, svg } from "./elements.js";
import { bars, largeMap, mapCanvas, sheet } from "./maps.js";
import { explainNumber } from "./number.js";
import { pixelsSeen } from "./receptive.js";
import { sources } from "./source.js";

window.explore = { receive };

const page = document.getElementById("page");
let facts; // data/index.js
let drawing = 0; // the number of the latest drawing: an older one that waited for data is dropped

// --- the state -----------------------------------------------------------------------------------

function state() {
  const words = new URLSearchParams(location.hash.slice(1));
  const layers = layersOf(0, 0);
  const number = (name, count) => Math.min(Math.max(Number(words.get(name)) || 0, 0), count - 1);
  const now = {
    photo: number("photo", facts.photos.length),
    checkpoint: number("checkpoint", facts.checkpoints.length),
    layer: words.get("layer"),
    file: words.get("file"),
  };
  if (now.layer !== "image" && !layers.some((layer) => layer.name === now.layer)) now.layer = layers[0].name;
  const shape = shapeOf(now.layer);
  const at = (words.get("at") ?? "").split(",").map(Number);
  const fits = at.length === shape.length && at.every((place, axis) => place >= 0 && place < shape[axis]);
  now.at = fits ? at : shape.map((size, axis) => (axis ? Math.floor(size / 2) : 0));
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

// --- drawing -------------------------------------------------------------------------------------

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
  return h("header", null,
    h("div", { class: "photos", role: "tablist", "aria-label": "photos" }, facts.photos.map((photo, i) =>
      h("button", { role: "tab", "aria-selected": String(i === now.photo), "aria-label": photo.name, onclick: () => go({ photo: i }) },
        h("img", { src: photo.picture, alt: "" })))),
    facts.checkpoints.length > 1
      ? h("label", null, "network ", h("select", { id: "checkpoint", onchange: (e) => go({ checkpoint: Number(e.target.value) }) },
          facts.checkpoints.map((c, i) => h("option", { value: i, selected: i === now.checkpoint },
            c.epoch == null ? c.path : `${c.path}, epoch ${c.epoch}`))))
      : h("p", null, `${facts.checkpoints[0].spec}: ${facts.checkpoints[0].path}`),
    h("ol", { class: "answers", "aria-label": "the most probable classes" }, answer.top.map(([label, share]) =>
      h("li", null, h("span", { class: "length", style: `width:${100 * share}%` }),
        `${facts.classes[label]} ${(100 * share).toFixed(1)} %`))));
}

async function panel(now, layers) {
  const place = layers.findIndex((layer) => layer.name === now.layer);
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
    h("section", { class: "look" },
      framed(photo, ends),
      isMap ? largeMap(y, layer, now.at, (row, column) => go({ at: [now.at[0], row, column] })) : null),
    explainNumber(layer, before, x, y, w, now.at, found, seen, follow),
    h("section", { class: "all" },
      isMap ? h("h3", null, `all ${y.shape[0]} maps`) : h("h3", null, "its units"),
      isMap ? sheet(y, layer, now.at[0], (channel) => go({ at: [channel, ...now.at.slice(1)] }))
        : bars(y, layer, now.at[0], (unit) => go({ at: [unit] }), place === layers.length - 1 ? facts.classes : null)),
    layer.kind === "Conv2d" ? filters(w.weight, now.at[0]) : null,
    sources(facts.sources[layer.kind], now.file, (file) => go({ file })),
  ];
}

async function inputPanel(now) {
  const x = await output(now, "image");
  const [low, high] = x.data.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const layer = { name: "image", low, high };
  const [channel, row, column] = now.at;
  const value = x.data[(channel * x.shape[1] + row) * x.shape[2] + column];
  return h("section", { class: "look" },
    h("h2", null, `${["red", "green", "blue"][channel]} of the photo, normalised: [${now.at.join(", ")}] = ${short(value, 9)}`),
    framed(facts.photos[now.photo], [[row, row], [column, column]]),
    largeMap(x, layer, now.at, (r, c) => go({ at: [channel, r, c] })),
    sheet(x, layer, channel, (c) => go({ at: [c, row, column] })));
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
    ["time", `${(1000 * layer.seconds).toPrecision(3)} ms`],
    ["memory", `${(layer.bytes / 1e6).toPrecision(3)} MB`],
    ["zeros", `${(100 * layer.zero).toFixed(1)} %`],
    [layer.outputs.length === 3 ? "silent maps" : "silent units", grouped(layer.silent)],
  ];
  return h("dl", null, rows.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

function histogram(layer) {
  const most = Math.max(...layer.histogram);
  const width = 200 / layer.histogram.length;
  const label = `histogram of the outputs, from ${short(layer.low)} to ${short(layer.high)}, mean ${short(layer.mean)}`;
  return h("figure", null,
    svg("svg", { viewBox: "0 0 200 60", role: "img", "aria-label": label, class: "histogram" },
      layer.histogram.map((count, i) => {
        const height = 60 * Math.sqrt(count / most);
        return svg("rect", { x: i * width, y: 60 - height, width: width - 0.5, height });
      })),
    h("figcaption", null, `${short(layer.low, 4)} to ${short(layer.high, 4)}, mean ${short(layer.mean, 4)}; heights are square roots`));
}

/** The photo with a frame around the rows and columns that the number sees. */
function framed(photo, [rows, columns]) {
  const share = (pixels) => `${(100 * pixels) / imageSize()}%`;
  const style = `top:${share(rows[0])};left:${share(columns[0])};height:${share(rows[1] - rows[0] + 1)};width:${share(columns[1] - columns[0] + 1)}`;
  return h("div", { class: "framed" },
    h("img", { src: photo.picture, alt: `${photo.name}; framed: rows ${rows.join(" to ")}, columns ${columns.join(" to ")}` }),
    h("span", { class: "frame", style }));
}

/** The kernels of the chosen output, one square for each input channel. */
function filters(weight, channel) {
  const [, depth, rows, columns] = weight.shape;
  const size = depth * rows * columns;
  const data = weight.data.subarray(channel * size, (channel + 1) * size);
  const [low, high] = data.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [0, 0]);
  const one = { shape: [depth, rows, columns], data };
  const squares = [];
  for (let c = 0; c < depth; c++) {
    const canvas = mapCanvas(one, c, Math.min(low, -1e-12), high);
    canvas.setAttribute("aria-hidden", "true");
    squares.push(canvas);
  }
  return h("section", { class: "filters" },
    h("h3", null, `the ${depth} kernels of map ${channel}, ${rows} x ${columns}, from ${short(low, 3)} (blue) to ${short(high, 3)} (orange)`),
    h("div", { class: "sheet" }, squares));
}

// --- the keyboard --------------------------------------------------------------------------------

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
