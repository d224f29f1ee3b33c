// The row of filters above the clips.

import { count, find, make, words } from "./dom.js";
import * as state from "./state.js";

const TITLES = { split: "Split", state: "State", reason: "Reason", source: "Source", flag: "Quality" };
const SORTS = {
  order: "as stored", class: "class", id: "id", shortest: "fewest frames", longest: "most frames",
  smallest: "smallest", largest: "largest",
};
const bar = find("filters");

const text = make("input", { type: "search", placeholder: "Clip id or file", "aria-label": "Find a clip by its id or file",
                             autocomplete: "off", spellcheck: "false", oninput: () => search() });
const selects = Object.fromEntries(Object.keys(TITLES).map((name) => [name, make("select", { "aria-label": TITLES[name], onchange })]));
const sort = make("select", { "aria-label": "Order", onchange: () => state.go({ sort: sort.value }) },
  ...Object.entries(SORTS).map(([value, title]) => make("option", { value }, `Order: ${title}`)));
const clear = make("button", { type: "button", class: "plain", onclick: () => state.go({ ...state.cleared(), class: state.current().class }) }, "Clear filters");
bar.append(text, ...Object.values(selects), sort, clear);

let waiting = 0;

function search() {
  clearTimeout(waiting);
  // A YouTube address may be pasted whole.
  const id = text.value.match(/(?:v=|youtu\.be\/|shorts\/)([\w-]{11})/)?.[1];
  waiting = setTimeout(() => state.go({ text: id ?? text.value.trim() }, { replace: true }), 150);
}

function onchange(event) {
  const name = Object.keys(selects).find((each) => selects[each] === event.target);
  state.go({ [name]: event.target.value });
}

export function show(facets) {
  const values = state.current();
  for (const [name, select] of Object.entries(selects)) {
    const options = facets[name];
    const chosen = values[name];
    // A filter that offers no choice is only in the way.
    select.hidden = options.length < (name === "flag" ? 1 : 2) && !chosen;
    const unknown = chosen && !options.some(({ value }) => value === chosen) ? [{ value: chosen, count: 0 }] : [];
    select.replaceChildren(
      make("option", { value: "" }, `${TITLES[name]}: any`),
      ...[...options, ...unknown].map((each) => make("option", { value: each.value }, `${words(each.value)} (${count(each.count)})`)));
    select.value = chosen;
    select.classList.toggle("set", chosen !== "");
  }
  if (document.activeElement !== text) text.value = values.text;
  sort.value = values.sort;
  clear.hidden = !state.filtered() || (values.class !== "" && state.query().size === 1);
}
