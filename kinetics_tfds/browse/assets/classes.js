// The list of classes: counts, coverage, search as you type.

import { count, find, make } from "./dom.js";
import * as state from "./state.js";

const search = find("class-search");
const sort = find("class-sort");
const list = find("classes");
let classes = [];
let hasCoverage = true;

const ORDERS = {
  name: () => 0,
  most: (a, b) => b.matching - a.matching,
  fewest: (a, b) => a.matching - b.matching,
  coverage: (a, b) => share(a) - share(b),
};
const share = (each) => (each.rows ? each.available / each.rows : 2);

export function show(found, kind) {
  classes = found;
  hasCoverage = kind !== "version";
  sort.querySelector("[value=coverage]").hidden = !hasCoverage;
  draw();
}

function draw() {
  const text = search.value.trim().toLowerCase();
  const shown = classes.filter((each) => each.name.toLowerCase().includes(text)).sort(ORDERS[sort.value]);
  const everything = { name: "", title: "All classes", rows: 0, available: 0, matching: 0 };
  for (const each of classes) for (const name of ["rows", "available", "matching"]) everything[name] += each[name];
  list.replaceChildren(...(text ? shown : [everything, ...shown]).map(item));
  find("no-class").hidden = shown.length > 0;
}

function item(each) {
  const chosen = state.current().class === each.name;
  const coverage = `${count(each.available)} of ${count(each.rows)}`;
  const bar = make("span", { class: "bar", title: `${coverage} rows have a clip` }, make("span"));
  bar.firstChild.style.width = `${100 * Math.min(1, share(each))}%`;
  return make("li", {},
    make("a", { href: state.address({ class: each.name, clip: "" }), "aria-current": chosen && "true",
                class: each.matching ? undefined : "empty", onclick: state.follow({ class: each.name, clip: "" }) },
      make("span", { class: "label" }, each.title ?? each.name),
      make("span", { class: "number" }, count(each.matching)),
      hasCoverage && each.rows ? bar : null,
      hasCoverage && each.rows ? make("span", { class: "visually-hidden" }, `, ${coverage} rows have a clip`) : null));
}

search.addEventListener("input", draw);
search.addEventListener("keydown", (event) => {
  const first = list.querySelector("a");
  if (event.key === "ArrowDown" && first) first.focus();
  else if (event.key === "Enter" && first) first.click();
  else return;
  event.preventDefault();
});
list.addEventListener("keydown", (event) => {
  const links = [...list.querySelectorAll("a")];
  const place = links.indexOf(document.activeElement);
  const next = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: links.length - 1 }[event.key];
  if (next === undefined || place < 0) return;
  event.preventDefault();
  event.stopPropagation();
  (next < 0 ? search : links[Math.min(next, links.length - 1)]).focus();
});
sort.addEventListener("change", draw);
