/* Score over multiply-accumulates: a point for each run, and the Pareto front of each data set. */
import { DATA, METHODS } from "./data.mjs";
import { percent, svgElement, markerOf } from "./dom.mjs";

const SIZE = { width: 720, height: 330 };
const PLOT = { left: 52, right: 708, top: 10, bottom: 286 };

/* Of the runs of a data set, those that are better than all that cost as much or less, by cost. */
export function paretoFront(rows) {
  const sorted = [...rows].sort((a, b) => a.gmacs - b.gmacs || b.score - a.score);
  let best = -Infinity;
  return sorted.filter((row) => row.score > best && ((best = row.score), true));
}

/* Four to nine round numbers from `low` to `high`. */
export function ticksOf(low, high) {
  const rough = (high - low) / 5 || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((factor) => factor * unit >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return [...Array(last - first + 1).keys()].map((index) => +((first + index) * step).toPrecision(12));
}

/* Linear map from an interval of values, widened by a twentieth on each side, to one of pixels. */
function scaleOf(values, from, to) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low || Math.abs(high) || 1) / 20;
  const [start, end] = [low - margin, high + margin];
  const place = (value) => from + ((value - start) / (end - start)) * (to - from);
  return { place, ticks: ticksOf(start, end) };
}

/* The chart of runs with a score and a cost; `linkTo` returns where a run's point leads. */
export function chartOf(runs, linkTo) {
  const rows = runs.filter((row) => row.score !== null && row.gmacs !== null);
  if (!rows.length) return "";
  const x = scaleOf(rows.map((row) => row.gmacs), PLOT.left, PLOT.right);
  const y = scaleOf(rows.map((row) => row.score), PLOT.bottom, PLOT.top);
  const fronts = [...new Set(rows.map((row) => row.dataset))]
    .map((name) => paretoFront(rows.filter((row) => row.dataset === name)));
  const best = new Set(fronts.flat());
  return svgElement("svg",
    { viewBox: `0 0 ${SIZE.width} ${SIZE.height}`, class: "chart", role: "group",
      "aria-label": "Score over GMACs, with the Pareto front. The table below has the same numbers." },
    ...axes(x, y), ...fronts.map((front) => steps(front, x, y)),
    ...rows.map((row) => point(row, x, y, best.has(row), linkTo)));
}

function axes(x, y) {
  const text = (content, attributes) => svgElement("text", attributes, content);
  const line = (from, to) =>
    svgElement("line", { x1: from[0], y1: from[1], x2: to[0], y2: to[1], class: "grid" });
  return [
    ...x.ticks.map((tick) => svgElement("g", {},
      line([x.place(tick), PLOT.top], [x.place(tick), PLOT.bottom]),
      text(String(tick), { x: x.place(tick), y: PLOT.bottom + 17, "text-anchor": "middle" }))),
    ...y.ticks.map((tick) => svgElement("g", {},
      line([PLOT.left, y.place(tick)], [PLOT.right, y.place(tick)]),
      text(String(tick), { x: PLOT.left - 7, y: y.place(tick) + 4, "text-anchor": "end" }))),
    text("GMACs per image", { x: (PLOT.left + PLOT.right) / 2, y: SIZE.height - 6, "text-anchor": "middle" }),
    text("score (%)", { transform: `translate(13 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)`,
      "text-anchor": "middle" }),
  ];
}

/* The best score that any cost buys. */
function steps(front, x, y) {
  const [first, ...others] = front;
  const path = others.map((row) => `H${x.place(row.gmacs)}V${y.place(row.score)}`);
  const start = `M${x.place(first.gmacs)} ${y.place(first.score)}`;
  return svgElement("path", { d: `${start}${path.join("")}`, class: "front" });
}

function point(row, x, y, best, linkTo) {
  const method = METHODS.get(row.method);
  const rate = row.method === DATA.unreduced ? "" : `, ${percent(row.keep_rate)}`;
  const facts = `${method.label}${rate}: ${row.score.toFixed(2)} % at ${+row.gmacs.toPrecision(4)} GMACs`;
  const marker = markerOf(method);
  marker.setAttribute("transform", "scale(5.5)");
  const rings = best ? [svgElement("circle", { r: 8.5, class: "ring" })] : [];
  return svgElement("a",
    { href: linkTo(row), transform: `translate(${x.place(row.gmacs)} ${y.place(row.score)})`, tabindex: -1 },
    svgElement("title", {}, facts), marker, ...rings);
}
