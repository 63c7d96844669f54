// Faces: choosing one, its sliders, and preparing new ones.

import { $, address, get, make, post, tried, upload } from "./common.js";
import { forgetThumbnails, turnTo } from "./directions.js";
import { follow, outcome } from "./jobs.js";
import { comparing, moved, picture, put, view } from "./picture.js";

let photo = null; // path of the uploaded photo that waits to be prepared
let quick = false; // whether a first look takes seconds
let controlled = false; // whether the controls have been measured, which the first face waits for

export async function choose(face) {
  if (!controlled) return follow((await post("/api/source", { known: face })).job);
  Object.assign(view, { face, values: {}, direction: null, strength: 0 });
  $("face").value = face;
  $("caption").textContent = "Loading the face, which takes some seconds the first time";
  const controls = await get(`/api/controls?${new URLSearchParams({ face })}`);
  if (view.face !== face) return;
  $("sliders").replaceChildren(...controls.map(slider));
  $("no-sliders").hidden = true;
  for (const id of ["reset", "animate", "front"]) $(id).disabled = false;
  turnTo(null);
  forgetThumbnails();
  moved();
  const before = await picture(new URLSearchParams({ face, size: "full" }));
  if (view.face === face) await put($("before"), before.url);
  comparing();
}

function slider(control) {
  const id = `control-${control.name}`;
  const step = control.high - control.low < 30 ? 0.5 : 1;
  const whole = (value, round) => (round(value / step) * step).toFixed(2); // or 0 is no value that it can take
  const [min, max] = [whole(control.low, Math.ceil), whole(control.high, Math.floor)];
  const input = make("input", { id, type: "range", min, max, step, value: 0 });
  input.setAttribute("list", "rest");
  input.dataset.unit = control.unit;
  input.dataset.name = control.name;
  input.addEventListener("input", () => {
    set(input, Number(input.value));
    moved();
  });
  const row = make("div", { className: "slider" }, make("label", { htmlFor: id, textContent: control.label }), input);
  row.append(make("output", { htmlFor: id }));
  set(input, 0);
  return row;
}

function set(input, value) {
  input.value = value;
  const shown = Math.abs(value) < 1e-9 ? 0 : value;
  const text = `${Number(shown.toFixed(2))} ${input.dataset.unit}`.trim();
  input.setAttribute("aria-valuetext", text);
  view.values[input.dataset.name] = shown;
  const output = input.parentElement?.querySelector("output");
  if (output) output.textContent = text;
}

// The faces of the state, and whether sliders are there.
export function showFaces(state) {
  const faces = state.faces.map((face) => make("option", { value: face.name, textContent: face.label }));
  $("face").replaceChildren(make("option", { value: "", textContent: faces.length ? "Choose one" : "none yet" }), ...faces);
  $("face").value = view.face ?? "";
  controlled = state.controls;
  quick = state.first_look;
}

$("reset").addEventListener("click", () => {
  view.values = {};
  turnTo(null);
  for (const slider of $("sliders").querySelectorAll("input")) set(slider, 0);
  moved();
});
$("front").addEventListener(
  "click",
  tried(async () => {
    const { values } = await get(`/api/front?${new URLSearchParams({ face: view.face })}`);
    turnTo(null);
    for (const input of $("sliders").querySelectorAll("input")) set(input, values[input.dataset.name] ?? 0);
    moved();
  }),
);

export async function bringPhoto(file, name) {
  [photo, $("prepare").disabled] = [null, true];
  $("photo-name").textContent = `Reading ${name}`;
  try {
    photo = (await upload("photo", file, name)).path;
    $("photo-name").textContent = `${name} can be used.`;
    $("prepare").disabled = false;
    if (quick) look();
  } catch (error) {
    $("photo-name").textContent = "";
    throw error;
  }
}

const chosenFace = () => (Number($("which").value) > 1 ? Number($("which").value) : null);

// The photo as it moves, seconds after it came; a later one takes the place of an earlier.
const look = tried(async () => {
  const shown = $("first-look");
  shown.hidden = true;
  const asked = photo;
  const said = $("photo-name").textContent;
  $("photo-name").textContent = `${said} A first look comes within seconds.`;
  const { job } = await post("/api/first-look", { photo, face: chosenFace() });
  const results = await outcome(job).finally(() => photo === asked && ($("photo-name").textContent = said));
  if (photo !== asked) return;
  shown.src = `${address(results["first look"])}?${new URLSearchParams({ job })}`; // not an older one that is kept
  shown.hidden = false;
  await shown.play().catch(() => (shown.controls = true));
});

addEventListener("dragover", (event) => event.preventDefault());
addEventListener(
  "drop",
  tried(async (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file) await bringPhoto(file, file.name);
  }),
);
$("which").addEventListener("change", () => photo && quick && look());
$("face").addEventListener("change", tried(() => $("face").value && choose($("face").value)));
$("photo").addEventListener(
  "change",
  tried(async () => {
    const [file] = $("photo").files;
    if (file) await bringPhoto(file, file.name);
  }),
);
$("prepare").addEventListener(
  "click",
  tried(async () => {
    const options = { photo, face: chosenFace(), method: $("method").value || null, tune: $("tune").checked || null };
    follow((await post("/api/source", options)).job);
  }),
);
$("sow").addEventListener("click", tried(async () => follow((await post("/api/source", { seed: $("seed").value })).job)));
