// The camera: a picture, or a clip of some seconds, handed to whoever asked.

import { $, make, tried } from "./common.js";

const RECORD_MS = 4000;
const SLICE_MS = 100; // how often the recorder hands over what it has

let stream = null;
let bring = null;

export function camera(receiver, clips) {
  return tried(async () => {
    if (!navigator.mediaDevices) throw new Error("The browser gives a camera only to pages of this machine or over https.");
    const wish = { video: { facingMode: "user", width: { ideal: 1280 } } };
    stream = await navigator.mediaDevices.getUserMedia(wish).catch((error) => {
      throw new Error(`There is no camera to use (${error.message || error.name}).`);
    });
    bring = receiver;
    $("finder").srcObject = stream;
    ready(false);
    $("record").hidden = !clips;
    $("camera-state").textContent = "";
    $("camera").showModal();
  });
}

function ready(now) {
  $("shoot").disabled = $("record").disabled = !now;
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
  const end = () => recorder.state !== "inactive" && recorder.stop();
  let begun = false;
  recorder.ondataavailable = ({ data }) => {
    parts.push(data);
    if (data.size && !begun) setTimeout(end, RECORD_MS); // a busy machine encodes its first picture late
    begun ||= data.size > 0;
  };
  const stopped = new Promise((resolve) => (recorder.onstop = resolve));
  recorder.start(SLICE_MS);
  $("camera-state").textContent = "Recording";
  ready(false);
  await stopped;
  await handed(new Blob(parts, { type: `video/${kind}` }), `camera.${kind}`);
}

$("shoot").addEventListener("click", tried(shoot));
$("record").addEventListener("click", tried(record));
$("close-camera").addEventListener("click", () => $("camera").close());
$("finder").addEventListener("loadeddata", () => ready(true));
$("camera").addEventListener("close", () => {
  stream?.getTracks().forEach((track) => track.stop());
  $("finder").srcObject = null;
});
