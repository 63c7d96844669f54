// Files: the results, folder by folder.

import { $, address, get, make, tried } from "./common.js";

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
  $("detail-name").textContent = path;
  $("detail-save").href = address(path);
  [$("detail-picture").hidden, $("detail-video").hidden] = [kind !== "picture", kind !== "video"];
  if (kind === "picture") Object.assign($("detail-picture"), { src: address(path), alt: path });
  if (kind === "video") $("detail-video").src = address(path);
  $("detail-text").textContent = "…";
  $("detail").hidden = false;
  $("detail-text").textContent = (await get(`/api/describe?${new URLSearchParams({ path })}`)).text;
});

$("files-panel").addEventListener("opened", () => list(folder));
