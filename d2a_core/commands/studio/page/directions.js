// Directions: thumbnails of the face moved along each, drawn as they come into view.

import { $, complain, get, make, tried } from "./common.js";
import { moved, picture, view } from "./picture.js";

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

export function turnTo(direction) {
  view.direction = direction;
  view.strength = direction === null ? 0 : 1;
  $("strength").value = view.strength;
  $("strength").disabled = direction === null;
  for (const button of $("gallery").children) {
    button.setAttribute("aria-pressed", Number(button.dataset.direction) === direction);
  }
}

export function forgetThumbnails() {
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
$("directions-panel").addEventListener("opened", showDirections);
