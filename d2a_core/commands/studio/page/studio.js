// The page of `d2a studio`. It computes nothing: every action asks the server, which calls what the command line calls.

const POLL_MS = 500; // between two questions about a job
const SETTLE_MS = 120; // after the last draft, before the full size is asked for
const RECORD_MS = 4000;

const $ = (id) => document.getElementById(id);
const view = { face: null, values: {}, direction: null, strength: 0 };
let photo = null; // path of the uploaded photo that waits to be prepared
let settings = {};
let controlled = false; // whether the controls have been measured, which the first face waits for

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function complain(error) {
  if (error?.name === "AbortError") return;
  $("error").textContent = error instanceof TypeError ? "The studio does not answer; is it still running?" : error.message;
  $("error").hidden = false;
  $("error").scrollIntoView({ block: "center" });
}

function tried(action) {
  return async (...words) => {
    $("error").hidden = true;
    try {
      return await action(...words);
    } catch (error) {
      complain(error);
    }
  };
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  throw new Error(told.error ?? `The studio failed (${answer.status}); its terminal says why.`);
}

const get = async (path) => (await ask(path)).json();
const post = async (path, body) => (await ask(path, { method: "POST", body: JSON.stringify(body) })).json();

// Tabs ---------------------------------------------------------------------------------------------------------------

const tabs = [...document.querySelectorAll("[role=tab]")];

function open(tab) {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", chosen);
    other.tabIndex = chosen ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (tab.id === "tab-files") list(folder);
  if (tab.id === "tab-directions") showDirections();
}

tabs.forEach((tab, index) => {
  tab.addEventListener("click", () => open(tab));
  tab.addEventListener("keydown", (event) => {
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    tabs[to % tabs.length].focus();
    open(tabs[to % tabs.length]);
  });
});

// The picture --------------------------------------------------------------------------------------------------------

let since = null; // when the sliders moved first of what no draft has been asked for
let drafting = false;
let measuring = false; // whether a measured picture is on its way, or shown
let moves = 0; // counts them, to tell whether an answer is still wanted
let settling = 0;
let finishing = new AbortController();

function query(more = {}) {
  const words = { face: view.face, values: JSON.stringify(view.values), ...more };
  if (view.direction !== null && !("direction" in more)) {
    Object.assign(words, { direction: view.direction, strength: view.strength });
  }
  return new URLSearchParams(words).toString();
}

async function picture(words, signal) {
  const answer = await ask(`/api/picture?${words}`, { signal });
  return { url: URL.createObjectURL(await answer.blob()), notes: JSON.parse(answer.headers.get("X-Notes") ?? "[]") };
}

async function put(image, url) {
  const old = image.src;
  image.src = url;
  image.hidden = false;
  await image.decode().catch(() => {});
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
}

function moved() {
  since ??= performance.now();
  supersede(false);
  draft();
}

// What is shown, and what is on its way, is no longer what the sliders say.
function supersede(measured) {
  measuring = measured;
  finishing.abort();
  clearTimeout(settling);
  delete $("now").dataset.size;
  return ++moves;
}

