// The picture: drafts while a slider moves, nearer ones once it stands still, then the full size.

import { $, ask, complain } from "./common.js";

const SETTLE_MS = 120; // after the last draft, before the full size is asked for

export const view = { face: null, values: {}, direction: null, strength: 0 };
let since = null; // when the sliders moved first of what no draft has been asked for
let drafting = false;
let settling = 0;
let finishing = new AbortController();

function query(more = {}) {
  const words = { face: view.face, values: JSON.stringify(view.values), ...more };
  if (view.direction !== null && !("direction" in more)) {
    Object.assign(words, { direction: view.direction, strength: view.strength });
  }
  return new URLSearchParams(words).toString();
}

export async function picture(words, signal) {
  const answer = await ask(`/api/picture?${words}`, { signal });
  const [notes, done] = [["X-Notes", "[]"], ["X-Done", "true"]].map(([name, none]) => JSON.parse(answer.headers.get(name) ?? none));
  return { url: URL.createObjectURL(await answer.blob()), notes, done };
}

export async function put(image, url) {
  const old = image.src;
  image.src = url;
  image.hidden = false;
  await image.decode().catch(() => {});
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

export function moved() {
  since ??= performance.now();
  finishing.abort();
  clearTimeout(settling);
  delete $("now").dataset.size;
  draft();
}

async function draft() {
  if (drafting || since === null) return;
  const [start, face] = [since, view.face];
  [since, drafting] = [null, true];
  try {
    let found = { done: false };
    for (let first = true; !found.done && since === null && face === view.face; first = false) {
      found = await picture(query());
      if (face !== view.face) break;
      await put($("now"), found.url);
      told(found.notes, "draft", start, first ? "draft" : "nearer");
    }
    $("error").hidden = true;
  } catch (error) {
    complain(error);
  } finally {
    drafting = false;
  }
  if (since !== null) draft();
  else settling = setTimeout(() => finish(start), SETTLE_MS);
}

async function finish(start) {
  finishing = new AbortController();
  try {
    const found = await picture(query({ size: "full" }), finishing.signal);
    if (since !== null || drafting) return;
    await put($("now"), found.url);
    told(found.notes, "full", start);
  } catch (error) {
    complain(error);
  }
}

function told(notes, size, start, what = size) {
  performance.measure(what, { start, end: performance.now() });
  $("empty").hidden = true;
  $("now").alt = `${view.face}, ${described()}`;
  $("now").dataset.size = size;
  $("caption").textContent = notes.length ? notes.join(" ") : "Draft";
  $("save-png").href = `/api/picture?${query({ size: "full", keep: 1 })}`;
  $("save-latents").href = `/api/latents?${query({ size: "full" })}`;
  $("save-png").hidden = $("save-latents").hidden = false;
}

function described() {
  const changed = Object.entries(view.values).filter(([, value]) => value !== 0);
  const parts = changed.map(([name, value]) => `${name} ${value}`);
  if (view.direction !== null) parts.push(`direction ${view.direction} at ${view.strength}`);
  return parts.join(", ") || "unchanged";
}

export function comparing() {
  const on = $("compare").checked && view.face !== null;
  $("before").hidden = $("comparing").hidden = !on;
  $("frame").classList.toggle("cut", on);
  $("frame").style.setProperty("--cut", `${$("cut").value}%`);
  $("cut").setAttribute("aria-valuetext", `${$("cut").value} percent before`);
}

$("compare").addEventListener("change", comparing);
$("cut").addEventListener("input", comparing);
