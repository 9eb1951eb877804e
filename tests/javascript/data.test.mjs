/* The data as the page carries them, and what is chosen of them. */
import "./page.mjs";

import assert from "node:assert/strict";
import { test } from "node:test";

import { DROPPED, keyOf, patternOf, SCORES, TOKENS } from "../../tokred/explorer/assets/data.mjs";
import { addressOf, checked, choose, listeners, state } from "../../tokred/explorer/assets/state.mjs";

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

test("a state that is not possible becomes the nearest that is", () => {
  assert.deepEqual(checked({}), {
    tab: "images", dataset: "one", backbone: "small", rate: "0.50", stage: "1", image: "a",
    in: "all", with: "all", at: "all", sort: "", order: "ascending",
  });
  const found = checked({ dataset: "two", image: "b", stage: "all", rate: "0.1", sort: "score" });
  assert.deepEqual([found.image, found.stage, found.rate, found.sort], ["c", "all", "0.50", "score"]);
});

test("an address holds what differs from the defaults, and leads back to it", () => {
  assert.equal(addressOf(checked({})), "#");
  const chosen = checked({ dataset: "two", stage: "2", at: "1.00" });
  assert.equal(addressOf(chosen), "#dataset=two&stage=2&at=1.00");
  assert.deepEqual(checked(Object.fromEntries(new URLSearchParams(addressOf(chosen).slice(1)))), chosen);
});

test("a choice is heard, kept in the address, and can be taken back", () => {
  const heard = [];
  listeners.push(() => heard.push(state.rate));
  choose({ rate: "0.70" });
  assert.equal(globalThis.location.hash, "#rate=0.70");
  choose({ rate: "0.50" });
  assert.deepEqual(heard, ["0.70", "0.50"]);
  assert.equal(globalThis.location.hash, "#");
});