async function draft() {
  if (drafting || since === null) return;
  const [start, face] = [since, view.face];
  [since, drafting] = [null, true];
  try {
    const found = await picture(query());
    if (face === view.face && !measuring) {
      await put($("now"), found.url);
      told(found.notes, "draft", start);
    }
    $("error").hidden = true;
  } catch (error) {
    complain(error);
  } finally {
    drafting = false;
  }
  if (since !== null) draft();
  else if (!measuring) settling = setTimeout(() => finish(start), SETTLE_MS);
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

const settle = tried(async () => {
  if (view.face === null) return;
  const [move, start] = [supersede(true), performance.now()];
  $("caption").textContent = "Measuring";
  const found = await picture(query({ size: "settled" }));
  if (move !== moves) return;
  await put($("now"), found.url);
  told(found.notes, "settled", start);
});

function told(notes, size, start) {
  performance.measure(size, { start, end: performance.now() });
  $("empty").hidden = true;
  $("now").alt = `${view.face}, ${described()}`;
  $("now").dataset.size = size;
  $("caption").textContent = notes.length ? notes.join(" ") : size === "draft" ? "Draft" : "Full size";
  const kept = size === "draft" ? "full" : size;
  $("save-png").href = `/api/picture?${query({ size: kept, keep: 1 })}`;
  $("save-latents").href = `/api/latents?${query({ size: kept })}`;
  $("save-png").hidden = $("save-latents").hidden = false;
}

function described() {
  const changed = Object.entries(view.values).filter(([, value]) => value !== 0);
  const parts = changed.map(([name, value]) => `${name} ${value}`);
  if (view.direction !== null) parts.push(`direction ${view.direction} at ${view.strength}`);
  return parts.join(", ") || "unchanged";
}

function comparing() {
  const on = $("compare").checked && view.face !== null;
  $("before").hidden = $("comparing").hidden = !on;
  $("frame").classList.toggle("cut", on);
  $("frame").style.setProperty("--cut", `${$("cut").value}%`);
  $("cut").setAttribute("aria-valuetext", `${$("cut").value} percent before`);
}

$("compare").addEventListener("change", comparing);
$("cut").addEventListener("input", comparing);
$("reset").addEventListener("click", () => {
  view.values = {};
  turnTo(null);
  for (const slider of $("sliders").querySelectorAll("input")) set(slider, 0);
  moved();
});

// Faces --------------------------------------------------------------------------------------------------------------

async function choose(face) {
  if (!controlled) return follow((await post("/api/source", { known: face })).job);
  Object.assign(view, { face, values: {}, direction: null, strength: 0 });
  $("face").value = face;
  $("caption").textContent = "Loading the face, which takes some seconds the first time";
  const controls = await get(`/api/controls?${new URLSearchParams({ face })}`);
  if (view.face !== face) return;
  $("sliders").replaceChildren(...controls.map(slider));
  $("no-sliders").hidden = true;
  for (const id of ["reset", "animate", "settle", "front"]) $(id).disabled = false;
  turnTo(null);
  forgetThumbnails();
  moved();
  const before = await picture(new URLSearchParams({ face, size: "full" }));
  if (view.face === face) await put($("before"), before.url);
  comparing();
}

function slider(control) {
  const id = `control-${control.name}`;
  const step = control.unit === "°" ? 0.5 : 0.05;
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

async function refresh() {
  const state = await get("/api/state");
  settings = state.animations;
  $("place").textContent = state.work;
  const faces = state.faces.map((face) => make("option", { value: face.name, textContent: face.label }));
  $("face").replaceChildren(make("option", { value: "", textContent: faces.length ? "Choose one" : "none yet" }), ...faces);
  $("face").value = view.face ?? "";
  controlled = state.controls;
  if (!state.computed) $("empty").textContent = "Nothing is computed yet. The first face takes the whole workflow, a quarter of an hour.";
  drivers(state.clips);
  for (const field of document.querySelectorAll("[data-option]")) {
    field.value ||= settings[field.dataset.option === "neutral" ? "neutral_s" : field.dataset.option] ?? "";
  }
  return state;
}

$("settle").addEventListener("click", settle);
$("front").addEventListener(
  "click",
  tried(async () => {
    const move = supersede(true);
    $("caption").textContent = "Measuring";
    const { values } = await get(`/api/front?${new URLSearchParams({ face: view.face })}`);
    if (move !== moves) return;
    turnTo(null);
    for (const input of $("sliders").querySelectorAll("input")) set(input, values[input.dataset.name] ?? 0);
    await settle();
  }),
);

async function upload(kind, file, name) {
  const words = new URLSearchParams({ kind, name });
  return (await ask(`/api/upload?${words}`, { method: "POST", body: file })).json();
}

async function bringPhoto(file, name) {
  [photo, $("prepare").disabled] = [null, true];
  $("photo-name").textContent = `Reading ${name}`;
  try {
    photo = (await upload("photo", file, name)).path;
    $("photo-name").textContent = `${name} can be used.`;
    $("prepare").disabled = false;
  } catch (error) {
    $("photo-name").textContent = "";
    throw error;
  }
}

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
    const which = Number($("which").value) > 1 ? Number($("which").value) : null;
    const options = { photo, face: which, method: $("method").value || null, tune: $("tune").checked || null };
    follow((await post("/api/source", options)).job);
  }),
);
$("sow").addEventListener("click", tried(async () => follow((await post("/api/source", { seed: $("seed").value })).job)));

// Directions ---------------------------------------------------------------------------------------------------------

let waiting = []; // thumbnails that came into view
let drawing = false;
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    waiting.push(entry.target);
  }
  thumbnails();
});

const showDirections = tried(async () => {
  if ($("gallery").childElementCount === 0) {
    const found = await get("/api/directions");
    $("gallery").replaceChildren(...found.map(card));
  }
  if (view.face !== null) for (const image of $("gallery").querySelectorAll("img:not([src])")) seen.observe(image);
});

function card({ direction, caption }) {
  const image = make("img", { alt: "" });
  const button = make("button", { type: "button" }, image, caption);
  button.dataset.direction = direction;
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    turnTo(button.getAttribute("aria-pressed") === "true" ? null : direction);
    moved();
  });
  return button;
}

function turnTo(direction) {
  view.direction = direction;
  view.strength = direction === null ? 0 : 1;
  $("strength").value = view.strength;
  $("strength").disabled = direction === null;
  for (const button of $("gallery").children) {
    button.setAttribute("aria-pressed", Number(button.dataset.direction) === direction);
  }
}

