// Animation: a driver, its options, and what came of them.

import { $, address, make, post, tried, upload } from "./common.js";
import { follow } from "./jobs.js";
import { view } from "./picture.js";
import { open } from "./tabs.js";

const driving = (path, label) => make("option", { value: path, textContent: label });

// What moves a part of the face that has no clip of its own.
const parts = { expression: "the driver, as the head's turns", lips: "the expression", eyes: "the expression" };

// The clips of the state, and the settings of its config where the user has given none.
export function showDrivers({ clips, animations }) {
  const firsts = Object.entries(parts).map(([part, other]) => [part, [driving("", other)]]);
  for (const [field, first] of [["driver", []], ...firsts]) {
    const chosen = $(field).value;
    $(field).replaceChildren(...first, ...clips.map((clip) => driving(clip.path, clip.label)));
    if (chosen) $(field).value = chosen;
  }
  for (const field of document.querySelectorAll("[data-option]")) {
    field.value ||= animations[field.dataset.option === "neutral" ? "neutral_s" : field.dataset.option] ?? "";
  }
}

export async function bringClip(file, name) {
  $("clip-name").textContent = `Reading ${name}`;
  const kept = await upload("clip", file, name).finally(() => ($("clip-name").textContent = ""));
  $("clip-name").textContent = `${name} can drive.`;
  if (![...$("driver").options].some((option) => option.value === kept.path)) {
    $("driver").prepend(driving(kept.path, name));
    for (const part in parts) $(part).append(driving(kept.path, name));
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
    for (const part in parts) options[part] = $(part).value || null;
    for (const field of document.querySelectorAll("[data-option]")) {
      if (field.value !== "") options[field.dataset.option] = field.type === "number" ? Number(field.value) : field.value;
    }
    follow((await post("/api/animate", options)).job);
  }),
);

export function showAnimation(results) {
  const shown = Object.keys(results).filter((what) => /\.(mp4|png)$/.test(results[what]));
  $("showing").replaceChildren(...shown.map((what) => make("option", { value: what, textContent: what })));
  $("showing").onchange = () => {
    const still = results[$("showing").value].endsWith(".png");
    [$("video").hidden, $("sheet").hidden] = [still, !still];
    (still ? $("sheet") : $("video")).src = address(results[$("showing").value]);
  };
  $("showing").onchange();
  const link = (what) => make("a", { className: "button", href: address(results[what]), download: "", textContent: `Save ${what}` });
  $("downloads").replaceChildren(...Object.keys(results).map(link));
  $("result").hidden = false;
  open($("tab-animate"));
  $("result").scrollIntoView({ block: "center" });
}
