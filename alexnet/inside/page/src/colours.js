// Numbers as colours that people see alike who see red and green alike: from dark blue over white
// to dark orange for numbers of both signs, from black over blue to yellow (cividis) for others.

const SIGNED = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [244, 165, 60], [127, 59, 8]];
const RISING = [[0, 32, 76], [62, 77, 107], [124, 123, 120], [187, 175, 113], [255, 234, 70]];

/** [red, green, blue] of a number between low and high; where low < 0, 0 is white. */
export function colour(value, low, high) {
  if (Number.isNaN(value)) return [255, 0, 255];
  if (low < 0) {
    const size = Math.max(-low, high);
    return between(SIGNED, 0.5 + value / (2 * size || 1));
  }
  return between(RISING, high > low ? (value - low) / (high - low) : 0);
}

/** The same as text for CSS. */
export function css(value, low, high) {
  return `rgb(${colour(value, low, high).map(Math.round).join(",")})`;
}

/** Black or white, whichever is read more easily on this colour. */
export function ink(value, low, high) {
  const [red, green, blue] = colour(value, low, high);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "black" : "white";
}

function between(stops, share) {
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const first = Math.min(Math.floor(place), stops.length - 2);
  return stops[first].map((from, i) => from + (place - first) * (stops[first + 1][i] - from));
}
