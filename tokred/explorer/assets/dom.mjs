/* Elements, and the native controls that the views share. Text is never parsed as HTML. */
import { COLUMNS, DATA } from "./data.mjs";
import { ALL, choices, choose, listeners, state } from "./state.mjs";

const SVG = "http://www.w3.org/2000/svg";
export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export function svgElement(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  Object.entries(attributes).forEach((pair) => made.setAttribute(...pair));
  made.append(...children);
  return made;
}

/* A method's marker in the figures, about two units wide. */
export const markerOf = (method) =>
  svgElement("path", { d: method.symbol, fill: method.color, stroke: method.color, "stroke-width": 0.06 });

/* A marker by itself; the view box fits the star, the largest marker of matplotlib. */
export const symbolOf = (method) => svgElement("svg",
  { viewBox: "-1.1 -1.1 2.2 2.2", class: "symbol", "aria-hidden": "true" }, markerOf(method));

/* The head of a method's card, with a score and its metric on the right. */
export function headOf(method, score, metric) {
  const kind = method.name === DATA.unreduced ? "all tokens" : method.family;
  return [
    element("h2", {}, symbolOf(method), method.label, element("span", { class: "score" }, score)),
    element("p", { class: "kind" }, kind, element("span", {}, metric)),
  ];
}

/* A labeled select element for a key of the state. */
export function selectFor(key, caption, labels) {
  const id = `choose-${key}-${document.querySelectorAll("select").length}`;
  const options = choices(key, state).map((value) => element("option", { value }, labels(value)));
  const select = element("select", { id, onchange: () => choose({ [key]: select.value }) }, ...options);
  const update = () => { select.value = state[key]; };
  listeners.push(update);
  update();
  return element("div", { class: "control" }, element("label", { for: id }, caption), select);
}

/* A row of radio buttons for a key of the state. */
export function radiosFor(key, caption, labels) {
  const inputs = choices(key, state).map((value) =>
    element("input", { type: "radio", name: key, value, onchange: () => choose({ [key]: value }) }));
  const update = () => inputs.forEach((input) => { input.checked = input.value === state[key]; });
  listeners.push(update);
  update();
  const parts = inputs.map((input) => element("label", {}, input, element("span", {}, labels(input.value))));
  const set = element("div", { class: "segments" }, ...parts);
  return element("fieldset", { class: "control" }, element("legend", {}, caption), set);
}

export const labelOf = (entries) => (name) => (name === ALL ? "All" : entries.get(name).label);
/* "0.505" as "50.5 %", without rounding errors. */
export const percent = (rate) => (rate === ALL ? "All" : `${+(100 * rate).toFixed(6)}\u202f%`);
export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
export const positionOf = (token) =>
  `row ${Math.floor(token / COLUMNS) + 1}, column ${(token % COLUMNS) + 1}`;

export function listNotes(id, notes) {
  byId(id).replaceChildren(...notes.filter(Boolean).map((note) => element("li", {}, note)));
}
