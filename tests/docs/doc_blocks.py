"""Reads the fenced blocks of a page, and the directives before them, which only tests see.

A directive is an HTML comment on the line(s) right before a ```bash or ```python fence; several may follow each other:

    <!-- test: skip REASON -->             do not run the block; REASONs are listed in test_docs_run.py
    <!-- test: exit 1 -->                  the block ends with this exit code (python: raises, for any but 0)
    <!-- test: setup COMMANDS -->          bash commands to run first, unseen by readers (may span lines)
    <!-- test: append TEXT -->             put TEXT behind the block's last line, as in `--dry_run`
    <!-- test: replace OLD => NEW -->      run the block with NEW in the place of each OLD
    <!-- test: empty-data -->              empty DATA first: the block builds what other blocks find ready
    <!-- test: expect TEXT -->             the block's output contains TEXT
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

RUN_LANGUAGES = ("bash", "python")
_DIRECTIVES = ("skip", "exit", "setup", "append", "replace", "empty-data", "expect")


@dataclasses.dataclass(frozen=True)
class Block:
    """One fenced block that a test runs.

    Attributes:
        language: `bash` or `python`.
        line: the line of the page, from 1, on which the code starts.
        code: the text between the fences.
        directives: (name, rest) in the page's order.
    """

    language: str
    line: int
    code: str
    directives: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """What stands behind each directive of that name."""
        return [rest for directive, rest in self.directives if directive == name]

    def one(self, name: str) -> str | None:
        """What stands behind the directive of that name, None without it."""
        return next(iter(self.all(name)), None)

    def code_to_run(self) -> str:
        """The code as the test runs it."""
        code = self.code
        for rule in self.all("replace"):
            old, arrow, new = rule.partition(" => ")
            if not arrow or old not in code:
                raise ValueError(f"line {self.line}: the directive 'replace {rule}' replaces nothing.")
            code = code.replace(old, new)
        for text in self.all("append"):
            code = f"{code.rstrip()} {text}\n"
        return code


def read_blocks(page: pathlib.Path) -> list[Block]:
    """Returns the bash and python blocks of a page in order; raises ValueError on a directive that does nothing."""
    lines = page.read_text(encoding="utf-8").splitlines()
    blocks: list[Block] = []
    pending: list[tuple[str, str]] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        fence = re.match(r"^( *)(`{3,})\s*(\S*)", line)
        if fence:
            end = index + 1
            while end < len(lines) and lines[end].strip() != fence[2]:
                end += 1
            indent = len(fence[1])
            code = "".join(f"{text[indent:]}\n" for text in lines[index + 1 : end])
            if fence[3] in RUN_LANGUAGES:
                blocks.append(Block(fence[3], index + 2, code, tuple(pending)))
            elif pending:
                raise ValueError(f"{page.name}:{index + 1}: directives before a block that no test runs.")
            pending, index = [], end
        elif line.strip().startswith("<!-- test:"):
            end = index
            while "-->" not in lines[end]:
                end += 1
            pending.append(_directive("\n".join(lines[index : end + 1]), f"{page.name}:{index + 1}"))
            index = end
        elif pending and line.strip():
            raise ValueError(f"{page.name}:{index + 1}: a directive must stand right before its block.")
        index += 1
    if pending:
        raise ValueError(f"{page.name}: a directive at the end, with no block behind it.")
    return blocks


def _directive(comment: str, place: str) -> tuple[str, str]:
    text = comment.strip().removeprefix("<!-- test:").removesuffix("-->").strip()
    name, _, rest = text.partition(" ")
    if name not in _DIRECTIVES:
        raise ValueError(f"{place}: unknown directive {name!r}; known: {', '.join(_DIRECTIVES)}.")
    if name == "skip" and not rest.strip():
        raise ValueError(f"{place}: a skipped block needs a reason.")
    return name, rest.strip()