function forgetThumbnails() {
  waiting = [];
  for (const image of $("gallery").querySelectorAll("img")) image.removeAttribute("src");
  if (!$("directions-panel").hidden) showDirections();
}

async function thumbnails() {
  if (drawing || view.face === null) return;
  drawing = true;
  while (waiting.length) {
    const [image, face] = [waiting.shift(), view.face];
    const words = new URLSearchParams({ face, direction: image.parentElement.dataset.direction, strength: 1 });
    try {
      const { url } = await picture(words);
      if (face === view.face) image.src = url;
    } catch (error) {
      complain(error);
      waiting = [];
    }
  }
  drawing = false;
}

function stepTo(offset) {
  const buttons = [...$("gallery").children];
  const at = buttons.findIndex((button) => button.getAttribute("aria-pressed") === "true");
  const button = buttons[at < 0 ? 0 : (at + offset + buttons.length) % buttons.length];
  if (!button || view.face === null) return;
  turnTo(Number(button.dataset.direction));
  button.scrollIntoView({ block: "nearest" });
  moved();
}

$("strength").addEventListener("input", () => {
  view.strength = Number($("strength").value);
  moved();
});
$("previous").addEventListener("click", () => stepTo(-1));
$("next").addEventListener("click", () => stepTo(1));

// Animation ----------------------------------------------------------------------------------------------------------

const driving = (path, label) => make("option", { value: path, textContent: label });

function drivers(clips) {
  for (const [field, first] of [["driver", []], ["expression", [driving("", "the driver, as the head's turns")]]]) {
    const chosen = $(field).value;
    $(field).replaceChildren(...first, ...clips.map((clip) => driving(clip.path, clip.label)));
    if (chosen) $(field).value = chosen;
  }
}

async function bringClip(file, name) {
  $("clip-name").textContent = `Reading ${name}`;
  const kept = await upload("clip", file, name).finally(() => ($("clip-name").textContent = ""));
  $("clip-name").textContent = `${name} can drive.`;
  if (![...$("driver").options].some((option) => option.value === kept.path)) {
    $("driver").prepend(driving(kept.path, name));
    $("expression").append(driving(kept.path, name));
  }
  $("driver").value = kept.path;
}

$("clip").addEventListener(
  "change",
  tried(async () => {
    const [file] = $("clip").files;
    if (file) await bringClip(file, file.name);
  }),
);
$("animate").addEventListener(
  "click",
  tried(async () => {
    const options = { face: view.face, driving: $("driver").value, paste_back: $("paste-back").checked || null };
    options.expression = $("expression").value || null;
    for (const field of document.querySelectorAll("[data-option]")) {
      if (field.value !== "") options[field.dataset.option] = field.type === "number" ? Number(field.value) : field.value;
    }
    follow((await post("/api/animate", options)).job);
  }),
);

function showAnimation(results) {
  const address = (what) => `/results/${results[what].split("/").map(encodeURIComponent).join("/")}`;
  const shown = Object.keys(results).filter((what) => /\.(mp4|png)$/.test(results[what]));
  $("showing").replaceChildren(...shown.map((what) => make("option", { value: what, textContent: what })));
  $("showing").onchange = () => {
    const still = results[$("showing").value].endsWith(".png");
    [$("video").hidden, $("sheet").hidden] = [still, !still];
    (still ? $("sheet") : $("video")).src = address($("showing").value);
  };
  $("showing").onchange();
  const link = (what) => make("a", { className: "button", href: address(what), download: "", textContent: `Save ${what}` });
  $("downloads").replaceChildren(...Object.keys(results).map(link));
  $("result").hidden = false;
  open($("tab-animate"));
  $("result").scrollIntoView({ block: "center" });
}

// Jobs ---------------------------------------------------------------------------------------------------------------

let following = null;

