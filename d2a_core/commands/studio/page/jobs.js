// Jobs: one at a time is followed until it ends.

import { $, get, make, post, tried } from "./common.js";

const POLL_MS = 500; // between two questions about a job

let following = null;
let arrived = () => {};

// What to do with the results of a job that is done.
export function whenDone(action) {
  arrived = action;
}

export const follow = tried(async (token) => {
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

// The results of a job that is not shown, once it is done.
export async function outcome(token) {
  for (;;) {
    const job = await get(`/api/jobs/${token}`);
    if (job.state === "done") return job.results;
    if (["failed", "cancelled"].includes(job.state)) throw new Error(job.message);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

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
  await arrived(job.results);
}

$("cancel").addEventListener(
  "click",
  tried(async () => {
    await post(`/api/jobs/${following}/cancel`, {});
  }),
);
