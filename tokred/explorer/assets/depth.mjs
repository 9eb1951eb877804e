/* The second view: through how many blocks the token at each place goes, as a mean over the data set. */
import { BACKBONES, DATA, DATASETS, keyOf } from "./data.mjs";
import { state } from "./state.mjs";
import { byId, element, headOf, labelled, listNotes, percent, place, selectFor } from "./dom.mjs";
import { depthColour } from "./colours.mjs";
import { DARK, sheet, stroke, tokenPicture } from "./picture.mjs";

let maps = [];
let mapsDrawnAgain = 0;
let mapPointedAt = null;

export function startDepth() {
  byId("depth-controls").append(
    selectFor("dataset", "Data set", labelled(DATASETS)),
    selectFor("backbone", "Backbone", labelled(BACKBONES)),
  );
  const low = DATA.locations[0];
  const ticks = [...new Set([...DATA.locations, DATA.depth])];
  const canvas = element("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  for (let x = 0; x < 256; x += 1) {
    context.fillStyle = depthColour(low + ((DATA.depth - low) * x) / 255);
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
    cards.length === 0 && "No method of this study keeps tokens: there are no depth maps.",
    without.length && `No maps: ${without.join(", ")}. They keep no input tokens: all are merged.`,
    "Over all test images. A token that a stage removes has passed the blocks up to that stage's; a kept " +
      `one passes all ${DATA.depth}.`,
    DATA.seeds.length > 1 && `Seed ${DATA.seeds[0]}, the first of ${DATA.seeds.join(", ")}.`,
  ]);
  pointAt(null);
}

/* Depth of every token, undefined where the method has none at the rate. */
const mapOf = (method, rate) => DATA.maps[keyOf(state.dataset, state.backbone, method.name, rate)];

function depthCard(method, rates) {
  const figures = rates.map((rate) => {
    const values = mapOf(method, rate);
    const shown = `${method.label} at ${percent(rate)}: ${range(values)} blocks`;
    const picture = tokenPicture(`${shown}. Arrow keys move over the tokens.`, (token, spoken) => {
      pointAt(token);
      if (token !== null && spoken) byId("spoken").textContent = `${place(token)}: ${values[token]} blocks`;
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

/* Frame a token in all maps, and tell its depth in each. */
function pointAt(token) {
  mapPointedAt = token;
  for (const { values, picture, line } of maps) {
    const { context, cell, ratio } = sheet(picture.over);
    line.textContent = token === null ? range(values) : values[token].toFixed(2);
    if (token === null) continue;
    const frame = new Path2D();
    frame.rect(...cell(token));
    stroke(context, frame, DARK, 4 * ratio);
    stroke(context, frame, "#ffffff", 2 * ratio);
  }
  byId("depth-pointed").textContent = token === null
    ? "Point at a token, or focus a map and use the arrow keys, to read its depth in every map."
    : `Token in ${place(token)}`;
}

function redrawMaps() {
  cancelAnimationFrame(mapsDrawnAgain);
  mapsDrawnAgain = requestAnimationFrame(() => {
    for (const { values, picture } of maps) {
      const { context, cell } = sheet(picture.base);
      values.forEach((depth, token) => {
        context.fillStyle = depthColour(depth);
        context.fillRect(...cell(token));
      });
    }
    pointAt(mapPointedAt);
  });
}
