// Answers what server.js asks of the server from the files of an export: see static_site.py. Filters, counts and orders
// are those of clip_table.py.

import { unpack } from "./packed_frames.js";

const PAGE_SIZE = 48;
const ROWS_PER_FOLDER = 1000;
const ORDERS = {
  order: () => 0,
  class: (a, b) => site.places.get(a.label) - site.places.get(b.label),
  id: (a, b) => (a.id < b.id ? -1 : Number(a.id > b.id)),
  shortest: byNumber("frames", 1), longest: byNumber("frames", -1),
  smallest: byNumber("bytes", 1), largest: byNumber("bytes", -1),
};
let site;

// Clips without the number come last either way.
function byNumber(name, sign) {
  return (a, b) => (a[name] === null) - (b[name] === null) || sign * (a[name] - b[name]);
}

async function load(path) {
  let response;
  try {
    response = await fetch(path);
  } catch {
    throw new Error(`${path} cannot be loaded.`);
  }
  if (!response.ok) throw new Error(`${path} is not there. Copy the whole folder of the export.`);
  return response;
}

const path = (card, ending) => `data/clips/${Math.floor(card.row / ROWS_PER_FOLDER)}/${card.row}.${ending}`;

export async function collection() {
  site = await (await load("data/site.json")).json();
  site.places = new Map(site.classes.map(({ name }, place) => [name, place]));
  site.cards = new Map(site.clips.map((card) => [card.key, card]));
  return { ...site.collection, exported: site.clips.length, marks: { path: "this browser. Download them to use them in a config" } };
}

// What a question asks, by filter: whether a card passes.
function tests(question) {
  const asked = new URLSearchParams(question);
  const found = new Map();
  for (const name of ["split", "state", "reason", "source"]) {
    if (asked.get(name)) found.set(name, (card) => card[name] === asked.get(name));
  }
  if (asked.get("class")) found.set("label", (card) => card.label === asked.get("class"));
  if (asked.get("flag")) found.set("flag", (card) => card.flags.includes(asked.get("flag")));
  const text = asked.get("text")?.toLowerCase();
  if (text) found.set("text", ({ id, path }) => id.toLowerCase().includes(text) || Boolean(path?.toLowerCase().includes(text)));
  if (asked.get("marked") === "1") {
    const marked = new Set(read());
    found.set("marked", (card) => marked.has(card.youtube_id));
  }
  return found;
}

function select(passes, without = "") {
  const chosen = [...passes].filter(([name]) => name !== without).map(([, passed]) => passed);
  return site.clips.filter((card) => chosen.every((passed) => passed(card)));
}

function countValues(cards, values) {
  const counts = new Map();
  for (const card of cards) for (const value of values(card)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return (value) => counts.get(value) ?? 0;
}

export async function counts(question) {
  const passes = tests(question);
  const facets = Object.fromEntries(Object.entries(site.facets).map(([name, values]) => {
    const counted = countValues(select(passes, name), (card) => (name === "flag" ? card.flags : [card[name]]));
    return [name, values.map((value) => ({ value, count: counted(value) }))];
  }));
  const matching = countValues(select(passes, "label"), (card) => [card.label]);
  return { facets, classes: site.classes.map((each) => ({ ...each, matching: matching(each.name) })) };
}

export async function clips(question, wanted) {
  const sort = new URLSearchParams(question).get("sort") || "order";
  if (!Object.hasOwn(ORDERS, sort)) throw new Error(`There is no order ${sort}.`);
  const found = select(tests(question)).sort(ORDERS[sort]);
  const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE));
  const page = Math.min(Math.max(/^\d{1,9}$/.test(wanted) ? Number(wanted) : 1, 1), pages);
  return { matching: found.length, page, pages, clips: found.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE) };
}

export async function clip(key) {
  const card = site.cards.get(key);
  if (!card) throw new Error(`This export has no clip ${key.slice(0, 80)}.`);
  const found = await (await load(path(card, "json"))).json();
  const exported = (keys) => keys.map((each) => site.cards.get(each)).filter(Boolean);
  return { ...found, card, siblings: exported(found.siblings), alike: exported(found.alike) };
}

export async function allFrames(card) {
  if (!card.has_thumbnails) throw new Error("Not in this export.");
  return unpack(await (await load(path(card, "frames"))).arrayBuffer());
}

export const preview = allFrames;
export const audioAddress = () => null;
export const mediaAddress = () => null;

// Marks stay in this browser until they are downloaded.
const storageKey = () => `kinetics-marks ${site.collection.title}`;

function read() {
  try {
    const found = JSON.parse(localStorage.getItem(storageKey()) ?? "[]");
    return Array.isArray(found) ? found.filter((each) => /^[\w-]{11}$/.test(each)) : [];
  } catch {
    return []; // Storage is off, or holds something else.
  }
}

export const marks = async () => read();

export async function mark(youtubeId, marked) {
  const others = read().filter((each) => each !== youtubeId);
  const found = marked ? [...others, youtubeId] : others;
  try {
    localStorage.setItem(storageKey(), JSON.stringify(found));
  } catch {
    throw new Error("This browser keeps no marks for this page: allow it to store data.");
  }
  return found;
}

// The text file that `exclude` takes.
export const marksFile = () => new File([site.marks.head, ...read().map((each) => `${each}\n`)], site.marks.name, { type: "text/plain" });
