// The marked videos. A mark is of a video, since `exclude` leaves out all clips of one.

import { count, find, icon, make } from "./dom.js";
import * as state from "./state.js";

let marked = new Set();
let source;
let complain;
const toggle = find("marks-button");
const save = find("save-marks");

export async function begin(from, onTrouble) {
  source = from;
  complain = onTrouble;
  marked = new Set(await source.marks());
  draw();
}

export const has = (youtubeId) => marked.has(youtubeId);

export async function flip(card) {
  try {
    marked = new Set(await source.mark(card.youtube_id, !has(card.youtube_id)));
  } catch (error) {
    complain(error);
  }
  draw();
}

export function button(card) {
  const made = make("button", { type: "button", class: "mark", title: "Mark this clip’s video (m)", onclick: () => flip(card) }, icon("flag"));
  made.dataset.video = card.youtube_id;
  paint(made);
  return made;
}

function paint(each) {
  const on = has(each.dataset.video);
  each.setAttribute("aria-pressed", String(on));
  each.setAttribute("aria-label", `Mark video ${each.dataset.video}`);
  each.closest(".card")?.classList.toggle("marked", on);
}

function draw() {
  for (const each of document.querySelectorAll("button.mark")) paint(each);
  toggle.replaceChildren(icon("flag"), ` ${count(marked.size)} marked`);
  toggle.setAttribute("aria-pressed", String(state.current().marked === "1"));
  // The server writes a file by itself.
  save.hidden = !source.marksFile || marked.size === 0;
}

function download() {
  const file = source.marksFile();
  const address = URL.createObjectURL(file);
  make("a", { href: address, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

save.addEventListener("click", download);
toggle.addEventListener("click", () => state.go({ marked: state.current().marked ? "" : "1" }));
state.onChange(draw);
