/* The third view: how well every run does, to sort and to filter. */
import { BACKBONES, DATA, DATASETS, measure, METHODS } from "./data.mjs";
import { addressOf, ALL, checked, choose, state } from "./state.mjs";
import { byId, element, labelled, listNotes, percent, plural, selectFor, symbolOf } from "./dom.mjs";

const HEADS = [
  ["method", "Method"], ["keep_rate", "Keep rate"], ["score", "Score (%)"], ["difference", "To unreduced"],
  ["dataset", "Data set"], ["backbone", "Backbone"], ["seed", "Seed"], ["family", "Family"], ["loss", "Loss"],
  ["n", "Images"],
];
const NUMERIC = new Set(["keep_rate", "seed", "score", "difference", "loss", "n"]);
const NOTHING = "\u2013";

const sameModel = (row) => [row.dataset, row.backbone, row.seed].join("/");
const BASES = new Map(
  DATA.scores.filter((row) => row.method === DATA.unreduced).map((row) => [sameModel(row), row.score]),
);

/* A row for every run, with what its columns sort by. */
const RUNS = DATA.scores.map((row) => {
  const base = BASES.get(sameModel(row));
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
    selectFor("in", "Data set", labelled(DATASETS)),
    selectFor("with", "Backbone", labelled(BACKBONES)),
    selectFor("at", "Keep rate", percent),
  );
}

/* What a column of a row shows as text. */
export function cellText(row, column) {
  const value = row[column];
  switch (column) {
    case "dataset": return DATASETS.get(value).label;
    case "backbone": return BACKBONES.get(value).label;
    case "method": return METHODS.get(value).label;
    case "keep_rate": return percent(value);
    case "difference": return value === null ? NOTHING : signed(value);
    case "score": return value === null ? NOTHING : value.toFixed(2);
    case "loss": return value === null ? NOTHING : value.toFixed(3);
    default: return String(value);
  }
}

const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toFixed(2)}`;

/* Rows that pass the filters, sorted; what has no number comes last either way. */
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
  const again = document.activeElement?.dataset.sort;
  const text = `${plural(rows.length, "run")} of study ${DATA.study}`;
  const caption = element("caption", { id: "performance-caption" }, text);
  const body = rows.map((row) => element("tr", { class: row.method === DATA.unreduced ? "base" : null },
    ...columns.map(([name]) => tableCell(row, name))));
  byId("performance-table").replaceChildren(element("table", {}, caption,
    element("thead", {}, element("tr", {}, ...columns.map(tableHead))), element("tbody", {}, ...body)));
  if (again) document.querySelector(`[data-sort=${again}]`).focus({ preventScroll: true });
  const metrics = [...new Set(rows.map((row) => measure(row.metric)))];
  listNotes("performance-notes", [
    `Score: ${metrics.join(" or ")} in percent, over all test images (top-1: accuracy; mAP: mean average ` +
      "precision). To unreduced: the difference to the unreduced model of the same data set, backbone and " +
      "seed, in percentage points.",
    metrics.length > 1 && "Scores of different measures cannot be compared: choose one data set.",
  ]);
}

/* Numbers sort from the best or highest first, text from A. */
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
  const rate = row.method === DATA.unreduced ? state.rate : row.keep_rate;
  const symbol = symbolOf(METHODS.get(row.method));
  const view = checked({ ...state, tab: "images", dataset: row.dataset, backbone: row.backbone, rate });
  return element("th", { scope: "row", "data-column": name },
    element("a", { href: addressOf(view), title: "Show its patterns" }, symbol, text));
}
