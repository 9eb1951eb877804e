/* What the explorer's modules find in a browser: a small study's data, and an address. Import it first. */

const base64 = (...values) => Buffer.from(values).toString("base64");
const score = (method, rate, value, changes = {}) => ({
  dataset: "one", backbone: "small", method, keep_rate: rate, seed: 0, metric: "top1", score: value,
  loss: 1.25, agreement: method === "none" ? null : 91.256, gmacs: rate * 0.24681, n: 10, ...changes,
});

/* Two rows of three tokens, stages in blocks 3 and 6; method names mean nothing here. */
export const DATA = {
  study: "tiny",
  grid: [2, 3],
  bytes: 1,
  locations: [3, 6],
  depth: 12,
  unreduced: "none",
  rates: ["0.50", "0.70"],
  seeds: [0, 1],
  scale: ["#000000", "#555555", "#aaaaaa", "#ffffff"],
  methods: [
    { name: "none", label: "Unreduced", family: "unreduced" },
    { name: "cut", label: "Cut", family: "pruning" },
    { name: "join", label: "Join", family: "merging" },
  ],
  datasets: [
    { name: "one", label: "One", images: [{ id: "a" }, { id: "b" }] },
    { name: "two", label: "Two", images: [{ id: "c" }] },
  ],
  backbones: [{ name: "small", label: "Small" }, { name: "large", label: "Large" }],
  runs: {
    "one/small/cut/0.50": { survived: base64(2, 1, 0, 2, 0, 0, 0, 0, 2, 1, 1, 2), predicted: [[0], [1]] },
    "one/small/join/0.50": {
      clusters: base64(...Array(12).fill(0), 0, 0, 1, 0, 2, 255, 0, 0, 0, 0, 2, 255),
      predicted: [[0], [1]],
    },
    "one/small/none/1.00": { survived: base64(...Array(12).fill(2)), predicted: [[0], [0]] },
  },
  scores: [
    score("none", "1.00", 80), score("none", "1.00", 60, { seed: 1 }),
    score("join", "0.50", null), score("cut", "0.50", 70.126), score("cut", "0.70", 81),
    score("cut", "0.50", 50, { seed: 1 }), score("cut", "0.50", 90, { dataset: "two", metric: "map" }),
  ],
  maps: {},
};

globalThis.document = { getElementById: () => ({ textContent: JSON.stringify(DATA) }) };
globalThis.window = { addEventListener: () => {} };
globalThis.location = {
  hash: "",
  replace(address) { this.hash = address; },
};
