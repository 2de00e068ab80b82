// The network drawn to scale: a box for each layer, as high as its maps and as wide as the logarithm
// of their number. A button each, so that a keyboard and a screen reader reach them.

import { grouped, h } from "./elements.js";

const HEIGHT = 120; // pixels of the largest map
const LEAST = 6;

/** The strip of layers. choose(name) is called for a click. */
export function drawNetwork(layers, chosen, imageSize, choose) {
  const image = { name: "image", kind: "the photo", outputs: [3, imageSize, imageSize] };
  return h("nav", { class: "network", "aria-label": "layers" },
    [image, ...layers].map((layer) => {
      const [channels, rows = 1] = layer.outputs;
      const isVector = layer.outputs.length === 1;
      const height = isVector ? HEIGHT / 2 : Math.max(LEAST, (HEIGHT * rows) / imageSize);
      const width = isVector ? LEAST : 4 + 3 * Math.log2(channels);
      return h("button", {
        class: `layer ${layer.kind}`,
        "aria-pressed": String(layer.name === chosen),
        "aria-label": `${layer.name}, ${layer.kind}, ${layer.outputs.join(" by ")}`,
        title: `${layer.name}: ${layer.outputs.map(grouped).join(" x ")}`,
        onclick: () => choose(layer.name),
      },
        h("span", { class: "box", style: `height:${height}px;width:${width}px` }),
        h("span", { class: "name" }, layer.name));
    }));
}
