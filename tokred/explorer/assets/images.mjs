/* The first view: patterns of all methods for one image, side by side. */
import {
  BACKBONES, COLUMNS, DATA, DATASETS, DROPPED, keyOf, metricLabel, patternOf, ROWS, SCORES,
} from "./data.mjs";
import { ALL, choose, state } from "./state.mjs";
import {
  byId, element, headOf, labelOf, listNotes, percent, positionOf, radiosFor, selectFor,
} from "./dom.mjs";
import { fate, highlightedWith, keptOf, planOf, summary } from "./plan.mjs";
import { drawHighlight, drawPattern, tokenPicture } from "./picture.mjs";

let panels = [];
let currentImage = new Image();
let pointedToken = null;
let pendingFrame = 0;

const datasetNow = () => DATASETS.get(state.dataset);
const imageNow = () => datasetNow().images.findIndex((image) => image.id === state.image);

export function startImages() {
  const controls = [
    selectFor("dataset", "Data set", labelOf(DATASETS)),
    selectFor("backbone", "Backbone", labelOf(BACKBONES)),
    radiosFor("rate", "Keep rate", percent),
    radiosFor("stage", "Stage", (stage) => (stage === ALL ? "all" : stage)),
  ];
  byId("images-controls").append(...controls);
  const keys = [
    ["dropped", "dropped token"], ["cluster", "cluster of several tokens"], ["single", "single token"],
    ["center", "cluster center"],
  ];
  const signs = keys.map(([name, text]) => element("li", {}, element("i", { class: name }), text));
  byId("legend").append(...signs);
  new ResizeObserver(redraw).observe(byId("cards"));
}

/* The strip of images to choose from. */
function showChooser() {
  const { images, classes } = datasetNow();
  const now = imageNow();
  const step = (by) => () => choose({ image: images[(now + by + images.length) % images.length].id });
  const inputs = images.map((image, index) => element("input", {
    type: "radio", name: "image", value: image.id, checked: index === now,
    onchange: () => choose({ image: image.id }),
  }));
  const thumbnails = images.map(({ id, src, labels }, index) => element("label", { title: id }, inputs[index],
    element("img", { src, alt: `${id}, label ${classNames(labels, classes)}` })));
  /* With known aspect ratios the strip can be scrolled before the images are loaded. */
  thumbnails.forEach((label) => { label.lastChild.style.aspectRatio = `${COLUMNS} / ${ROWS}`; });
  const strip = element("div", { class: "strip" }, ...thumbnails);
  const button = (name, label, sign, by) =>
    element("button", { type: "button", "data-step": name, "aria-label": label, onclick: step(by) }, sign);
  const before = button("before", "Previous image", "\u2039", -1);
  const after = button("after", "Next image", "\u203a", 1);
  const { name, dataset } = document.activeElement;
  byId("chosen").replaceChildren(element("fieldset", { class: "chooser" },
    element("legend", {}, `Image ${now + 1} of ${images.length} `,
      element("span", { class: "faint" },
        `${images[now].id}, label ${classNames(images[now].labels, classes)}`)),
    before, strip, after));
  /* The focused element was replaced. */
  const focused = name === "image" ? inputs[now] : { before, after }[dataset.step];
  focused?.focus({ preventScroll: true });
  strip.scrollLeft = thumbnails[now].offsetLeft - strip.clientWidth / 2;
}

const classNames = (labels, classes) => labels.map((label) => classes[label]).join(", ") || "none";

/* A method's card: name, score, prediction for the image, and a picture per stage. */
function methodCard(method, stages) {
  const key = keyOf(state.dataset, state.backbone, method.name, state.rate);
  const pattern = patternOf(key, imageNow());
  const score = SCORES.get(key);
  const known = score && score.score !== null;
  const shown = known ? [`${score.score.toFixed(2)}\u202f%`, metricLabel(score.metric)] : ["", ""];
  const head = headOf(method, ...shown);
  if (!pattern) {
    const low = Number(state.rate) < Number(method.least);
    const why = low ? `: it keeps at least ${percent(method.least)}` : "";
    return element("article", { class: "card", "data-method": method.name }, ...head,
      element("p", { class: "absent" }, `No run at ${percent(state.rate)}${why}.`));
  }
  const figures = stages.map((stage) => figureOf(method, planOf(pattern, stage)));
  return element("article", { class: "card", "data-method": method.name }, ...head, verdict(pattern),
    element("div", { class: "row" }, ...figures));
}

/* Whether the image is classified correctly, with a sign and in words, as color alone is not accessible. */
function verdict(pattern) {
  const { classes, images } = datasetNow();
  const { labels } = images[imageNow()];
  const { predicted } = pattern;
  const right = labels.length === predicted.length && labels.every((label) => predicted.includes(label));
  const text = right ? `\u2713 correct: ${classNames(labels, classes)}`
    : `\u2717 wrong: ${classNames(predicted, classes)} instead of ${classNames(labels, classes)}`;
  return element("p", { class: `verdict ${right ? "right" : "wrong"}`, "data-right": String(right) }, text);
}

