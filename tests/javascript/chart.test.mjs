/* The chart of scores over costs: its Pareto front and its ticks. */
import "./page.mjs";

import assert from "node:assert/strict";
import { test } from "node:test";

import { paretoFront, ticksOf } from "../../tokred/explorer/assets/chart.mjs";

test("the front has what no other run beats in both", () => {
  const rows = [[3, 80], [1, 60], [2, 60], [2, 70], [2, 70], [4, 79], [0.5, 10]]
    .map(([gmacs, score], index) => ({ gmacs, score, index }));
  const front = paretoFront(rows).map((row) => [row.gmacs, row.score]);
  assert.deepEqual(front, [[0.5, 10], [1, 60], [2, 70], [3, 80]]);
  assert.deepEqual(paretoFront([]), []);
});

test("ticks are round and within the interval", () => {
  assert.deepEqual(ticksOf(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(ticksOf(61.7, 83.2), [65, 70, 75, 80]);
  assert.deepEqual(ticksOf(0.031, 0.118), [0.04, 0.06, 0.08, 0.1]);
  assert.deepEqual(ticksOf(-3, 3), [-2, 0, 2]);
});
