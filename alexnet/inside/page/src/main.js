// The page: its state is in the address after #, so that a view can be kept and sent.
//
//   photo, checkpoint   their numbers          layer   its name
//   at                  the chosen number      file    the open source
//   beside              "map" or "maps": all networks and photos beside each other, in each cell the
//                       chosen map or all maps; without it, one number explained

import { besideEachOther } from "./beside.js";
import { load, networkName, output, parameters, receive, terms } from "./data.js";
import { grouped, h, short, svg } from "./elements.js";
import { kernelsBeside, kernelsOf } from "./kernels.js";
import { bars, largeMap, sheet } from "./maps.js";
import { drawNetwork } from "./network.js";
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
  const number = (name, count, otherwise) =>
    Math.min(Math.max(Math.trunc(Number(words.get(name) ?? otherwise)) || 0, 0), count - 1);
  const now = {
    photo: number("photo", facts.photos.length, 0),
    checkpoint: number("checkpoint", facts.checkpoints.length, facts.opened),
    layer: words.get("layer"),
    file: words.get("file"),
    beside: ["map", "maps"].find((each) => each === words.get("beside")),
  };
  if (now.layer !== "image" && !layers.some((layer) => layer.name === now.layer)) now.layer = layers[0].name;
  const shape = shapeOf(now.layer);
  const at = (words.get("at") ?? "").split(",").map(Number);
  const fits = at.length === shape.length && at.every((place, axis) => Number.isInteger(place) && place >= 0 && place < shape[axis]);
  now.at = fits ? at : shape.map((size, axis) => (axis ? Math.floor(size / 2) : 0));
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

/** {low, high, change} of a layer's output, or of the image. */
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

// --- drawing -------------------------------------------------------------------------------------

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
    id, "aria-pressed": String(Boolean(beside) === Boolean(now.beside)), onclick: () => go({ beside }),
  }, text);
  return h("header", null,
    h("div", { class: "photos", role: "tablist", "aria-label": "photos" }, facts.photos.map((photo, i) =>
      h("button", { role: "tab", "aria-selected": String(i === now.photo), "aria-label": photo.name, onclick: () => go({ photo: i }) },
        h("img", { src: photo.picture, alt: "" })))),
    facts.checkpoints.length > 1
      ? h("label", null, "network ", h("select", { id: "checkpoint", onchange: (e) => go({ checkpoint: Number(e.target.value) }) },
          facts.checkpoints.map((c, i) => h("option", { value: i, selected: i === now.checkpoint }, networkName(c)))))
      : h("p", null, `${facts.checkpoints[0].spec}: ${facts.checkpoints[0].path}`),
    facts.photos.length * facts.checkpoints.length > 1 && h("div", { class: "views", role: "group", "aria-label": "view" },
      view("view-number", null, "one number"), view("view-beside", now.beside ?? "map", "beside each other")),
    h("ol", { class: "answers", "aria-label": "the most probable classes" }, answer.top.map(([label, share]) =>
      h("li", null, h("span", { class: "length", style: `width:${100 * share}%` }),
        `${facts.classes[label]} ${(100 * share).toFixed(1)} %`))));
}

function besidePanel(now, layers) {
  const layer = layers.find(({ name }) => name === now.layer);
  const spread = (checkpoint, photo) => spreadOf(now.layer, checkpoint, photo);
  return [
    besideEachOther(facts, now, shapeOf(now.layer), spread, go),
    layer?.kind === "Conv2d" && facts.checkpoints.length > 1 ? kernelsBeside(facts, now) : null,
  ];
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
  const pixels = `rows ${ends[0].join(" to ")} and columns ${ends[1].join(" to ")} of the photo`;
  const follow = (at) => go({ layer: before, at });
  const by = [facts.backend, layer.algorithm].filter(Boolean).join(", ");
  const isMap = y.shape.length === 3;
  return [
    h("section", { class: "facts" }, h("h2", null, `${layer.name}, ${layer.kind}`), described(layer), histogram(layer)),
    h("section", { class: "look" },
      framed(photo, ends),
      isMap ? largeMap(y, layer, now.at, (row, column) => go({ at: [now.at[0], row, column] })) : null),
    explainNumber({ layer, at: now.at, before, x, y, w, found, pixels, by, follow }),
    sources(facts.sources[layer.kind], layer, facts.backend, now.file, (file) => go({ file })),
    h("section", { class: "all" },
      isMap ? h("h3", null, `all ${y.shape[0]} maps`) : h("h3", null, "its units"),
      isMap ? sheet(y, layer, now.at[0], (channel) => go({ at: [channel, ...now.at.slice(1)] }))
        : bars(y, layer, now.at[0], (unit) => go({ at: [unit] }), place === layers.length - 1 ? facts.classes : null)),
    layer.kind === "Conv2d" ? kernelsOf(w.weight, now.at[0]) : null,
  ];
}

async function inputPanel(now) {
  const x = await output(now, "image");
  const layer = { name: "image", ...spreadOf("image", now.checkpoint, now.photo) };
  const [channel, row, column] = now.at;
  const value = x.data[(channel * x.shape[1] + row) * x.shape[2] + column];
  return h("section", { class: "look" },
    h("h2", null, `${["red", "green", "blue"][channel]} of the photo, normalised: [${now.at.join(", ")}] = ${short(value, 9)}`),
    framed(facts.photos[now.photo], [[row, row], [column, column]]),
    largeMap(x, layer, now.at, (r, c) => go({ at: [channel, r, c] })),
    sheet(x, layer, channel, (c) => go({ at: [c, row, column] })));
}

/** One unit's part of a layer's terms. */
function unitTerms({ places, products, counts, sums }, unit) {
  const part = ({ shape: [, count], data }) => Array.from(data.subarray(unit * count, (unit + 1) * count));
  return { places: part(places), products: part(products), counts: Array.from(counts.data), sums: part(sums) };
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
    b: () => go({ beside: now.beside ? null : "map" }),
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
