/* Pictures of patterns: colors of clusters, highlighted tokens, captions. */
import "./page.mjs";

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  clusterColors, depthColor, EDGES, membersOf, PALETTE, PLAIN,
} from "../../tokred/explorer/assets/colors.mjs";
import { DROPPED, patternOf } from "../../tokred/explorer/assets/data.mjs";
import { stepped } from "../../tokred/explorer/assets/picture.mjs";
import { fate, keptOf, highlightedWith, planOf, summary } from "../../tokred/explorer/assets/plan.mjs";

const CUT = { name: "cut" };

test("edges join neighbors in rows and columns of the grid", () => {
  assert.deepEqual(EDGES, [[0, 1], [0, 3], [1, 2], [1, 4], [2, 5], [3, 4], [4, 5]]);
});

test("members of clusters leave dropped tokens out", () => {
  assert.deepEqual([...membersOf([4, 4, DROPPED, 7, 4, 7])], [[4, [0, 1, 4]], [7, [3, 5]]]);
});

test("neighboring clusters differ in color, and single tokens have none", () => {
  const [colors] = clusterColors([[0, 0, 1, 2, 2, 1]]);
  assert.equal(colors[0], colors[1]);
  assert.equal(new Set(colors).size, 3);
  const [plain] = clusterColors([[0, 0, 1, 0, 2, DROPPED]]);
  assert.deepEqual([plain[2], plain[4], plain[5]], [PLAIN, PLAIN, PLAIN]);
  assert.ok(plain[0] >= 0 && plain[0] < PALETTE.length);
});

test("a cluster that grows keeps its color, and its largest part has it before", () => {
  const [first, second] = clusterColors([[0, 0, 0, 1, 1, 2], [0, 0, 0, 0, 0, 2]]);
  assert.equal(first[0], second[0]);
  assert.notEqual(first[3], first[0]);
  assert.equal(second[3], second[0]);
});

test("the scale of depths ends where the network does", () => {
  assert.deepEqual(
    [1, 3, 6, 12, 99].map(depthColor), ["#000000", "#000000", "#555555", "#ffffff", "#ffffff"],
  );
});

test("a plan of pruning veils what is gone by the stage", () => {
  const plan = planOf(patternOf("one/small/cut/0.50", 1), 2);
  assert.deepEqual(keptOf(plan), [2, 5]);
  assert.equal(plan.color, null);
  assert.equal(summary(CUT, plan), "2 of 6 tokens kept");
  assert.deepEqual(highlightedWith(plan, 2), [2]);
  assert.equal(fate(CUT, plan, 2, false), "kept to the end");
  assert.equal(fate(CUT, plan, 3, false), "kept until stage 1");
  assert.equal(fate(CUT, plan, 0, false), "dropped in stage 1");
  assert.equal(fate(CUT, plan, 0, true), "dropped");
});

test("a plan of merging lights a token's whole cluster", () => {
  const plan = planOf(patternOf("one/small/join/0.50", 1), 1);
  assert.deepEqual(highlightedWith(plan, 3), [0, 1, 3]);
  assert.deepEqual(highlightedWith(plan, 5), [5]);
  assert.deepEqual(highlightedWith(plan, null), []);
  assert.deepEqual([summary({ name: "join" }, plan), fate({ name: "join" }, plan, 0, false)],
    ["3 clusters", "cluster 1: 3 tokens"]);
  assert.equal(fate({ name: "join" }, plan, 2, true), "1 token");
  assert.equal(fate({ name: "join" }, plan, 5, true), "dropped");
});

test("centers are the kept tokens of a method that also keeps", () => {
  const pattern = { ...patternOf("one/small/join/0.50", 1), survived: Uint8Array.of(1, 0, 1, 0, 1, 0) };
  const plan = planOf(pattern, 1);
  assert.deepEqual(plan.centers, [0, 2, 4]);
  assert.equal(fate({ name: "join" }, plan, 0, false), "cluster 1: 3 tokens, center");
});

test("slots of soft merging are regions", () => {
  const plan = planOf({ ...patternOf("one/small/join/0.50", 1), margin: [0.1, 0.2] }, 1);
  assert.equal(summary({ name: "join" }, plan), "3 regions, see notes");
  assert.equal(fate({ name: "join" }, plan, 0, false), "region 1: 3 tokens");
});

test("the unreduced model keeps all", () => {
  const plan = planOf(patternOf("one/small/none/1.00", 0), 2);
  assert.equal(summary({ name: "none" }, plan), "all 6 tokens");
  assert.equal(fate({ name: "none" }, plan, 0, false), "kept");
});

test("arrow keys move within the grid", () => {
  const moves = { ArrowLeft: 3, ArrowRight: 5, ArrowUp: 1, ArrowDown: 4, Home: 3, End: 5, x: undefined };
  assert.deepEqual(Object.fromEntries(Object.keys(moves).map((key) => [key, stepped(4, key)])), moves);
  assert.deepEqual(["ArrowLeft", "ArrowUp", "ArrowRight"].map((key) => stepped(0, key)), [0, 0, 1]);
});
