// The full view of one clip.

import { bytes, count, find, icon, make, plural, words } from "./dom.js";
import { stateWords } from "./grid.js";
import * as marks from "./marks.js";
import { FramesPlayer, VideoPlayer } from "./player.js";
import * as state from "./state.js";

const dialog = find("viewer");
let player = null;
let open = null;
let rate = 1;
let silent = false;

export const card = () => open;
export const isOpen = () => dialog.open;
export const playing = () => player;

dialog.addEventListener("close", () => { if (state.current().clip) state.go({ clip: "" }); });
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

export function close() {
  player?.end();
  player = open = null;
  dialog.replaceChildren();
  if (dialog.open) dialog.close();
}

export async function show(clip, source, collection) {
  player?.end();
  player = null;
  open = clip.card;
  const stage = make("div", { class: "stage-full" });
  const controls = make("div", { class: "controls", role: "group", "aria-label": "Player" });
  dialog.replaceChildren(
    make("div", { class: "dialog-head" },
      make("h2", { id: "viewer-title" }, clip.card.label),
      make("span", { class: "dialog-tools" }, marks.button(clip.card),
        make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×"))),
    make("div", { class: "viewer-body" },
      make("div", { class: "viewer-main" }, stage, controls, links(clip, collection)),
      make("div", { class: "viewer-side", tabindex: "0", role: "region", "aria-label": "Fields" }, ...fields(clip, collection))));
  if (!dialog.open) dialog.showModal();
  await fill(stage, controls, clip, source, collection);
}

async function fill(stage, controls, clip, source, collection) {
  const still = () => open === clip.card;
  // An export has a few of the frames only, and their times.
  const timestamps = clip.thumbnails ?? clip.record?.timestamps;
  if (timestamps) {
    stage.append(make("p", { class: "quiet" }, "Loading…"));
    const frames = await source.allFrames(clip.card);
    if (!still()) return;
    const canvas = make("canvas", { role: "img", "aria-label": `Frames of ${clip.card.id}` });
    const sound = clip.record?.audio_rate ? source.audioAddress(clip.card) : null;
    const audio = sound ? make("audio", { src: sound, preload: "auto" }) : null;
    stage.replaceChildren(canvas, ...(audio ? [audio] : []));
    player = new FramesPlayer(canvas, frames, timestamps, audio, () => update(controls));
  } else if (clip.media?.playable) {
    const video = make("video", { src: source.mediaAddress(clip.card), playsinline: true, preload: "auto" });
    video.addEventListener("error", () => stage.replaceChildren(message("This browser cannot play the file.", clip.media.name)), { once: true });
    stage.replaceChildren(video);
    player = new VideoPlayer(video, clip.media.start, clip.media.end, () => update(controls));
  } else {
    stage.replaceChildren(absence(clip, collection));
    return;
  }
  player.setRate(rate);
  player.silent = silent;
  buildControls(controls);
  update(controls);
  controls.querySelector("button").focus();
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) player.play();
}

const message = (...lines) => make("div", { class: "absence" }, ...lines.map((line) => make("p", {}, line)));

// A clip without a picture is shown as what it is.
function absence({ card, columns, problem, media }, collection) {
  if (problem) return message("The record cannot be shown.", problem);
  if (media) return message("Browsers do not play this kind of file.", media.name);
  const reason = [words(card.reason), columns.detail ?? columns.message].filter(Boolean).join(": ");
  return message(stateWords(card, collection) || "Only its row is known", reason);
}

function buildControls(controls) {
  const key = (name, label, onclick, drawing) => make("button", { type: "button", "aria-label": label, title: label, "data-name": name, onclick }, icon(drawing));
  const speed = make("select", { "aria-label": "Speed", onchange: () => { rate = Number(speed.value); player.setRate(rate); } },
    ...[0.25, 0.5, 1, 2].map((value) => make("option", { value, selected: value === rate }, `${value}×`)));
  controls.replaceChildren(
    key("play", "Play", toggle, "play"),
    key("back", "One frame back", () => player.step(-1), "back"),
    key("on", "One frame on", () => player.step(1), "on"),
    make("input", { type: "range", min: 0, step: 1, value: 0, "aria-label": "Frame", oninput: (event) => player.seek(Number(event.target.value)) }),
    make("output", { class: "time" }),
    player.hasSound ? key("sound", "Sound off", toggleSound, "sound") : null,
    speed);
  for (const empty of [...controls.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)) empty.remove();
}

function update(controls) {
  const range = controls.querySelector("input");
  if (!range || !player) return;
  range.max = player.places - 1;
  range.value = player.place;
  range.setAttribute("aria-valuetext", `frame ${player.place + 1} of ${player.places}`);
  controls.querySelector("output").textContent = `${player.time.toFixed(2)} of ${player.length.toFixed(2)} s · frame ${count(player.place + 1)} of ${count(player.places)}`;
  swap(controls.querySelector("[data-name=play]"), player.playing ? "Pause" : "Play", player.playing ? "pause" : "play");
  const sound = controls.querySelector("[data-name=sound]");
  if (sound) swap(sound, player.silent ? "Sound on" : "Sound off", player.silent ? "silent" : "sound");
}

function swap(button, label, drawing) {
  if (button.getAttribute("aria-label") === label) return;
  button.setAttribute("aria-label", label);
  button.title = label;
  button.replaceChildren(icon(drawing));
}

export const toggle = () => (player?.playing ? player.pause() : player?.play());

export function toggleSound() {
  if (!player?.hasSound) return;
  silent = !silent;
  player.silent = silent;
  player.onChange();
}

function links({ card, youtube, siblings, alike, thumbnails }) {
  const outside = make("a", { href: youtube, target: "_blank", rel: "noreferrer noopener" }, "Watch on YouTube");
  const groups = [["Other clips of this video", siblings], ["Near-duplicates", alike ?? []]]
    .filter(([, cards]) => cards.length)
    .map(([title, cards]) => make("p", {}, `${title}: `, ...cards.flatMap((each, place) => [place ? ", " : "", clipLink(each)])));
  const file = card.path ? make("p", { class: "file" }, "File: ", make("code", {}, card.path)) : null;
  const few = thumbnails ? make("p", { class: "quiet" }, `This export has ${plural(thumbnails.length, "small frame")} of the clip.`) : null;
  return make("div", { class: "links" }, few, make("p", {}, outside), file, ...groups);
}

const clipLink = (each) => make("a", { href: state.address({ clip: each.key }), onclick: state.follow({ clip: each.key }) }, `${each.split} ${each.id}`);

function fields({ columns, record }, collection) {
  const tables = [table(collection.kind === "dataset" ? "Row of the manifest" : "Row", columns)];
  if (record) {
    const seconds = record.timestamps.length ? ` from ${record.timestamps[0]} to ${record.timestamps.at(-1)} s` : "";
    tables.unshift(table("Record", { ...record.fields, video: `${count(record.frames)} JPEG frames`,
                                     timestamps: `${count(record.timestamps.length)}${seconds}`,
                                     audio: record.audio_rate ? `int16, ${count(record.audio_rate)} a second` : null }));
  }
  return tables;
}

function table(title, values) {
  const rows = Object.entries(values).filter(([, value]) => value !== null && value !== "")
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, format(name, value))));
  return make("section", {}, make("h3", {}, title), make("dl", {}, ...rows));
}

function format(name, value) {
  if (name === "bytes") return `${count(value)} (${bytes(value)})`;
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(6)));
  return Array.isArray(value) ? value.join(", ") : String(value);
}
