/* The table of scores: rows, their order, and text of cells. */
import "./page.mjs";

import assert from "node:assert/strict";
import { test } from "node:test";

import { percent, plural, positionOf } from "../../tokred/explorer/assets/dom.mjs";
import { cellText, chosenRuns } from "../../tokred/explorer/assets/performance.mjs";
import { choose } from "../../tokred/explorer/assets/state.mjs";

const shown = (changes) => {
  choose({ in: "all", with: "all", at: "all", sort: "", order: "ascending", ...changes });
  return chosenRuns().map((row) => `${row.dataset} ${row.method} ${row.keep_rate} ${row.seed}`);
};

test("rows are in the study's order", () => {
  assert.deepEqual(shown({}), [
    "one none 1.00 0", "one none 1.00 1", "one cut 0.50 0", "one cut 0.50 1", "one cut 0.70 0",
    "one join 0.50 0", "two cut 0.50 0",
  ]);
});

test("filters combine", () => {
  assert.deepEqual(shown({ in: "one", at: "0.50" }), ["one cut 0.50 0", "one cut 0.50 1", "one join 0.50 0"]);
  assert.deepEqual(shown({ with: "large" }), []);
});

test("numbers sort as numbers, and missing ones come last in either order", () => {
  const scores = (order) => {
    shown({ sort: "score", order });
    return chosenRuns().map((row) => row.score);
  };
  assert.deepEqual(scores("ascending"), [50, 60, 70.126, 80, 81, 90, null]);
  assert.deepEqual(scores("descending"), [90, 81, 80, 70.126, 60, 50, null]);
});

test("differences are to the unreduced model of the same seed", () => {
  shown({ in: "one", at: "0.50" });
  const rows = chosenRuns();
  assert.deepEqual(rows.map((row) => cellText(row, "difference")), ["\u22129.87", "\u221210.00", "\u2013"]);
  shown({ in: "two" });
  assert.equal(cellText(chosenRuns()[0], "difference"), "\u2013"); // no unreduced model there
});

test("cells are rounded and labeled", () => {
  shown({ in: "one", at: "0.50" });
  const [row, , unknown] = chosenRuns();
  assert.deepEqual(
    ["dataset", "backbone", "method", "keep_rate", "score", "agreement", "gmacs", "loss", "n"]
      .map((name) => cellText(row, name)),
    ["One", "Small", "Cut", "50\u202f%", "70.13", "91.26", "0.1234", "1.250", "10"],
  );
  assert.equal(cellText(unknown, "score"), "\u2013");
});

test("text of rates, counts and positions", () => {
  const rates = ["0.505", "1.00", "0.07", "all"];
  assert.deepEqual(rates.map(percent), ["50.5\u202f%", "100\u202f%", "7\u202f%", "All"]);
  assert.deepEqual([plural(1, "run"), plural(0, "run")], ["1 run", "0 runs"]);
  assert.equal(positionOf(4), "row 2, column 2");
});
