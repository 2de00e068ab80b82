// Every network and every photo beside each other: one layer, a row for each network, a column for
// each photo, and below a network its difference from the one above. All cells have one scale of
// colours. A cell loads its arrays when it comes into view.

import { index } from "./arithmetic.js";
import { networkName, output } from "./data.js";
import { grouped, h, short, whenSeen } from "./elements.js";
import { differenceLegend, legend, mapCanvas, tileCanvas, tiling } from "./maps.js";

/** The panel. spread(checkpoint, photo): {low, high, change} of the layer's output, which has this
 *  shape; go(changes) leads to another view. */
export function besideEachOther(facts, now, shape, spread, go) {
  const networks = facts.checkpoints.map((_, c) => c);
  const photos = facts.photos.map((_, p) => p);
  const all = networks.flatMap((c) => photos.map((p) => spread(c, p)));
  const low = Math.min(...all.map((each) => each.low));
  const high = Math.max(...all.map((each) => each.high));
  const change = Math.max(...all.map((each) => each.change ?? 0));
  const isOne = shape.length === 3 && now.beside === "map";
  const view = isOne ? oneMap(shape, now.at) : allMaps(shape, now.at);
  const isAnswer = now.layer === facts.answers[0].layers.at(-1).name;
  const chosen = `${now.layer}[${now.at.join(", ")}]${isAnswer ? `, ${facts.classes[now.at[0]]},` : ""}`;
  const what = shape.length === 1 ? `all ${grouped(shape[0])} units` : isOne ? `map ${now.at[0]}` : `all ${shape[0]} maps`;

  const outputs = networks.map((c) => h("tr", null, photos.map((p) => {
    const top = facts.answers.find((a) => a.checkpoint === c && a.photo === p).top[0];
    const answer = `${facts.classes[top[0]]} ${(100 * top[1]).toFixed(1)} %`;
    return cell(view, async () => {
      const y = await output({ checkpoint: c, photo: p }, now.layer);
      const value = short(y.data[index(y.shape, now.at)], 9);
      const names = `${networkName(facts.checkpoints[c])}, ${facts.photos[p].name}`;
      return [h("button", {
        class: "cell", id: `cell-${c}-${p}`, "data-cell": `${c},${p}`,
        "aria-current": c === now.checkpoint && p === now.photo ? "true" : null,
        "aria-label": `${names}: ${now.layer}[${now.at.join(", ")}] = ${value}; ${answer}. Explain this number`,
        onclick: (event) => go({ checkpoint: c, photo: p, beside: null, at: event.detail ? under(event, view) : now.at }),
      }, view.draw(y, low, high), view.mark()), h("p", { class: "value" }, value), h("p", { class: "answer" }, answer)];
    });
  })));

  const differences = networks.map((c) => c > 0 && h("tr", { class: "difference" }, photos.map((p) =>
    cell(view, async () => {
      const [above, y] = await Promise.all([c - 1, c].map((each) => output({ checkpoint: each, photo: p }, now.layer)));
      const difference = { shape: y.shape, data: Float64Array.from(y.data, (value, i) => value - above.data[i]) };
      const value = short(difference.data[index(y.shape, now.at)], 6);
      const names = `${networkName(facts.checkpoints[c])} less the one above, ${facts.photos[p].name}`;
      return [h("div", { class: "cell", role: "img", "aria-label": `${names}: ${value}`, "data-cell": `${c},${p}` },
        view.draw(difference, -(change || 1), change || 1), view.mark()), h("p", { class: "value" }, value)];
    }))));

  const wide = (text) => h("tr", null, h("th", { colspan: photos.length, scope: "rowgroup" }, text));
  return h("section", { class: "beside" },
    h("h2", null, `${now.layer}, ${what}: ${counted(networks.length, "network")}, ${counted(photos.length, "photo")}`),
    controls(now, shape, isOne, go),
    h("p", null, "Every cell: ", legend(low, high), networks.length > 1 && differenceLegend(change)),
    h("p", null, `Below each cell: ${chosen} and the network's first answer. A cell leads to the number under the pointer, explained.`),
    h("table", { class: shape.length === 3 && !isOne ? "cells tiles" : "cells" },
      h("thead", null, h("tr", null, facts.photos.map((photo) =>
        h("th", { scope: "col" }, h("img", { src: photo.picture, alt: "" }), photo.name)))),
      networks.map((c) => h("tbody", null,
        wide(networkName(facts.checkpoints[c])), outputs[c],
        c > 0 && wide("less the network above"), differences[c]))));
}

/** A cell, which is filled with parts() when it comes into view. */
function cell(view, parts) {
  const place = h("td", null, h("div", { class: "cell waiting", style: `aspect-ratio:${view.width}/${view.height}` }, "…"));
  whenSeen(place, async () => {
    try {
      place.replaceChildren(...(await parts()));
    } catch (error) {
      place.replaceChildren(h("p", { class: "error", role: "alert" }, error.message));
    }
  });
  return place;
}

function controls(now, shape, isOne, go) {
  const names = shape.length === 3 ? ["map", "row", "column"] : ["unit"];
  const moved = (axis, value) => now.at.map((place, i) => (i === axis ? Math.min(Math.max(Math.trunc(value) || 0, 0), shape[axis] - 1) : place));
  const choice = (beside, text) => h("button", {
    id: `beside-${beside}`, "aria-pressed": String(isOne === (beside === "map")), onclick: () => go({ beside }),
  }, text);
  return h("div", { class: "controls" },
    shape.length === 3 && h("div", { role: "group", "aria-label": "what a cell shows" }, choice("map", "the chosen map"), choice("maps", "all maps")),
    names.map((name, axis) => h("label", null, `${name} `, h("input", {
      type: "number", id: `at-${axis}`, min: 0, max: shape[axis] - 1, value: now.at[axis],
      onchange: (event) => go({ at: moved(axis, event.target.value) }),
    }))));
}

// --- what a cell shows ---------------------------------------------------------------------------
// {width, height, draw(array, low, high), mark(), place(x, y)}: a canvas of this size, a frame around
// what is chosen, and the output under a point, given in shares of width and height.

function oneMap([, rows, columns], at) {
  return {
    width: columns, height: rows,
    draw: (array, low, high) => mapCanvas(array, at[0], low, high),
    mark: () => frame(at[2] / columns, at[1] / rows, 1 / columns, 1 / rows),
    place: (x, y) => [at[0], Math.floor(y * rows), Math.floor(x * columns)],
  };
}

function allMaps(shape, at) {
  const { across, rows, columns, gap, width, height } = tiling(shape);
  const [left, top] = [(at[0] % across) * (columns + gap), Math.floor(at[0] / across) * (rows + gap)];
  return {
    width, height,
    draw: (array, low, high) => tileCanvas(array, low, high),
    mark: () => frame(left / width, top / height, columns / width, rows / height),
    place: (x, y) => {
      const [column, row] = [Math.floor((x * width) / (columns + gap)), Math.floor((y * height) / (rows + gap))];
      const channel = row * across + column;
      return channel < shape[0] ? [channel, ...at.slice(1)] : at;
    },
  };
}

function frame(left, top, width, height) {
  const share = (part) => `${100 * part}%`;
  return h("span", { class: "mark", style: `left:${share(left)};top:${share(top)};width:${share(width)};height:${share(height)}` });
}

/** The output under the pointer. */
function under(event, view) {
  const box = event.currentTarget.querySelector("canvas").getBoundingClientRect();
  const share = (at, size) => Math.min(Math.max(at / size, 0), 1 - 1e-9);
  return view.place(share(event.clientX - box.left, box.width), share(event.clientY - box.top, box.height));
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
