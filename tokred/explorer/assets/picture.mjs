/* A picture of tokens on canvas: one layer for the pattern, one for the token under the pointer or cursor. */
import { COLUMNS, ROWS, TOKENS } from "./data.mjs";
import { element } from "./dom.mjs";
import { EDGES, PALETTE, PLAIN } from "./colors.mjs";

const VEIL = "rgba(255, 255, 255, 0.78)";
const HATCH = "rgba(71, 85, 105, 0.45)";
const SHADE = "rgba(15, 23, 42, 0.6)";
export const DARK = "#0f172a";

/* A focusable box with two canvases; `move` is called with the token under the pointer or cursor, or null. */
export function tokenPicture(label, move) {
  const layers = [element("canvas", { class: "layer" }), element("canvas", { class: "layer" })];
  const roles = { role: "application", "aria-roledescription": "token picture", "aria-label": label };
  const box = element("div", { class: "picture", tabindex: 0, ...roles }, ...layers);
  box.style.aspectRatio = `${COLUMNS} / ${ROWS}`;
  let cursor = null;
  const at = (event) => {
    const frame = box.getBoundingClientRect();
    const column = Math.floor(((event.clientX - frame.left) / frame.width) * COLUMNS);
    const row = Math.floor(((event.clientY - frame.top) / frame.height) * ROWS);
    return row >= 0 && row < ROWS && column >= 0 && column < COLUMNS ? row * COLUMNS + column : null;
  };
  let reported;
  const go = (token, spoken) => {
    cursor = token ?? cursor;
    if (token !== reported || spoken) move(token, spoken);
    reported = token;
  };
  box.addEventListener("pointermove", (event) => go(at(event), false));
  box.addEventListener("pointerdown", (event) => go(at(event), false));
  box.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") go(null, false); });
  box.addEventListener("focus", () => { if (box.matches(":focus-visible")) go(cursor ?? middle(), true); });
  box.addEventListener("blur", () => go(null, false));
  box.addEventListener("keydown", (event) => {
    const token = event.key === "Escape" ? null : stepped(cursor ?? middle(), event.key);
    if (token === undefined) return;
    event.preventDefault();
    go(token, true);
  });
  return { box, base: layers[0], over: layers[1] };
}

const middle = () => Math.floor(ROWS / 2) * COLUMNS + Math.floor(COLUMNS / 2);

/* The token to which a key moves the cursor; undefined for other keys. */
export function stepped(token, key) {
  const row = Math.floor(token / COLUMNS);
  const column = token % COLUMNS;
  switch (key) {
    case "ArrowLeft": return column > 0 ? token - 1 : token;
    case "ArrowRight": return column < COLUMNS - 1 ? token + 1 : token;
    case "ArrowUp": return row > 0 ? token - COLUMNS : token;
    case "ArrowDown": return row < ROWS - 1 ? token + COLUMNS : token;
    case "Home": return row * COLUMNS;
    case "End": return row * COLUMNS + COLUMNS - 1;
    default: return undefined;
  }
}

/* A cleared canvas at screen resolution, with the rectangle of each token. */
export function clearedCanvas(canvas) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  /* Whole pixels, to avoid seams between tokens. */
  const x = (column) => Math.round((column * canvas.width) / COLUMNS);
  const y = (row) => Math.round((row * canvas.height) / ROWS);
  const cell = (token) => {
    const [row, column] = [Math.floor(token / COLUMNS), token % COLUMNS];
    return [x(column), y(row), x(column + 1) - x(column), y(row + 1) - y(row)];
  };
  return { context: canvas.getContext("2d"), cell, ratio, size: Math.min(x(1), y(1)) };
}

export function drawPattern(canvas, image, plan) {
  const { context, cell, ratio, size } = clearedCanvas(canvas);
  context.imageSmoothingEnabled = image.naturalWidth > 64; /* pixels of small images as they are */
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  for (let token = 0; token < TOKENS; token += 1) {
    if (plan.veiled[token]) veil(context, cell(token), ratio);
    else if (plan.color && plan.color[token] !== PLAIN) tint(context, cell(token), plan.color[token]);
  }
  const border = borders(cell, EDGES.filter(([a, b]) => plan.region[a] !== plan.region[b]));
  stroke(context, border, "#ffffff", Math.min(2.6 * ratio, size / 4));
  stroke(context, border, DARK, Math.min(1.1 * ratio, size / 8));
  plan.centers.forEach((token) => mark(context, cell(token), size, plan.color[token] === PLAIN));
}

function veil(context, [x, y, width, height], ratio) {
  context.fillStyle = VEIL;
  context.fillRect(x, y, width, height);
  context.strokeStyle = HATCH;
  context.lineWidth = 0.8 * ratio;
  context.beginPath();
  context.moveTo(x, y + height);
  context.lineTo(x + width, y);
  context.stroke();
}

function tint(context, frame, color) {
  context.globalAlpha = 0.55;
  context.fillStyle = PALETTE[color];
  context.fillRect(...frame);
  context.globalAlpha = 1;
}

/* Lines between pairs of adjacent tokens. */
function borders(cell, edges) {
  const path = new Path2D();
  for (const [first, second] of edges) {
    const [x, y, width, height] = cell(second);
    path.moveTo(x, y);
    if (second - first === 1 && COLUMNS > 1) path.lineTo(x, y + height);
    else path.lineTo(x + width, y);
  }
  return path;
}

export function stroke(context, path, color, width) {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.lineCap = "square";
  context.stroke(path);
}

/* The mark of a cluster center, smaller if the cluster has a single token. */
export function mark(context, [x, y, width, height], size, single) {
  context.beginPath();
  context.arc(x + width / 2, y + height / 2, size * (single ? 0.08 : 0.2), 0, 2 * Math.PI);
  context.fillStyle = "#ffffff";
  context.fill();
  context.lineWidth = Math.max(1, size * 0.09);
  context.strokeStyle = DARK;
  context.stroke();
}

/* Outline highlighted tokens, shade all others (with clusters only), and frame the token itself. */
export function drawHighlight(canvas, lit, token, shade) {
  const { context, cell, ratio } = clearedCanvas(canvas);
  if (token === null) return;
  const inside = new Set(lit);
  context.fillStyle = SHADE;
  for (let other = 0; other < TOKENS; other += 1) {
    if (shade && !inside.has(other)) context.fillRect(...cell(other));
  }
  const border = borders(cell, EDGES.filter(([a, b]) => inside.has(a) !== inside.has(b)));
  stroke(context, border, "#ffffff", 4 * ratio);
  stroke(context, border, DARK, 1.6 * ratio);
  const [x, y, width, height] = cell(token);
  const frame = new Path2D();
  frame.rect(x + 1.5 * ratio, y + 1.5 * ratio, width - 3 * ratio, height - 3 * ratio);
  stroke(context, frame, DARK, 3 * ratio);
  stroke(context, frame, "#facc15", 1.6 * ratio);
}
