// The map and plots: every sample a point. Move, come nearer, look at a sample, draw around samples to choose them.

import { onKeys, repeating } from "./keys.js";
import { draw, nearest, unpack } from "./raster.js";

const root = document.getElementById("plot");
const canvas = document.getElementById("canvas");
const over = document.getElementById("over");
const state = document.getElementById("plot-state");
const shown = document.getElementById("plot-card");
const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
const lines = over.getContext("2d");
const MARGIN = 18; // pixels around all points
const MOVING_POINTS = 150_000; // that are drawn while the picture moves; all of them when it rests
const MOST_POINTS = 90; // of an outline; the server takes 100
// Colours that differ for most eyes, on light and on dark ground (Tol's bright scheme), and a ramp (viridis).
const BRIGHT = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#77aadd", "#bbcc33", "#999999"];
// More than ten groups get hues that lie far apart one after the other, in two lightnesses.
const MANY = Array.from({ length: 25 }, (_, n) => `hsl(${(n * 137.5) % 360} 60% ${n % 2 ? 62 : 46}%)`);
const RAMP = ["#440154", "#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#a0da39", "#fde725"];
const dark = matchMedia("(prefers-color-scheme: dark)");

let data = null;
let view = null;
let image = null;
let asked = false;
let lasso = true;

/** The parts of a colour that is written in any way that CSS knows. */
function parts(colour) {
  lines.fillStyle = colour;
  return rgb(lines.fillStyle);
}

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function themed() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => parts(style.getPropertyValue(name).trim());
  const scale = data?.ordered ? RAMP : data?.legend.length > BRIGHT.length ? MANY : BRIGHT;
  const colours = root.dataset.plain ? [read("--accent")] : scale.map(parts);
  return { ground: read("--panel"), faint: read(dark.matches ? "--line-strong" : "--line"), colours };
}

let resting = 0;

/** Draw before the next frame, once however often it is asked. While it `moves`, fewer points are drawn. */
function redraw(moves = false) {
  clearTimeout(resting);
  const step = moves ? Math.max(1, Math.ceil((data?.points || 0) / MOVING_POINTS)) : 1;
  if (step > 1) resting = setTimeout(redraw, 150);
  if (asked || !data) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    const begun = performance.now();
    const { ground, faint, colours } = themed();
    draw(image, data, view, colours, faint, ground, step);
    context.putImageData(image, 0, 0);
    root.dataset.drawn = String(Math.round(performance.now() - begun)); // milliseconds, for whoever measures
  });
}

