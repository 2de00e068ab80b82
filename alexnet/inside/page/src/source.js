// The sources of a layer's kernels, one of them open, with the lines marked that make the steps of
// the explained number (alexnet/inside/kernel_sources.py finds them).

import { h } from "./elements.js";

/** The panel.
 *
 *  files       {file: {text, marks}}; none for a layer without a kernel
 *  layer       its facts;  backend: the one that computed the numbers of this page
 *  chosen      the open file;  choose(file) opens another */
export function sources(files, layer, backend, chosen, choose) {
  if (!files) {
    const why = layer.kind === "Flatten" ? "it numbers its input anew" : "outside training it hands its input on, or multiplies it by one number";
    return h("section", { class: "source" }, h("p", null, `No kernel computes ${layer.name}: ${why}.`));
  }
  const names = Object.keys(files);
  const name = names.includes(chosen) ? chosen : names[0];
  const byTiles = layer.algorithm === "winograd" && name.startsWith(backend);
  const marks = byTiles ? [] : files[name].marks;
  const lines = files[name].text.split("\n").map((line, i) => {
    const steps = marks.find(([number]) => number === i + 1)?.[1];
    return h("code", { class: steps && "running", title: steps }, `${String(i + 1).padStart(4)}  ${line}\n`);
  });
  const source = h("pre", { tabindex: 0, "aria-label": name }, lines);
  const show = (number) => {
    source.scrollTop = lines[number - 1].offsetTop - source.clientHeight / 3;
  };
  if (marks.length) requestAnimationFrame(() => show(marks[0][0]));
  return h("section", { class: "source" },
    h("div", { role: "tablist", "aria-label": "backends" }, names.map((each) =>
      h("button", { role: "tab", "aria-selected": String(each === name), onclick: () => choose(each) }, each))),
    h("p", { class: "marks" }, byTiles
      ? `No line is marked: ${backend} made this number by Winograd's tiles, in ${backend}/winograd.`
      : !marks.length
      ? "No line is marked: this file was edited where a mark belongs."
      : ["Marked: ", marks.map(([number, steps]) => h("button", { onclick: () => show(number) }, `line ${number}, ${steps}`)), remark(name, marks)]),
    source);
}

/** What the marks of a file do not tell. */
function remark(name, marks) {
  const steps = marks.flatMap(([, each]) => each.split(", "));
  if (new Set(steps).size < steps.length) return " Two lines make one step: one for whole windows, the other where windows are cut off or of another size.";
  if (name.endsWith(".cu") && steps[0] === "b") return " cuBLAS makes the sum of w x; the .py calls it.";
  return "";
}
