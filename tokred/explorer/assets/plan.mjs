/* Contents and captions of the picture of a pattern at a stage, independent of drawing. */
import { DATA, DROPPED, STAGES, TOKENS } from "./data.mjs";
import { plural } from "./dom.mjs";
import { clusterColors, membersOf } from "./colors.mjs";

/* veiled: whether each token is dropped; region: number of its outlined region; color: index of its
   color, or null without clusters; centers: tokens with a mark. */
export function planOf(pattern, stage) {
  const kept = (token) => !pattern.survived || pattern.survived[token] >= stage;
  const all = [...Array(TOKENS).keys()];
  if (!pattern.clusters) {
    const veiled = all.map((token) => !kept(token));
    return { stage, pattern, veiled, region: veiled.map(Number), color: null, centers: [] };
  }
  const region = pattern.clusters[stage - 1];
  return {
    stage,
    pattern,
    veiled: all.map((token) => region[token] === DROPPED),
    region,
    color: clusterColors(pattern.clusters)[stage - 1],
    centers: pattern.survived ? all.filter(kept) : [],
  };
}

/* Tokens that are highlighted together with a token: its cluster, or only itself. */
export function highlightedWith(plan, token) {
  if (token === null) return [];
  if (!plan.pattern.clusters || plan.veiled[token]) return [token];
  return [...plan.region.keys()].filter((other) => plan.region[other] === plan.region[token]);
}

export const keptOf = (plan) => [...plan.veiled.keys()].filter((token) => !plan.veiled[token]);

/* Caption of a whole picture. */
export function summary(method, plan) {
  if (method.name === DATA.unreduced) return `all ${TOKENS} tokens`;
  if (!plan.pattern.clusters) return `${keptOf(plan).length} of ${TOKENS} tokens kept`;
  const count = membersOf(plan.region).size;
  return plan.pattern.margin ? `${plural(count, "region")}, see notes` : plural(count, "cluster");
}

/* Caption for a token of a picture; a shorter one for small pictures. */
export function fate(method, plan, token, short) {
  const { pattern } = plan;
  if (method.name === DATA.unreduced) return "kept";
  if (!pattern.clusters && !short) return keptUntil(pattern.survived[token]);
  if (plan.veiled[token]) return "dropped";
  if (!pattern.clusters) return "kept";
  const size = highlightedWith(plan, token).length;
  const number = `${pattern.margin ? "region" : "cluster"} ${plan.region[token] + 1}: `;
  const center = plan.centers.includes(token) ? ", center" : "";
  return `${short ? "" : number}${plural(size, "token")}${center}`;
}

function keptUntil(survived) {
  if (survived >= STAGES) return "kept to the end";
  return survived === 0 ? "dropped in stage 1" : `kept until stage ${survived}`;
}
