/* Colors of clusters, which differ between neighbors and persist over stages; and of depth. */
import { COLUMNS, DATA, DROPPED, TOKENS } from "./data.mjs";

/* Okabe and Ito's palette and three colors of Tol's, distinguishable with color blindness; clusters also have
   outlines. */
export const PALETTE = [
  "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#882255",
  "#44AA99", "#332288",
];
export const PLAIN = -1;

/* Tokens of each cluster of a stage. */
export function membersOf(assigned) {
  const members = new Map();
  assigned.forEach((cluster, token) => {
    if (cluster === DROPPED) return;
    if (!members.has(cluster)) members.set(cluster, []);
    members.get(cluster).push(token);
  });
  return members;
}

/* Pairs of tokens with a common edge. */
export const EDGES = [];
for (let token = 0; token < TOKENS; token += 1) {
  if (token % COLUMNS < COLUMNS - 1) EDGES.push([token, token + 1]);
  if (token + COLUMNS < TOKENS) EDGES.push([token, token + COLUMNS]);
}

function neighborsOf(assigned) {
  const neighbors = new Map();
  const add = (a, b) => neighbors.set(a, (neighbors.get(a) ?? new Set()).add(b));
  for (const [first, second] of EDGES) {
    const [a, b] = [assigned[first], assigned[second]];
    if (a !== b) { add(a, b); add(b, a); }
  }
  return neighbors;
}

/* Color of every token (an index into the palette) at every stage; PLAIN for tokens that are dropped or the
   only one of their cluster. The largest part of a cluster has its color already in the stage before, so that
   a growing cluster keeps its color. */
export function clusterColors(clusters) {
  const colors = clusters.map(() => new Int8Array(TOKENS).fill(PLAIN));
  for (let stage = clusters.length - 1; stage >= 0; stage -= 1) {
    const members = membersOf(clusters[stage]);
    const assigned = inheritedColors(clusters, colors, stage, members);
    const neighbors = neighborsOf(clusters[stage]);
    const used = new Array(PALETTE.length).fill(0);
    assigned.forEach((color) => { used[color] += 1; });
    const rest = [...members].filter(([id, tokens]) => tokens.length > 1 && !assigned.has(id));
    rest.sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
    for (const [id] of rest) {
      const color = leastUsed(neighbors.get(id) ?? new Set(), assigned, used);
      assigned.set(id, color);
      used[color] += 1;
    }
    assigned.forEach((color, id) => members.get(id).forEach((token) => { colors[stage][token] = color; }));
  }
  return colors;
}

/* Colors that clusters of a stage take from the next stage, by cluster: the largest part of each cluster
   there takes its color. */
function inheritedColors(clusters, colors, stage, members) {
  const heirs = new Map();
  const next = clusters[stage + 1];
  if (!next) return heirs;
  const parts = [...members].filter(([, tokens]) => tokens.length > 1);
  parts.sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
  const taken = new Set();
  for (const [id, [token]] of parts) {
    const parent = next[token];
    if (parent !== DROPPED && !taken.has(parent)) {
      taken.add(parent);
      heirs.set(id, colors[stage + 1][token]);
    }
  }
  return heirs;
}

/* The color of the fewest neighbors, and among these the one used least. */
function leastUsed(neighbors, assigned, used) {
  const near = new Array(PALETTE.length).fill(0);
  neighbors.forEach((id) => { if (assigned.has(id)) near[assigned.get(id)] += 1; });
  const cost = (color) => near[color] * TOKENS + used[color];
  return PALETTE.reduce((best, _, color) => (cost(color) < cost(best) ? color : best), 0);
}

/* Color of a depth; the scale covers all depths that the network can produce. */
export function depthColor(depth) {
  const low = DATA.locations[0];
  const part = Math.min(1, Math.max(0, (depth - low) / (DATA.depth - low)));
  return DATA.scale[Math.round(part * (DATA.scale.length - 1))];
}
