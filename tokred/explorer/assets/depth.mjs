/* The second view: depth maps, the mean number of blocks that the token at each position passes. */
import { BACKBONES, DATA, DATASETS, keyOf } from "./data.mjs";
import { state } from "./state.mjs";
import { byId, element, headOf, labelOf, listNotes, percent, positionOf, selectFor } from "./dom.mjs";
import { depthColor } from "./colors.mjs";
import { clearedCanvas, DARK, stroke, tokenPicture } from "./picture.mjs";

let maps = [];
let pendingMapFrame = 0;
let pointedMapToken = null;

export function startDepth() {
  byId("depth-controls").append(
    selectFor("dataset", "Data set", labelOf(DATASETS)),
    selectFor("backbone", "Backbone", labelOf(BACKBONES)),
  );
  const low = DATA.locations[0];
  const ticks = [...new Set([...DATA.locations, DATA.depth])];
  const canvas = element("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  for (let x = 0; x < 256; x += 1) {
    context.fillStyle = depthColor(low + ((DATA.depth - low) * x) / 255);
    context.fillRect(x, 0, 1, 1);
  }
  const marks = ticks.map((tick) => {
    const mark = element("span", {}, String(tick));
    mark.style.left = `${(100 * (tick - low)) / (DATA.depth - low)}%`;
    return mark;
  });
  const ruler = element("div", { class: "ticks" }, ...marks);
  byId("depth-scale").append(element("p", {}, "Mean blocks passed"), canvas, ruler);
  new ResizeObserver(redrawMaps).observe(byId("depth-cards"));
}

export function showDepth() {
  if (state.tab !== "depth") return;
  maps = [];
  const without = [];
  const cards = [];
  for (const method of DATA.methods.filter(({ name }) => name !== DATA.unreduced)) {
    const rates = DATA.rates.filter((rate) => mapOf(method, rate));
    if (rates.length) cards.push(depthCard(method, rates));
    else without.push(method.label);
  }
  byId("depth-cards").replaceChildren(...cards);
  listNotes("depth-notes", [
    cards.length === 0 && "No method of this study keeps tokens, so there are no depth maps.",
    without.length && `No maps: ${without.join(", ")}. These methods merge all tokens and keep none.`,
    "Means over all test images. A token that a stage removes passes the blocks up to that of the stage; a " +
      `token that is kept to the end passes all ${DATA.depth}.`,
    DATA.seeds.length > 1 && `Seed ${DATA.seeds[0]}, the first of ${DATA.seeds.join(", ")}.`,
  ]);
  pointAt(null);
}

/* Depth of every token; undefined if the method has no depth map at the keep rate. */
const mapOf = (method, rate) => DATA.maps[keyOf(state.dataset, state.backbone, method.name, rate)];

function depthCard(method, rates) {
  const figures = rates.map((rate) => {
    const values = mapOf(method, rate);
    const shown = `${method.label} at ${percent(rate)}: ${range(values)} blocks`;
    const picture = tokenPicture(`${shown}. Arrow keys move over the tokens.`, (token, spoken) => {
      pointAt(token);
      if (token === null || !spoken) return;
      byId("spoken").textContent = `${positionOf(token)}: ${values[token]} blocks`;
    });
    const line = element("span", {});
    const data = { "data-method": method.name, "data-rate": rate, "data-values": values.join() };
    maps.push({ values, picture, line });
    const caption = element("figcaption", {}, element("b", {}, percent(rate)), line);
    return element("figure", data, picture.box, caption);
  });
  return element("article", { class: "card", "data-method": method.name }, ...headOf(method, "", ""),
    element("div", { class: "row" }, ...figures));
}

const range = (values) => `${Math.min(...values).toFixed(1)}\u2013${Math.max(...values).toFixed(1)}`;

/* Outline a token in all maps, and show its depth in each. */
function pointAt(token) {
  pointedMapToken = token;
  for (const { values, picture, line } of maps) {
    const { context, cell, ratio } = clearedCanvas(picture.over);
    line.textContent = token === null ? range(values) : values[token].toFixed(2);
    if (token === null) continue;
    const frame = new Path2D();
    frame.rect(...cell(token));
    stroke(context, frame, DARK, 4 * ratio);
    stroke(context, frame, "#ffffff", 2 * ratio);
  }
  byId("depth-pointed").textContent = token === null
    ? "Point at a token, or focus a map and use the arrow keys, to read its depth in every map."
    : `Token in ${positionOf(token)}`;
}

function redrawMaps() {
  cancelAnimationFrame(pendingMapFrame);
  pendingMapFrame = requestAnimationFrame(() => {
    for (const { values, picture } of maps) {
      const { context, cell } = clearedCanvas(picture.base);
      values.forEach((depth, token) => {
        context.fillStyle = depthColor(depth);
        context.fillRect(...cell(token));
      });
    }
    pointAt(pointedMapToken);
  });
}
