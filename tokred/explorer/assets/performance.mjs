/* The third view: performance of every run, as a chart over its cost, and as a table to sort and filter. */
import { BACKBONES, DATA, DATASETS, METHODS, metricLabel } from "./data.mjs";
import { addressOf, ALL, choose, state, validState } from "./state.mjs";
import { byId, element, labelOf, listNotes, percent, plural, selectFor, symbolOf } from "./dom.mjs";
import { chartOf } from "./chart.mjs";

const HEADS = [
  ["method", "Method"], ["keep_rate", "Keep rate"], ["score", "Score (%)"], ["difference", "Difference"],
  ["agreement", "Agreement (%)"], ["gmacs", "GMACs"], ["dataset", "Data set"], ["backbone", "Backbone"],
  ["seed", "Seed"], ["family", "Family"], ["loss", "Loss"], ["n", "Images"],
];
const NUMERIC = new Set(["keep_rate", "seed", "score", "difference", "agreement", "gmacs", "loss", "n"]);
const MISSING = "\u2013";

const unreducedKey = (row) => [row.dataset, row.backbone, row.seed].join("/");
const UNREDUCED_SCORES = new Map(
  DATA.scores.filter((row) => row.method === DATA.unreduced).map((row) => [unreducedKey(row), row.score]),
);

/* One row per run, with the values that its columns sort by. */
const RUNS = DATA.scores.map((row) => {
  const base = UNREDUCED_SCORES.get(unreducedKey(row));
  const known = row.score !== null && base !== undefined && base !== null && row.method !== DATA.unreduced;
  return { ...row, family: METHODS.get(row.method).family, difference: known ? row.score - base : null };
});
const POSITION = new Map(DATA.methods.map((method, index) => [method.name, index]));
const studyOrder = (row) => [
  DATA.datasets.findIndex(({ name }) => name === row.dataset),
  DATA.backbones.findIndex(({ name }) => name === row.backbone),
  POSITION.get(row.method), Number(row.keep_rate), row.seed,
];
RUNS.sort((a, b) => {
  const other = studyOrder(b);
  return studyOrder(a).map((value, index) => value - other[index]).find((value) => value !== 0) ?? 0;
});

export function startPerformance() {
  byId("performance-controls").append(
    selectFor("in", "Data set", labelOf(DATASETS)),
    selectFor("with", "Backbone", labelOf(BACKBONES)),
    selectFor("at", "Keep rate", percent),
  );
}

/* Text of a table cell. */
export function cellText(row, column) {
  const value = row[column];
  switch (column) {
    case "dataset": return DATASETS.get(value).label;
    case "backbone": return BACKBONES.get(value).label;
    case "method": return METHODS.get(value).label;
    case "keep_rate": return percent(value);
    case "difference": return value === null ? MISSING : signed(value);
    case "score":
    case "agreement": return value === null ? MISSING : value.toFixed(2);
    case "gmacs": return value === null ? MISSING : significant(value);
    case "loss": return value === null ? MISSING : value.toFixed(3);
    default: return String(value);
  }
}

/* Four significant digits: small backbones take far less than one GMAC. */
const significant = (value) => String(+value.toPrecision(4));
const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;

/* Rows that pass the filters, sorted; missing values come last in either order. */
export function chosenRuns() {
  const passes = (value, filter) => filter === ALL || value === filter;
  const rows = RUNS.filter((row) =>
    passes(row.dataset, state.in) && passes(row.backbone, state.with) && passes(row.keep_rate, state.at));
  if (!state.sort) return rows;
  const sign = state.order === "descending" ? -1 : 1;
  const compared = (a, b) => {
    const column = state.sort;
    if (!NUMERIC.has(column)) return sign * cellText(a, column).localeCompare(cellText(b, column), "en");
    if (a[column] === null || b[column] === null) return (a[column] === null) - (b[column] === null);
    return sign * (Number(a[column]) - Number(b[column]));
  };
  return [...rows].sort(compared);
}

export function showPerformance() {
  if (state.tab !== "performance") return;
  const columns = HEADS.filter(([name]) => name !== "seed" || DATA.seeds.length > 1);
  const rows = chosenRuns();
  byId("performance-chart").replaceChildren(chartOf(rows, linkTo));
  const again = document.activeElement?.dataset.sort;
  const text = `${plural(rows.length, "run")} of study ${DATA.study}`;
  const caption = element("caption", { id: "performance-caption" }, text);
  const body = rows.map((row) => element("tr", { class: row.method === DATA.unreduced ? "base" : null },
    ...columns.map(([name]) => tableCell(row, name))));
  byId("performance-table").replaceChildren(element("table", {}, caption,
    element("thead", {}, element("tr", {}, ...columns.map(tableHead))), element("tbody", {}, ...body)));
  if (again) document.querySelector(`[data-sort=${again}]`).focus({ preventScroll: true });
  const metrics = [...new Set(rows.map((row) => metricLabel(row.metric)))];
  listNotes("performance-notes", [
    `Score: ${metrics.join(" or ")} in percent, over all test images (top-1: accuracy; mAP: mean average ` +
      "precision). Difference: to the unreduced model of the same data set, backbone and seed, in " +
      "percentage points. Agreement: share of the unreduced model's predictions that are the same (of an " +
      "image with k labels, its k highest). GMACs: multiply-accumulates of an image, in billions, as " +
      "publications count them.",
    metrics.length > 1 && "Scores in different metrics are not comparable: choose one data set.",
  ]);
}

/* On the first click, numbers sort from the highest, text from A. */
function tableHead([name, caption]) {
  const now = state.sort === name ? state.order : null;
  const first = NUMERIC.has(name) ? "descending" : "ascending";
  const other = now === "ascending" ? "descending" : "ascending";
  const sign = now === null ? "\u2195" : now === "ascending" ? "\u25b2" : "\u25bc";
  const button = element("button", {
    type: "button", "data-sort": name, onclick: () => choose({ sort: name, order: now ? other : first }),
  }, caption, element("span", { class: "sign", "aria-hidden": "true" }, sign));
  const kind = NUMERIC.has(name) ? "number" : null;
  return element("th", { scope: "col", "aria-sort": now ?? "none", class: kind }, button);
}

function tableCell(row, name) {
  const text = cellText(row, name);
  const kind = NUMERIC.has(name) ? "number" : null;
  if (name !== "method") return element("td", { class: kind, "data-column": name }, text);
  const symbol = symbolOf(METHODS.get(row.method));
  return element("th", { scope: "row", "data-column": name },
    element("a", { href: linkTo(row), title: "Show its patterns" }, symbol, text));
}

/* The address of a run's patterns. */
function linkTo(row) {
  const rate = row.method === DATA.unreduced ? state.rate : row.keep_rate;
  const run = { dataset: row.dataset, backbone: row.backbone, rate };
  return addressOf(validState({ ...state, tab: "images", ...run }));
}
