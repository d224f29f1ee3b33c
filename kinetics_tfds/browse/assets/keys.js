// The keys that work without a mouse, beside those that links, buttons and fields have anyway.

import { find } from "./dom.js";
import * as grid from "./grid.js";
import * as viewer from "./viewer.js";

// Where the focus lies before anything has been chosen, or after "Skip to the clips".
const NEUTRAL = new Set([document.body, find("clips")]);
const ARROWS = new Set(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]);

export function listen({ neighbour, flip }) {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
    if (event.target.matches("input:not([type=range]), select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const used = viewer.isOpen() ? inViewer(event, neighbour, flip) : inPage(event, flip);
    if (used) event.preventDefault();
  });
}

function inPage(event, flip) {
  const { key } = event;
  const card = grid.focused();
  if (key === "/") find("class-search").focus();
  else if (key === "?") find("help").showModal();
  else if (key === "n") return grid.turn(1);
  else if (key === "p") return grid.turn(-1);
  else if (key === "m" && card) flip(card);
  else if (ARROWS.has(key) && (card || NEUTRAL.has(document.activeElement))) return grid.move(key);
  else return false;
  return true;
}

function inViewer(event, neighbour, flip) {
  const { key, target } = event;
  const player = viewer.playing();
  const onControl = target.matches("button, a, summary, input");
  if (key === "?") find("help").showModal();
  else if (key === "n") neighbour(1);
  else if (key === "p") neighbour(-1);
  else if (key === "m") flip(viewer.card());
  else if (key === "s") viewer.toggleSound();
  else if (key === " " && !onControl) viewer.toggle();
  else if (player && (key === "," || (key === "ArrowLeft" && !target.matches("input")))) player.step(-1);
  else if (player && (key === "." || (key === "ArrowRight" && !target.matches("input")))) player.step(1);
  else return false;
  return true;
}
