"""Reads the worked examples of CONTRIBUTING and applies them to a copy of the tree.

A fence whose info string names a path is one file of an example: ```` ```python kinetics_tfds/x.py ```` (any language but
diff) is a new file, ```` ```diff kinetics_tfds/y.py ```` an edit of an existing one.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

_FENCE = re.compile(r"^```(\w+) (\S+/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class FileChange:
    """One file of an example.

    Attributes:
        path: relative to the root of the checkout.
        language: of the fence; `diff` for an edit.
        text: the new file, or the lines of the edit with their marks in the first column.
    """

    path: str
    language: str
    text: str

    def apply(self, root: pathlib.Path) -> None:
        """Changes the file below `root`.

        Raises:
            ValueError: a new file exists already, or the lines that an edit keeps and removes do not stand there once.
        """
        target = root / self.path
        if self.language != "diff":
            if target.exists():
                raise ValueError(f"CONTRIBUTING adds {self.path}, which exists.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.text, encoding="utf-8")
            return
        before = target.read_text(encoding="utf-8")
        for edit in re.split(r"^@@.*\n", self.text, flags=re.MULTILINE):
            lines = edit.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            if not old or before.count(old) != 1:
                raise ValueError(
                    f"CONTRIBUTING edits {self.path} at lines that stand there {before.count(old)} times:\n{old}"
                )
            before = before.replace(old, new)
        target.write_text(before, encoding="utf-8")


def read_example(page: pathlib.Path, heading: str) -> list[FileChange]:
    """Returns the changes of the example under a heading of a page.

    Raises:
        ValueError: the page has no such heading, or no example stands under it.
    """
    section = re.search(
        rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", _without_fence_hashes(page), re.MULTILINE | re.DOTALL
    )
    changes = (
        [FileChange(path, language, text) for language, path, text in _FENCE.findall(section[2])] if section else []
    )
    if not changes:
        raise ValueError(f"{page.name} has no example under {heading!r}.")
    return [dataclasses.replace(change, text=change.text.replace("\0", "#")) for change in changes]


def _without_fence_hashes(page: pathlib.Path) -> str:
    """Returns a page's text in which no `#` inside a fence passes for a heading; NUL stands for it."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", lambda fence: fence[0].replace("#", "\0"), text, flags=re.MULTILINE | re.DOTALL)
