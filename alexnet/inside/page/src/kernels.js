// The kernels of a convolution: of one network, or of all networks beside each other.

import { networkName, parameters } from "./data.js";
import { h, short, whenSeen } from "./elements.js";
import { colourTiles, differenceLegend, legend, tileCanvas } from "./maps.js";

const WIDEST = 384; // pixels of a picture

/** The kernels of the chosen map, one square for each input channel. */
export function kernelsOf(weight, channel) {
  const own = ofMap(weight, channel);
  const [low, high] = ends(own.data);
  return h("section", { class: "filters" },
    h("h3", null, `the ${own.shape[0]} kernels of map ${channel}, ${own.shape.slice(1).join(" x ")}, from ${short(low, 3)} (blue) to ${short(high, 3)} (orange)`),
    picture(tileCanvas(own, Math.min(low, -1e-12), high), own, "the kernels, one for each input channel"));
}

/** The same of every network, with its difference from the network above. The first layer's kernels
 *  read red, green and blue, so all of them are shown as colours too. */
export function kernelsBeside(facts, now) {
  const section = h("section", { class: "filters" },
    h("h3", null, `the kernels of ${now.layer}, map ${now.at[0]}, in every network`), h("p", null, "…"));
  whenSeen(section, async () => {
    try {
      const weights = await Promise.all(facts.checkpoints.map(async (_, checkpoint) =>
        (await parameters({ checkpoint }, now.layer)).weight));
      section.lastChild.replaceWith(...rows(facts, now, weights));
    } catch (error) {
      section.lastChild.replaceWith(h("p", { class: "error", role: "alert" }, error.message));
    }
  });
  return section;
}

function rows(facts, now, weights) {
  const own = weights.map((weight) => ofMap(weight, now.at[0]));
  const changes = own.map(({ shape, data }, c) => c > 0 && {
    shape, data: Float64Array.from(data, (value, i) => value - own[c - 1].data[i]),
  });
  const size = largest(own);
  const change = largest(changes.filter(Boolean));
  const inColour = weights[0].shape[1] === 3 && (largest(weights) || 1);
  return [
    h("p", null, "Every network: ", legend(-size, size), differenceLegend(change),
      inColour && `Colours: grey is 0, the brightest ${short(inColour, 3)}.`),
    ...facts.checkpoints.map((checkpoint, c) => h("div", { class: "row", role: "group", "aria-label": networkName(checkpoint) },
      h("h4", null, networkName(checkpoint)),
      captioned(`map ${now.at[0]}`, picture(tileCanvas(own[c], -(size || 1), size || 1), own[c], "its kernels, one for each input channel")),
      c > 0 && captioned("less the network above", picture(tileCanvas(changes[c], -(change || 1), change || 1), changes[c], "the difference of the kernels")),
      inColour && captioned(`all ${weights[c].shape[0]} as colours`, picture(colourTiles(weights[c], inColour), null, "all kernels as colours")))),
  ];
}

function captioned(text, drawn) {
  return h("figure", null, drawn, h("figcaption", null, text));
}

/** A canvas with a text; of an array, with its least and largest number. */
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

/** The size of the largest number of several arrays. */
function largest(arrays) {
  return Math.max(0, ...arrays.map(({ data }) => Math.max(...ends(data).map(Math.abs))));
}
