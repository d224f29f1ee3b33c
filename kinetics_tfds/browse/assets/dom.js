// Builds elements. Text only ever becomes text: nothing that comes from data is parsed as HTML.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const find = (id) => document.getElementById(id);

const PATHS = {
  flag: "M5 3v18M5 4h13l-3 4.500 3 4.500H5",
  play: "M7 4.500v15l12-7.500z",
  pause: "M7 5v14M17 5v14",
  back: "M17 5l-9 7 9 7zM6 5v14",
  on: "M7 5l9 7-9 7zM18 5v14",
  sound: "M4 9.500v5h4l5 4v-13l-5 4zM16.500 9a4 4 0 0 1 0 6M19 6.500a8 8 0 0 1 0 11",
  silent: "M4 9.500v5h4l5 4v-13l-5 4zM16.500 9.500l5 5M21.500 9.500l-5 5",
};

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS(svg.namespaceURI, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

const numbers = new Intl.NumberFormat("en");

export const count = (number) => numbers.format(number);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
export const words = (name) => name.replaceAll("_", " ");

export function bytes(number) {
  if (number < 1000) return plural(number, "byte");
  const units = ["KB", "MB", "GB", "TB"];
  let unit = -1;
  for (; number >= 1000 && unit < units.length - 1; unit += 1) number /= 1000;
  return `${number.toPrecision(3)} ${units[unit]}`;
}
