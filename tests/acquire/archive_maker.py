"""Makes archives of clips for tests: sound ones, and every kind that is not."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile


def tar(members: dict[str, bytes] | list, *, format: int = tarfile.PAX_FORMAT) -> bytes:
    """Returns a tar of files; an entry of a list may be a `TarInfo` or a pair of name and bytes."""
    pairs = members.items() if isinstance(members, dict) else members
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as archive:
        for entry in pairs:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            name, data = entry
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tar_gz(members) -> bytes:
    return gzip.compress(tar(members), 1, mtime=0)


def make_zip(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def special(name: str, type: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, link
    return info
