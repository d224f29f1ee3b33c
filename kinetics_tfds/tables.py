"""Tables as text for people, as wide as their terminal."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_WIDE = 200  # in files and pipes, where nothing needs to be folded


def format_table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Returns a table: the first column to the left, numbers to the right with thousands separated.

    Args:
        head: the columns' titles.
        rows: text or numbers for each column; None for an empty cell.

    >>> print(format_table(("split", "rows"), [("train", 1200), ("validation", None)]))
    split        rows
    train       1,200
    validation
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_edge=False)
    for index, title in enumerate(head):
        table.add_column(Text(title), justify="right" if index else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    out = io.StringIO()
    Console(file=out, width=_width(), color_system=None, highlight=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return _WIDE
