"""Text from outside, made safe to print: names of files and archive members, messages of servers and libraries."""

from __future__ import annotations

import re

_NOT_NEWLINE = re.compile(r"[^\n]+")


def printable(text: object, *, keep_newlines: bool = False) -> str:
    r"""Returns a text in which control codes and other invisible characters are written as Python escapes.

    Printed as it is, a folder's name could clear the terminal or forge a line of progress.

    Args:
        text: what came from outside; anything that is no string is taken as `str` gives it.
        keep_newlines: for texts of several lines; names and messages of servers must not make lines of their own.

    >>> printable("val\x1b[2J/10 of 10 clips\r\u202e")
    'val\\x1b[2J/10 of 10 clips\\r\\u202e'
    """
    found = str(text)
    if found.isprintable():
        return found
    if keep_newlines:
        return _NOT_NEWLINE.sub(lambda line: printable(line[0]), found)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in found)