const follow = tried(async (token) => {
  following = token;
  sessionStorage.setItem("job", token);
  $("job").hidden = $("cancel").hidden = false;
  $("job").scrollIntoView({ block: "center" });
  for (;;) {
    const job = await get(`/api/jobs/${token}`).catch((error) => {
      sessionStorage.removeItem("job");
      $("job").hidden = true;
      throw error;
    });
    if (following !== token) return;
    draw(job);
    if (["done", "failed", "cancelled"].includes(job.state)) return ended(job);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
});

function say(element, text) {
  if (element.textContent !== text) element.textContent = text; // or a screen reader says it again and again
}

function draw(job) {
  say($("job-title"), job.title);
  const waits = job.ahead === 1 ? "Waiting for the job before it" : `Waiting for ${job.ahead} jobs before it`;
  const states = { waiting: waits, running: job.stages.length ? "Running" : "Starting", stopping: "Stopping", done: "Done", failed: "Failed" };
  say($("job-state"), states[job.state] ?? job.message);
  $("stages").replaceChildren(
    ...job.stages.map((stage) => {
      const bar = make("progress", { max: 1, value: stage.share });
      bar.setAttribute("aria-label", stage.name);
      const row = make("li", {}, make("span", { textContent: stage.name }), bar, make("span", { textContent: stage.state }));
      row.append(...stage.notes.map((text) => make("span", { className: "notes", textContent: text })));
      return row;
    }),
  );
}

async function ended(job) {
  sessionStorage.removeItem("job");
  $("cancel").hidden = true;
  if (job.state === "failed") throw new Error(job.message);
  await refresh();
  if (job.results.face) await choose(job.results.face);
  if (job.results.video) showAnimation(job.results);
}

$("cancel").addEventListener(
  "click",
  tried(async () => {
    await post(`/api/jobs/${following}/cancel`, {});
  }),
);

// Files --------------------------------------------------------------------------------------------------------------

let folder = "";
const SIZES = ["B", "kB", "MB", "GB"];

function size(bytes) {
  const power = Math.min(SIZES.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${SIZES[power]}`;
}

const list = tried(async (path) => {
  const found = await get(`/api/files?${new URLSearchParams({ path })}`);
  folder = path;
  $("detail").hidden = true;
  const steps = path ? path.split("/") : [];
  const step = (textContent, to) => {
    const button = make("button", { type: "button", textContent });
    button.addEventListener("click", () => list(to));
    return button;
  };
  const crumbs = steps.map((name, index) => step(name, steps.slice(0, index + 1).join("/")));
  $("path").replaceChildren(...[step("results", ""), ...crumbs].flatMap((button) => [button, " / "]).slice(0, -1));
  const inside = (name) => (path ? `${path}/${name}` : name);
  const folders = found.folders.map((name) => make("li", {}, step(`${name}/`, inside(name))));
  const files = found.files.map((file) => {
    const button = make("button", { type: "button", textContent: file.name });
    button.addEventListener("click", () => detail(inside(file.name), file.kind));
    return make("li", {}, button, " ", make("small", { textContent: size(file.bytes) }));
  });
  $("listing").replaceChildren(...folders, ...files);
});

const detail = tried(async (path, kind) => {
  const address = `/results/${path.split("/").map(encodeURIComponent).join("/")}`;
  $("detail-name").textContent = path;
  $("detail-save").href = address;
  [$("detail-picture").hidden, $("detail-video").hidden] = [kind !== "picture", kind !== "video"];
  if (kind === "picture") Object.assign($("detail-picture"), { src: address, alt: path });
  if (kind === "video") $("detail-video").src = address;
  $("detail-text").textContent = "…";
  $("detail").hidden = false;
  $("detail-text").textContent = (await get(`/api/describe?${new URLSearchParams({ path })}`)).text;
});

// Camera -------------------------------------------------------------------------------------------------------------

let stream = null;
let bring = null;

function camera(receiver, clips) {
  return tried(async () => {
    if (!navigator.mediaDevices) throw new Error("The browser gives a camera only to pages of this machine or over https.");
    const wish = { video: { facingMode: "user", width: { ideal: 1280 } } };
    stream = await navigator.mediaDevices.getUserMedia(wish).catch((error) => {
      throw new Error(`There is no camera to use (${error.message || error.name}).`);
    });
    bring = receiver;
    $("finder").srcObject = stream;
    $("record").hidden = !clips;
    $("camera-state").textContent = "";
    $("camera").showModal();
  });
}

async function handed(file, name) {
  $("camera").close();
  await bring(file, name);
}

async function shoot() {
  const { videoWidth: width, videoHeight: height } = $("finder");
  const canvas = make("canvas", { width, height });
  canvas.getContext("2d").drawImage($("finder"), 0, 0);
  const file = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  await handed(file, "camera.png");
}

async function record() {
  const kind = MediaRecorder.isTypeSupported("video/webm") ? "webm" : "mp4";
  const recorder = new MediaRecorder(stream, { mimeType: `video/${kind}`, videoBitsPerSecond: 8e6 });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start();
  $("camera-state").textContent = "Recording";
  setTimeout(() => recorder.state !== "inactive" && recorder.stop(), RECORD_MS);
  await stopped;
  await handed(new Blob(parts, { type: `video/${kind}` }), `camera.${kind}`);
}

$("photo-camera").addEventListener("click", camera(bringPhoto, false));
$("clip-camera").addEventListener("click", camera(bringClip, true));
$("shoot").addEventListener("click", tried(shoot));
$("record").addEventListener("click", tried(record));
$("close-camera").addEventListener("click", () => $("camera").close());
$("camera").addEventListener("close", () => stream?.getTracks().forEach((track) => track.stop()));

await tried(refresh)();
document.body.dataset.ready = "";
if (sessionStorage.getItem("job")) follow(sessionStorage.getItem("job"));
