// What is shown, kept in the address bar: a link to the page shows the same, and Back goes back.

const DEFAULTS = {
  class: "", split: "", state: "", reason: "", source: "", flag: "", text: "", marked: "", sort: "order", page: "1", clip: "",
};
const PAGED = Object.keys(DEFAULTS).filter((name) => name !== "page" && name !== "clip");

let shown = read();
const listeners = [];

function read() {
  const found = new URLSearchParams(location.search);
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, found.get(name) ?? value]));
}

export const current = () => shown;

export function address(changes) {
  const values = merge(changes);
  const changed = Object.entries(values).filter(([name, value]) => value !== DEFAULTS[name]);
  return changed.length ? `?${new URLSearchParams(changed)}` : location.pathname;
}

function merge(changes) {
  // Another question has another first page.
  const page = PAGED.some((name) => name in changes && changes[name] !== shown[name]) ? { page: "1" } : {};
  return { ...shown, ...page, ...changes };
}

export function go(changes, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address(changes));
  notify();
}

// What a link to a change does when it is clicked, unless it is to open elsewhere.
export function follow(changes) {
  return (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    event.preventDefault();
    go(changes);
  };
}

// The filters that the server knows, without those that are not set.
export function query(values = shown) {
  return new URLSearchParams(PAGED.filter((name) => values[name] && values[name] !== DEFAULTS[name]).map((name) => [name, values[name]]));
}

export const filtered = () => PAGED.some((name) => name !== "sort" && shown[name] !== DEFAULTS[name]);
export const cleared = () => Object.fromEntries(PAGED.filter((name) => name !== "sort").map((name) => [name, DEFAULTS[name]]));

export const onChange = (listener) => listeners.push(listener);

function notify() {
  const before = shown;
  shown = read();
  for (const listener of listeners) listener(shown, before);
}

addEventListener("popstate", notify);
