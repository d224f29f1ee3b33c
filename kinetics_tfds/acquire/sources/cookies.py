"""Cookies of a session, which a site renews now and then: without the new ones the session ends."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import time
from collections.abc import Iterator
from typing import Any

from kinetics_tfds.acquire.source import FetchContext
from kinetics_tfds.errors import AcquireError
from kinetics_tfds.locks import try_lock

_SET_BY_YT_DLP = ("PREF", "SOCS")  # for every request to YouTube


@contextlib.contextmanager
def renewed_cookies(cookies: pathlib.Path | None, context: FetchContext) -> Iterator[str | None]:
    """Gives a copy of a cookies file, and writes back into the file what was renewed in the copy."""
    if cookies is None:
        yield None
        return
    copy = context.scratch / "cookies"
    try:
        shutil.copyfile(cookies, copy)
    except OSError as error:
        raise AcquireError(
            f"The cookies file {str(cookies)!r} cannot be read: {error.strerror or error}.",
            "Export it again in Netscape format, or take `cookies` out of the config.",
        ) from error
    copy.chmod(0o600)
    before = {_key(cookie): cookie.value for cookie in _load(copy)}
    try:
        yield str(copy)
    finally:
        changed = [cookie for cookie in _load(copy) if before.get(_key(cookie)) != cookie.value]
        if renewed := [cookie for cookie in changed if cookie.name not in _SET_BY_YT_DLP]:
            try:
                _write_back(cookies.resolve(), renewed, (context.cache or context.scratch) / ".cookies.lock")
            except OSError as error:
                context.log(f"renewed cookies cannot be written to {cookies}: {error}")


def _key(cookie: Any) -> tuple[str, str, str]:
    return cookie.domain, cookie.path, cookie.name


def _load(path: pathlib.Path) -> Any:
    from yt_dlp.cookies import YoutubeDLCookieJar

    jar = YoutubeDLCookieJar(str(path))
    jar.load()
    return jar


def _write_back(path: pathlib.Path, renewed: list[Any], lock_file: pathlib.Path) -> None:
    while (lock := try_lock(lock_file)) is None:  # other downloads renew theirs
        time.sleep(0.05)
    try:
        jar = _load(path)
        for cookie in renewed:
            jar.set_cookie(cookie)
        beside = path.with_name(f".{path.name}.new")
        beside.touch(0o600)
        jar.save(str(beside))
        shutil.copymode(path, beside)
        os.replace(beside, path)
    finally:
        os.close(lock)
