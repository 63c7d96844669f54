// The page of `d2a studio`. It computes nothing: every action asks the server, which calls what the command line calls.

import { bringClip, showAnimation, showDrivers } from "./animation.js";
import { camera } from "./camera.js";
import { $, get, tried } from "./common.js";
import { bringPhoto, choose, showFaces } from "./faces.js";
import "./files.js";
import { follow, whenDone } from "./jobs.js";

async function refresh() {
  const state = await get("/api/state");
  $("place").textContent = state.work;
  showFaces(state);
  if (!state.computed) $("empty").textContent = "Nothing is computed yet. The first face takes the whole workflow, a quarter of an hour.";
  showDrivers(state);
}

whenDone(async (results) => {
  await refresh();
  if (results.face) await choose(results.face);
  if (results.video) showAnimation(results);
});
$("photo-camera").addEventListener("click", camera(bringPhoto, false));
$("clip-camera").addEventListener("click", camera(bringClip, true));

await tried(refresh)();
document.body.dataset.ready = "";
if (sessionStorage.getItem("job")) follow(sessionStorage.getItem("job"));
