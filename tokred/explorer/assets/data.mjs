/* The study's data, embedded in the page. */
export const DATA = JSON.parse(document.getElementById("data").textContent);
export const [ROWS, COLUMNS] = DATA.grid;
export const TOKENS = ROWS * COLUMNS;
export const STAGES = DATA.locations.length;
/* Value that encodes -1: a dropped token. */
export const DROPPED = DATA.bytes === 1 ? 255 : 65535;
export const METHODS = new Map(DATA.methods.map((method) => [method.name, method]));
export const DATASETS = new Map(DATA.datasets.map((dataset) => [dataset.name, dataset]));
export const BACKBONES = new Map(DATA.backbones.map((backbone) => [backbone.name, backbone]));
const METRICS = { top1: "top-1", map: "mAP" };
export const metricLabel = (metric) => METRICS[metric] ?? metric;

const unpacked = new Map();

/* Unsigned integers from base64 (little-endian), decoded once. */
export function unpack(text) {
  if (!unpacked.has(text)) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    unpacked.set(text, DATA.bytes === 1 ? bytes : new Uint16Array(bytes.buffer));
  }
  return unpacked.get(text);
}

/* The unreduced model always has keep rate 1.00. */
function rateOf(method, rate) {
  return method === DATA.unreduced ? "1.00" : rate;
}

export function keyOf(dataset, backbone, method, rate) {
  return [dataset, backbone, method, rateOf(method, rate)].join("/");
}

/* Pattern and prediction of a run for an image: survived (token), clusters (stage, token), margin (stage),
   predicted; parts that the run does not have are null. Null if there is no such run. */
export function patternOf(key, image) {
  const run = DATA.runs[key];
  if (!run) return null;
  const slice = (text, size, index) => unpack(text).subarray(index * size, (index + 1) * size);
  const stages = [...Array(STAGES).keys()];
  return {
    survived: run.survived ? slice(run.survived, TOKENS, image) : null,
    clusters: run.clusters ? stages.map((s) => slice(run.clusters, TOKENS, image * STAGES + s)) : null,
    margin: run.margin ? run.margin[image] : null,
    predicted: run.predicted[image],
  };
}

/* Scores of the seed whose patterns are shown, by run. */
export const SCORES = new Map(
  DATA.scores
    .filter((row) => row.seed === DATA.seeds[0])
    .map((row) => [keyOf(row.dataset, row.backbone, row.method, row.keep_rate), row]),
);
