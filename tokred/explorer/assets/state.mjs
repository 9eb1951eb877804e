/* The state of the page: kept in the URL fragment, so that a view can be shared and bookmarked. */
import { DATA, DATASETS, STAGES } from "./data.mjs";

export const TABS = ["images", "depth", "performance"];
export const ALL = "all";
const SORTS = [
  "method", "keep_rate", "score", "difference", "agreement", "gmacs", "dataset", "backbone", "seed", "family",
  "loss", "n",
];

/* Allowed values of each key; the first is the default. */
export function choices(key, state) {
  const names = (entries) => entries.map((entry) => entry.name);
  const numbers = DATA.locations.map((_, index) => String(index + 1));
  switch (key) {
    case "tab": return TABS;
    case "dataset": return names(DATA.datasets);
    case "backbone": return names(DATA.backbones);
    case "rate": return DATA.rates;
    case "stage": return STAGES > 1 ? [...numbers, ALL] : numbers;
    case "image": return DATASETS.get(state.dataset).images.map((image) => image.id);
    case "in": return [ALL, ...names(DATA.datasets)];
    case "with": return [ALL, ...names(DATA.backbones)];
    case "at": return [ALL, "1.00", ...DATA.rates.filter((rate) => rate !== "1.00")];
    case "sort": return ["", ...SORTS];
    case "order": return ["ascending", "descending"];
  }
}

/* In this order, a key's choices depend only on earlier keys. */
const KEYS = ["tab", "dataset", "backbone", "rate", "stage", "image", "in", "with", "at", "sort", "order"];

export function validState(values) {
  const state = {};
  for (const key of KEYS) {
    const allowed = choices(key, state);
    state[key] = allowed.includes(values[key]) ? values[key] : allowed[0];
  }
  return state;
}

function readAddress() {
  return validState(Object.fromEntries(new URLSearchParams(location.hash.slice(1))));
}

/* The URL fragment of a state: the values that differ from the defaults. */
export function addressOf(state) {
  const parameters = new URLSearchParams();
  for (const key of KEYS) {
    if (state[key] !== choices(key, state)[0]) parameters.set(key, state[key]);
  }
  return `#${parameters}`;
}

export let state = readAddress();
export const listeners = [];

/* Change the state, notify all parts of the page, and update the address. */
export function choose(changes) {
  state = validState({ ...state, ...changes });
  listeners.forEach((listener) => listener());
  if ((location.hash || "#") !== addressOf(state)) location.replace(addressOf(state));
}

window.addEventListener("hashchange", () => {
  if ((location.hash || "#") !== addressOf(state)) choose(readAddress());
});
