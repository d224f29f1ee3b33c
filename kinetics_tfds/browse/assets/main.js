// Puts the page together: what the address bar says is asked for and shown.

import * as classes from "./classes.js";
import { count, find, make, plural, words } from "./dom.js";
import * as filters from "./filters.js";
import * as grid from "./grid.js";
import { listen } from "./keys.js";
import * as marks from "./marks.js";
import * as state from "./state.js";
import * as viewer from "./viewer.js";

const source = await import(document.documentElement.dataset.source === "static" ? "./static_site.js" : "./server.js");
const trouble = find("trouble");
let collection;
let asked = 0;

function complain(error) {
  trouble.textContent = error.message;
  trouble.hidden = false;
}

async function showList(values, before) {
  const question = state.query(values).toString();
  if (before && question === state.query(before).toString() && values.page === before.page) return;
  asked += 1;
  const mine = asked;
  grid.busy(true);
  const [counts, clips] = await Promise.all([source.counts(question), source.clips(question, values.page)]);
  if (mine !== asked) return; // A later question has been asked since.
  classes.show(counts.classes, collection.kind);
  filters.show(counts.facets);
  grid.show(clips, source, collection);
  grid.busy(false);
  if (before && values.page !== before.page) scrollTo({ top: 0 });
}

async function showClip(values, before) {
  if (before && values.clip === before.clip) return;
  if (!values.clip) {
    viewer.close();
    if (before?.clip) grid.focus(before.clip);
    return;
  }
  const clip = await source.clip(values.clip);
  if (state.current().clip === values.clip) await viewer.show(clip, source, collection);
}

async function show(values, before) {
  try {
    await Promise.all([showList(values, before), showClip(values, before)]);
    trouble.hidden = true;
  } catch (error) {
    complain(error);
  }
}

function summarise() {
  document.title = `${collection.title} · Kinetics`;
  find("title").textContent = collection.title;
  const splits = Object.entries(collection.splits).map(([split, states]) => {
    const parts = Object.entries(states).map(([name, rows]) => (name ? `${count(rows)} ${words(name)}` : `${count(rows)} rows`));
    return make("span", { class: "split" }, make("b", {}, words(split)), ` ${parts.join(", ")}`);
  });
  if (collection.exported < collection.rows) splits.push(make("span", {}, `This export shows ${count(collection.exported)} of ${plural(collection.rows, "row")}.`));
  find("summary").replaceChildren(...splits);
  find("marks-button").title = `Show marked clips only. Marks are kept in ${collection.marks.path}`;
}

// Next or previous clip of the list; at its end the first one of the next page.
async function neighbour(step) {
  const cards = grid.cards();
  const place = cards.findIndex((card) => card.key === state.current().clip);
  if (place < 0) return;
  if (cards[place + step]) {
    state.go({ clip: cards[place + step].key }, { replace: true });
    return;
  }
  const page = Number(state.current().page) + step;
  if (page < 1 || page > grid.pages()) return;
  const { clips } = await source.clips(state.query().toString(), String(page));
  state.go({ page: String(page), clip: clips.at(step > 0 ? 0 : -1).key }, { replace: true });
}

const pane = find("classes-pane");
const paneButton = find("classes-button");
function openPane(open) {
  pane.classList.toggle("open", open);
  paneButton.setAttribute("aria-expanded", String(open));
}
paneButton.addEventListener("click", () => openPane(!pane.classList.contains("open")));
pane.addEventListener("click", (event) => { if (event.target.closest("a")) openPane(false); });

find("help-button").addEventListener("click", () => find("help").showModal());
listen({ neighbour, flip: marks.flip });

try {
  collection = await source.collection();
  summarise();
  await marks.begin(source, complain);
  state.onChange(show);
  await show(state.current());
  document.documentElement.dataset.ready = "true";
} catch (error) {
  complain(error);
}
