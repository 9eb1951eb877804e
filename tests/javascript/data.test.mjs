/* The embedded data, and the state of the page. */
import "./page.mjs";

import assert from "node:assert/strict";
import { test } from "node:test";

import { DROPPED, keyOf, patternOf, SCORES, TOKENS } from "../../tokred/explorer/assets/data.mjs";
import { addressOf, choose, listeners, state, validState } from "../../tokred/explorer/assets/state.mjs";

test("patterns are unpacked by image, stage and token", () => {
  assert.equal(TOKENS, 6);
  const cut = patternOf("one/small/cut/0.50", 1);
  assert.deepEqual([...cut.survived], [0, 0, 2, 1, 1, 2]);
  assert.deepEqual([cut.clusters, cut.margin, cut.predicted], [null, null, [1]]);
  const join = patternOf("one/small/join/0.50", 1);
  assert.deepEqual(
    join.clusters.map((stage) => [...stage]), [[0, 0, 1, 0, 2, DROPPED], [0, 0, 0, 0, 2, DROPPED]],
  );
  assert.equal(join.survived, null);
  assert.equal(patternOf("one/small/join/0.70", 0), null);
});

test("the unreduced model has one run at all keep rates", () => {
  assert.equal(keyOf("one", "small", "none", "0.50"), "one/small/none/1.00");
  assert.equal(keyOf("one", "small", "cut", "0.50"), "one/small/cut/0.50");
});

test("scores beside pictures are those of the first seed", () => {
  assert.equal(SCORES.get("one/small/cut/0.50").score, 70.126);
});

test("an impossible state becomes the nearest possible one", () => {
  assert.deepEqual(validState({}), {
    tab: "images", dataset: "one", backbone: "small", rate: "0.50", stage: "1", image: "a",
    in: "all", with: "all", at: "all", sort: "", order: "ascending",
  });
  const found = validState({ dataset: "two", image: "b", stage: "all", rate: "0.1", sort: "score" });
  assert.deepEqual([found.image, found.stage, found.rate, found.sort], ["c", "all", "0.50", "score"]);
});

test("an address holds the values that differ from the defaults, and restores the state", () => {
  assert.equal(addressOf(validState({})), "#");
  const chosen = validState({ dataset: "two", stage: "2", at: "1.00" });
  assert.equal(addressOf(chosen), "#dataset=two&stage=2&at=1.00");
  assert.deepEqual(validState(Object.fromEntries(new URLSearchParams(addressOf(chosen).slice(1)))), chosen);
});

test("listeners are notified of a choice, and the address follows it", () => {
  const notified = [];
  listeners.push(() => notified.push(state.rate));
  choose({ rate: "0.70" });
  assert.equal(globalThis.location.hash, "#rate=0.70");
  choose({ rate: "0.50" });
  assert.deepEqual(notified, ["0.70", "0.50"]);
  assert.equal(globalThis.location.hash, "#");
});
