// The clips that match, a page at a time, as cards.

import { count, find, make, plural, words } from "./dom.js";
import * as marks from "./marks.js";
import { forget, FramesPreview, VideoPreview, watch } from "./preview.js";
import * as state from "./state.js";

const grid = find("grid");
let shown = { clips: [], page: 1, pages: 1, matching: 0 };

export const busy = (waiting) => grid.setAttribute("aria-busy", String(waiting));
export const cards = () => shown.clips;
export const pages = () => shown.pages;

export function show(found, source, collection) {
  shown = found;
  for (const stage of grid.querySelectorAll(".stage")) forget(stage);
  const onePerClass = !state.current().class;
  grid.replaceChildren(...found.clips.map((card) => item(card, source, collection, onePerClass)));
  find("heading").textContent = state.current().class || "All classes";
  find("status").textContent = found.matching ? plural(found.matching, "clip") : "No clip matches.";
  find("page-number").textContent = `${count(found.page)} of ${count(found.pages)}`;
  find("previous-page").disabled = found.page <= 1;
  find("next-page").disabled = found.page >= found.pages;
  document.querySelector(".pager").hidden = found.pages <= 1;
}

function item(card, source, collection, withClass) {
  const title = withClass ? card.label : card.id;
  const stage = make("span", { class: `stage ${card.state}` }, ...picture(card, source, collection));
  if (stage.querySelector("canvas")) watch(stage, new FramesPreview(stage.firstChild, () => source.preview(card)));
  if (stage.querySelector("video")) watch(stage, new VideoPreview(stage.firstChild, source.mediaAddress(card)));
  const link = make("a", { class: "open", href: state.address({ clip: card.key }), onclick: state.follow({ clip: card.key }) },
    stage,
    make("span", { class: "title" }, title),
    make("span", { class: "details" }, [card.split, withClass ? card.id : null].filter(Boolean).join(" · ")));
  link.dataset.key = card.key;
  const flags = card.flags.length ? make("span", { class: "flags" }, ...card.flags.map((flag) => make("span", { class: "flag" }, words(flag)))) : null;
  if (flags) link.append(flags);
  return make("li", { class: "card" }, link, marks.button(card));
}

// Frames where there are some, the video itself in a store, and otherwise what became of the clip.
function picture(card, source, collection) {
  if (card.state === "written" || card.has_thumbnails) return [make("canvas")];
  if (card.state === "there" && card.playable) return [make("video", { muted: true, loop: true, playsinline: true, preload: "metadata", tabindex: "-1" })];
  return [make("span", { class: "state" }, stateWords(card, collection)),
          card.reason ? make("span", { class: "reason" }, words(card.reason)) : null];
}

export const stateWords = (card, collection) => (collection.kind === "version" ? "" : words(card.state));

// Moves to the next card in a direction; on the first use to the first card.
export function move(key) {
  const links = [...grid.querySelectorAll(".open")];
  if (!links.length) return false;
  const place = links.indexOf(document.activeElement);
  const columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[key];
  const next = place < 0 ? 0 : place + step;
  if (next < 0 || next >= links.length) return false;
  links[next].focus();
  return true;
}

export const focused = () => shown.clips.find((card) => card.key === document.activeElement?.closest?.(".card")?.querySelector(".open").dataset.key);
export const focus = (key) => [...grid.querySelectorAll(".open")].find((link) => link.dataset.key === key)?.focus();

export const turn = (step) => {
  const page = shown.page + step;
  if (page < 1 || page > shown.pages) return false;
  state.go({ page: String(page) });
  return true;
};

find("previous-page").addEventListener("click", () => turn(-1));
find("next-page").addEventListener("click", () => turn(1));
