// The files of the page's folder. A browser lets no page from the disk read another file, but it
// loads scripts: each data file is a script that calls explore.receive(name, value).
//
//   index                                 photos, checkpoints, layers, classes, sources of kernels
//   c<checkpoint>/<layer>                 the layer's parameters, float32
//   c<checkpoint>/p<photo>/<layer>        its output for a photo, float32; or {same: another file}
//   c<checkpoint>/p<photo>/<layer>-terms  of a fully connected layer: each unit's largest products,
//                                         and how their sum grows

const arrived = new Map();
const waiting = new Map();

/** Called by the data files. */
export function receive(name, value) {
  arrived.set(name, value);
  waiting.get(name)?.resolve(value);
  waiting.delete(name);
}

/** A promise of a data file's value. */
export function load(name) {
  if (arrived.has(name)) return Promise.resolve(arrived.get(name));
  if (!waiting.has(name)) waiting.set(name, request(name));
  return waiting.get(name).promise;
}

function request(name) {
  const entry = {};
  entry.promise = new Promise((resolve, reject) => {
    entry.resolve = resolve;
    const script = document.createElement("script");
    script.src = `data/${name}.js`;
    script.onerror = () => reject(new Error(`data/${name}.js is missing from this folder`));
    document.head.append(script);
  });
  return entry;
}

/** {shape, data} of an array as the files have it: {shape, float32: base64}, or uint16, int32. */
export function decode(array) {
  if (array.data) return array;
  const kinds = { float32: Float32Array, uint16: Uint16Array, int32: Int32Array, uint8: Uint8Array };
  const kind = Object.keys(kinds).find((name) => name in array);
  const text = atob(array[kind]);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i); // from() would call a function for each
  array.data = new kinds[kind](bytes.buffer);
  delete array[kind];
  return array;
}

/** The output of a layer for a photo; of "image", the photo as the network reads it. */
export async function output(state, layer) {
  let value = await load(`c${state.checkpoint}/p${state.photo}/${layer}`);
  while (value.same) value = await load(value.same);
  return decode(value);
}

/** The parameters of a layer by name. */
export async function parameters(state, layer) {
  const arrays = await load(`c${state.checkpoint}/${layer}`);
  for (const name in arrays) decode(arrays[name]);
  return arrays;
}

/** {places, products, counts, sums} of a fully connected layer (inside/page_files.py). */
export async function terms(state, layer) {
  const found = await load(`c${state.checkpoint}/p${state.photo}/${layer}-terms`);
  for (const name in found) decode(found[name]);
  return found;
}

/** How the page names a network. */
export function networkName({ path, step, epoch }) {
  const known = [step != null && `step ${step}`, epoch != null && `epoch ${epoch}`].filter(Boolean);
  return known.length ? `${path} (${known.join(", ")})` : path;
}
