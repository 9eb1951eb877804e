/* Colours: of clusters, told apart by neighbours and kept over the stages, and of depth. */
import { COLUMNS, DATA, DROPPED, TOKENS } from "./data.mjs";

/* Okabe and Ito's and three of Tol's, told apart by colour-blind people too; outlines say the same. */
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

function neighboursOf(assigned) {
  const neighbours = new Map();
  const add = (a, b) => neighbours.set(a, (neighbours.get(a) ?? new Set()).add(b));
  for (const [first, second] of EDGES) {
    const [a, b] = [assigned[first], assigned[second]];
    if (a !== b) { add(a, b); add(b, a); }
  }
  return neighbours;
}

/* Colour of every token (an index into the palette) at every stage; PLAIN for tokens that are dropped or a
   cluster of their own. A cluster has the colour of the cluster that its largest part belongs to in the next
   stage: whatever grows keeps its colour. */
export function clusterColours(clusters) {
  const colours = clusters.map(() => new Int8Array(TOKENS).fill(PLAIN));
  for (let stage = clusters.length - 1; stage >= 0; stage -= 1) {
    const members = membersOf(clusters[stage]);
    const given = inherited(clusters, colours, stage, members);
    const neighbours = neighboursOf(clusters[stage]);
    const used = new Array(PALETTE.length).fill(0);
    given.forEach((colour) => { used[colour] += 1; });
    const rest = [...members].filter(([id, tokens]) => tokens.length > 1 && !given.has(id));
    rest.sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
    for (const [id] of rest) {
      const colour = freest(neighbours.get(id) ?? new Set(), given, used);
      given.set(id, colour);
      used[colour] += 1;
    }
    given.forEach((colour, id) => members.get(id).forEach((token) => { colours[stage][token] = colour; }));
  }
  return colours;
}

/* Colours that clusters of a stage have from the next: the largest part of each cluster there has its. */
function inherited(clusters, colours, stage, members) {
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
      heirs.set(id, colours[stage + 1][token]);
    }
  }
  return heirs;
}

/* The colour that the fewest neighbours have, and of these the one used least. */
function freest(neighbours, given, used) {
  const near = new Array(PALETTE.length).fill(0);
  neighbours.forEach((id) => { if (given.has(id)) near[given.get(id)] += 1; });
  const cost = (colour) => near[colour] * TOKENS + used[colour];
  return PALETTE.reduce((best, _, colour) => (cost(colour) < cost(best) ? colour : best), 0);
}

/* Colour of a depth; the scale is as wide as the network allows. */
export function depthColour(depth) {
  const low = DATA.locations[0];
  const part = Math.min(1, Math.max(0, (depth - low) / (DATA.depth - low)));
  return DATA.scale[Math.round(part * (DATA.scale.length - 1))];
}
