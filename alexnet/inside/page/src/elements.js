// Making elements of the page.

/** An element: h("p", {class: "note", onclick: f}, "text", child, ...). */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for a part of a drawing. */
export function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(2).filter((child) => child != null && child !== false));
  return element;
}

/** Six digits; more only where asked. */
export function short(number, digits = 6) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  return size >= 1e-4 && size < 1e7 ? String(+number.toPrecision(digits)) : number.toExponential(digits - 2);
}

/** 1234567 as 1,234,567. */
export function grouped(number) {
  return number.toLocaleString("en-US");
}

/** A table: head, an array of texts; rows, arrays of cells. */
export function table(head, rows, attributes) {
  return h("table", attributes,
    h("thead", null, h("tr", null, head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", null, rows.map((row) => h("tr", row.attributes, (row.cells ?? row).map((cell) => h("td", null, cell))))));
}

/** Call action() once, when the element comes into view. */
export function whenSeen(element, action) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    action();
  }, { rootMargin: "200px" });
  observer.observe(element);
}