function figureOf(method, plan) {
  const short = state.stage === ALL;
  const text = summary(method, plan);
  const label = `${method.label}, stage ${plan.stage}: ${text}. Arrow keys move over the tokens.`;
  const picture = tokenPicture(label, (token, spoken) => light(token, spoken ? method : null, plan));
  const line = element("span", {}, text);
  const title = short ? [element("b", {}, `Stage ${plan.stage}`)] : [];
  const caption = element("figcaption", {}, ...title, line);
  const data = { "data-method": method.name, "data-stage": plan.stage, "data-kept": keptOf(plan).join() };
  const { pattern } = plan;
  const centers = pattern.clusters && pattern.survived ? plan.centers.join() : null;
  const clusters = pattern.clusters ? [...plan.region].map((id) => (id === DROPPED ? -1 : id)).join() : null;
  const further = { "data-centers": centers, "data-clusters": clusters, "data-lit": "" };
  const figure = element("figure", { ...data, ...further }, picture.box, caption);
  panels.push({ method, plan, picture, line, figure, short });
  return figure;
}

/* Highlight a token and its cluster in all pictures. */
function light(token, spokenFor, spokenPlan) {
  pointedToken = token;
  for (const { method, plan, picture, line, figure, short } of panels) {
    const lit = highlightedWith(plan, token);
    drawHighlight(picture.over, lit, token, plan.pattern.clusters !== null);
    figure.dataset.lit = lit.join();
    line.textContent = token === null ? summary(method, plan) : fate(method, plan, token, short);
  }
  byId("pointed").textContent = token === null
    ? "Point at a token, or focus a picture and use the arrow keys, to follow it through all methods."
    : `Token in ${positionOf(token)}`;
  if (token !== null && spokenFor) {
    byId("spoken").textContent = `${positionOf(token)}: ${fate(spokenFor, spokenPlan, token, false)}`;
  }
}

export function showImages() {
  if (state.tab !== "images") return;
  panels = [];
  showChooser();
  const every = DATA.locations.map((_, index) => index + 1);
  const stages = state.stage === ALL ? every : [Number(state.stage)];
  const cards = byId("cards");
  cards.classList.toggle("wide", stages.length > 1);
  cards.replaceChildren(...DATA.methods.map((method) => methodCard(method, stages)));
  cards.setAttribute("aria-busy", "true");
  const image = new Image();
  currentImage = image;
  image.addEventListener("load", () => { if (currentImage === image) redraw(); });
  image.src = datasetNow().images[imageNow()].src;
  light(null);
  showImageNotes();
}

function showImageNotes() {
  const { task, images, total, label } = datasetNow();
  const present = (test) => DATA.methods.filter(test).map((method) => method.label).join(", ");
  const soft = present((method) => method.soft);
  const margins = panels.filter(({ plan }) => plan.pattern.margin).map(({ method, plan }) => {
    const margin = plan.pattern.margin[plan.stage - 1] ?? "undefined";
    return `${method.label} ${state.stage === ALL ? `stage ${plan.stage} ` : ""}${margin}`;
  });
  const dynamic = present((method) => method.dynamic);
  listNotes("images-notes", [
    soft && `Soft merging (${soft}): every output token is a weighted mean of all tokens, so there are ` +
      "neither kept tokens nor clusters. The regions show the output token in which each token has its " +
      "largest weight. Margin between the largest and the second largest weight, mean over the image's " +
      `tokens (near 0: the regions mean little): ${margins.join("; ") || "no run"}.`,
    dynamic && `${dynamic}: the number of kept tokens varies from image to image; the keep rate is an ` +
      "upper bound.",
    task === "multi" && "Images have several labels: all classes with a probability above one half are " +
      "predicted; correct means exactly the labels of the image.",
    `${images.length} of ${total} test images of ${label}, chosen evenly over the classes, then by id. ` +
      "Percentages are of all test images.",
    DATA.seeds.length > 1 && "Patterns, predictions and percentages are of seed " +
      `${DATA.seeds[0]}, the first of ${DATA.seeds.join(", ")}.`,
  ]);
}

/* Redraw all pictures, at most once per frame, after a change of image or size. */
function redraw() {
  cancelAnimationFrame(pendingFrame);
  pendingFrame = requestAnimationFrame(() => {
    if (!currentImage.complete || !currentImage.naturalWidth) return;
    for (const { plan, picture } of panels) drawPattern(picture.base, currentImage, plan);
    light(pointedToken);
    byId("cards").setAttribute("aria-busy", "false");
  });
}