function resize() {
  const ratio = Math.min(devicePixelRatio || 1, 2);
  const { width, height } = root.getBoundingClientRect();
  for (const one of [canvas, over]) [one.width, one.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  image = context.createImageData(canvas.width, canvas.height);
  if (data) whole(), shownArea();
}

function whole() {
  const margin = MARGIN * (canvas.width / root.clientWidth);
  const span = ([low, high]) => (high > low ? high - low : 1);
  const middle = ([low, high]) => (low + high) / 2;
  const sx = (canvas.width - 2 * margin) / span(data.x);
  const sy = -(canvas.height - 2 * margin) / span(data.y);
  view = { sx, sy, ox: canvas.width / 2 - middle(data.x) * sx, oy: canvas.height / 2 - middle(data.y) * sy };
  redraw();
}

function zoom(by, px = canvas.width / 2, py = canvas.height / 2) {
  view = { sx: view.sx * by, sy: view.sy * by, ox: px + (view.ox - px) * by, oy: py + (view.oy - py) * by };
  redraw(true);
}

function move(dx, dy) {
  view = { ...view, ox: view.ox + dx, oy: view.oy + dy };
  redraw(true);
}

function pixel(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
}

/** Ask for the page on which an outline, in pixels, is chosen. Two points are corners of an upright rectangle. */
function choose(outline) {
  const kept = outline.length > MOST_POINTS ? outline.filter((_, n) => Math.floor((n * MOST_POINTS) / outline.length) !== Math.floor(((n - 1) * MOST_POINTS) / outline.length)) : outline;
  const numbers = kept.flatMap(([px, py]) => [(px - view.ox) / view.sx, (py - view.oy) / view.sy]);
  const area = `${root.dataset.x}~${root.dataset.y}~${numbers.map((number) => Number(number.toPrecision(6))).join(",")}`;
  const address = new URL(location.href);
  address.searchParams.set("area", area);
  address.searchParams.set("x", root.dataset.x);
  address.searchParams.set("y", root.dataset.y);
  if (root.dataset.colour) address.searchParams.set("colour", root.dataset.colour);
  location.href = address.href;
}

function outlined(points) {
  lines.clearRect(0, 0, over.width, over.height);
  if (points.length < 2) return;
  lines.beginPath();
  for (const [x, y] of points) lines.lineTo(x, y);
  lines.closePath();
  lines.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  lines.lineWidth = 2;
  lines.stroke();
  lines.globalAlpha = 0.12;
  lines.fillStyle = lines.strokeStyle;
  lines.fill();
  lines.globalAlpha = 1;
}

/** Show the outline that is chosen now. */
function shownArea() {
  const area = new URL(location.href).searchParams.get("area")?.split("~");
  if (area?.length !== 3 || area[0] !== root.dataset.x || area[1] !== root.dataset.y) return;
  const numbers = area[2].split(",").map(Number);
  const corners = [];
  for (let n = 0; n < numbers.length; n += 2) corners.push([numbers[n] * view.sx + view.ox, numbers[n + 1] * view.sy + view.oy]);
  if (corners.length === 2) corners.splice(1, 0, [corners[1][0], corners[0][1]]), corners.push([corners[0][0], corners[2][1]]);
  outlined(corners);
}

async function look(number) {
  const answer = await fetch(root.dataset.card.replace(/0$/, data.rows[number]));
  if (answer.ok) shown.innerHTML = await answer.text(); // of our own template, which escapes
}

let held = null; // the gesture that goes on: its points in pixels

canvas.addEventListener("pointerdown", (event) => {
  if (!data || event.button > 1) return;
  canvas.setPointerCapture(event.pointerId);
  held = { draws: lasso && !event.shiftKey && event.button === 0, points: [pixel(event)] };
});
canvas.addEventListener("pointermove", (event) => {
  if (!held) return;
  const [x, y] = pixel(event);
  const [lastX, lastY] = held.points.at(-1);
  if (Math.hypot(x - lastX, y - lastY) < 3) return;
  held.points.push([x, y]);
  if (held.draws) outlined(held.points);
  else outlined([]), move(x - lastX, y - lastY);
});
canvas.addEventListener("pointerup", () => {
  if (!held) return;
  const { draws, points } = held;
  held = null;
  if (points.length < 3) {
    const found = nearest(data, view, ...points[0], 14);
    if (found >= 0) look(found);
  } else if (draws) choose(points);
});
canvas.addEventListener("pointercancel", () => (held = null));
canvas.addEventListener("wheel", (event) => {
  if (!data) return;
  event.preventDefault();
  outlined([]);
  zoom(Math.exp(-event.deltaY / 400), ...pixel(event));
}, { passive: false });

function tool(draws) {
  lasso = draws;
  document.getElementById("tool-lasso").setAttribute("aria-pressed", String(draws));
  document.getElementById("tool-move").setAttribute("aria-pressed", String(!draws));
}

const step = () => canvas.width / 10;
const acts = (work) => () => data && (outlined([]), work());
const inView = acts(() => choose([[0, 0], [canvas.width, canvas.height]]));
const [nearer, farther, all] = [acts(() => zoom(1.4)), acts(() => zoom(1 / 1.4)), acts(whole)];
for (const [id, work] of Object.entries({ nearer, farther, whole: all, "in-view": inView, "tool-lasso": () => tool(true), "tool-move": () => tool(false) })) {
  document.getElementById(id).addEventListener("click", work);
}
onKeys({
  "+": repeating(nearer),
  "=": repeating(nearer),
  "-": repeating(farther),
  0: all,
  s: inView,
  l: () => tool(!lasso),
  ArrowLeft: repeating(acts(() => move(step(), 0))),
  ArrowRight: repeating(acts(() => move(-step(), 0))),
  ArrowUp: repeating(acts(() => move(0, step()))),
  ArrowDown: repeating(acts(() => move(0, -step()))),
});
for (const field of document.querySelectorAll("#axes select")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}

function legend() {
  const { colours } = themed();
  document.getElementById("legend").replaceChildren(
    ...data.legend.map((label, number) => {
      const item = document.createElement("li");
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const dot = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      mark.setAttribute("viewBox", "0 0 10 10");
      mark.setAttribute("aria-hidden", "true");
      for (const [name, value] of Object.entries({ cx: 5, cy: 5, r: 5, fill: `rgb(${colours[number]})` })) dot.setAttribute(name, value);
      mark.append(dot);
      item.append(mark, document.createTextNode(label));
      return item;
    }),
  );
}

resize();
addEventListener("resize", resize);
dark.addEventListener("change", () => (redraw(), data && legend()));
const answer = await fetch(root.dataset.points);
if (answer.ok) {
  data = unpack(await answer.arrayBuffer());
  whole();
  legend();
  shownArea();
  const missing = data.missing ? `; ${data.missing.toLocaleString("en")} have no such value` : "";
  state.textContent = `${data.points.toLocaleString("en")} points, ${data.chosen.toLocaleString("en")} chosen${missing}`;
} else state.textContent = "The points could not be loaded.";
