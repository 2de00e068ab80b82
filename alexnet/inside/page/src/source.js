// The sources of a layer's kernels, one of them open, with the line marked that makes the number.

import { h } from "./elements.js";

// The line of each kernel that makes the explained number, by a piece of its text.
const RUNNING = {
  "numpy/conv2d.py": "np.matmul(weight_matrix, columns_matrix",
  "numpy/linear.py": "np.matmul(x, weight.T",
  "numpy/max_pool2d.py": "wins = ",
  "numpy/avg_pool2d.py": "y[...] = total /",
  "numpy/adaptive_avg_pool2d.py": "y[:, :, i, j] =",
  "numpy/local_response_norm.py": "y[...] = x * scale**-beta",
  "numpy/same_map_norm.py": "y[...] = x * scale**-beta",
  "numpy/batch_norm.py": "y[...] = _maps(weight)",
  "numpy/relu.py": "np.maximum(x, 0, out=y)",
  "numpy/tanh.py": "np.tanh(x, out=y)",
};

/** The panel of a layer's sources; nothing for a layer without a kernel. */
export function sources(files, chosen, choose) {
  if (!files) return null;
  const names = Object.keys(files);
  const name = names.includes(chosen) ? chosen : names[0];
  return h("section", { class: "source" },
    h("div", { role: "tablist", "aria-label": "backends" }, names.map((each) =>
      h("button", { role: "tab", "aria-selected": String(each === name), onclick: () => choose(each) }, each))),
    h("pre", { tabindex: 0 }, files[name].split("\n").map((line, i) => {
      const running = RUNNING[name] && line.includes(RUNNING[name]);
      return h("code", { class: running ? "running" : null }, `${String(i + 1).padStart(4)}  ${line}\n`);
    })));
}
