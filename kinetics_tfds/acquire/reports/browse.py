"""A page to browse clips by class: one HTML file that needs no server and loads nothing from elsewhere."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable

from kinetics_tfds.acquire.reports.clip_status import ClipStatus, RowStanding
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.errors import AcquireError

_LETTERS = {ClipStatus.THERE: "t", ClipStatus.GONE: "g", ClipStatus.NEEDS_ACCESS: "a", ClipStatus.PENDING: "p"}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
body { font: 15px/1.4 sans-serif; margin: 0; display: flex; height: 100vh; color: #222; }
nav { width: 24em; overflow-y: auto; border-right: 1px solid #ccc; padding: 0 1em; flex: none; }
main { overflow-y: auto; padding: 0 1.5em; flex: 1; }
input { width: 100%; box-sizing: border-box; padding: .4em; font: inherit; }
nav a { display: flex; justify-content: space-between; padding: .15em 0; color: inherit; text-decoration: none; }
nav a:hover, nav a.on { background: #eef3e4; }
small { color: #666; }
table { border-collapse: collapse; }
td { padding: .15em 1em .15em 0; white-space: nowrap; }
.t { color: #2f6b14; } .g { color: #a12622; } .a { color: #9a6200; } .p { color: #777; }
</style>
<nav><h1>TITLE</h1><input type="search" placeholder="Find a class" aria-label="Find a class"><div
id="classes"></div></nav> <main><p>Choose a class.</p></main>
<script type="application/json" id="data">DATA</script>
<script>
const data = JSON.parse(document.getElementById("data").textContent);
const words = {t: "there", g: "gone", a: "needs access", p: "pending"};
const main = document.querySelector("main"), list = document.getElementById("classes");
const make = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};
function show(number) {
  const [label, clips] = data[number];
  const table = make("table");
  for (const [split, id, start, end, state, reason] of clips) {
    const row = make("tr"), link = make("a", id);
    link.href = "https://www.youtube.com/watch?v=" + encodeURIComponent(id) + "&t=" + Math.floor(start) + "s";
    link.rel = "noreferrer";
    const first = make("td");
    first.append(link);
    row.append(first, make("td", start + "–" + end + " s"), make("td", split), make("td", words[state], state),
      make("td", reason));
    table.append(row);
  }
  main.replaceChildren(make("h2", label), table);
  main.scrollTop = 0;
  list.querySelectorAll("a").forEach(a => a.classList.toggle("on", a.dataset.number == number));
}
data.forEach(([label, clips], number) => {
  const a = make("a", label);
  a.href = "#" + number;
  a.dataset.number = number;
  a.append(make("small", clips.filter(c => c[4] == "t").length + " / " + clips.length));
  list.append(a);
});
document.querySelector("input").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const a of list.children) a.hidden = !a.textContent.toLowerCase().includes(wanted);
  for (const a of list.children) a.style.display = a.hidden ? "none" : "";
});
const open = () => { const n = parseInt(location.hash.slice(1)); if (data[n]) show(n); };
addEventListener("hashchange", open);
open();
</script>
</html>
"""


def page(version: KineticsVersion, standings: Iterable[RowStanding]) -> str:
    """Returns the page: classes on the left, a class's clips with their YouTube links on the right."""
    classes: dict[str, list[list]] = {}
    for row in standings:
        clip = row.clip
        entry = [str(clip.split), clip.youtube_id, _short(clip.time_start), _short(clip.time_end)]
        entry += [_LETTERS[row.standing], str(row.reason)]
        classes.setdefault(clip.label or "(no label)", []).append(entry)
    data = json.dumps(sorted(classes.items()), separators=(",", ":"), ensure_ascii=False)
    # Within a script element only "</" and "<!--" could end or change it.
    return _PAGE.replace("TITLE", html.escape(version.title)).replace("DATA", data.replace("<", "\\u003c"))


def write_page(path: str, version: KineticsVersion, standings: Iterable[RowStanding]) -> None:
    """Writes the page.

    Raises:
        AcquireError: the file cannot be written.
    """
    text = page(version, standings)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise AcquireError(f"The page {path!r} cannot be written: {error}", "Choose another place.") from error


def _short(seconds: float) -> float | int:
    return int(seconds) if seconds == int(seconds) else seconds
