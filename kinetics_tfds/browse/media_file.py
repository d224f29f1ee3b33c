"""Sends media files to the browser's own player."""

from __future__ import annotations

import os

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from kinetics_tfds.browse.collection import MediaPath
from kinetics_tfds.file_systems import is_local, open_file

_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".3gp": "video/3gpp",
    ".mpg": "video/mpeg",
    ".mov": "video/mp4",  # browsers refuse video/quicktime, and play what is in it
    ".webm": "video/webm",
    ".mkv": "video/webm",  # likewise: both are Matroska
    ".avi": "video/x-msvideo",
}
_NOT_PLAYED = frozenset({".avi", ".mpg"})
_MOST_REMOTE_BYTES = 64 << 20


def is_playable(path: str) -> bool:
    """Returns whether browsers may be able to play a file, by its name."""
    suffix = os.path.splitext(path)[1].lower()
    return suffix in _TYPES and suffix not in _NOT_PLAYED


def send_media(media: MediaPath) -> Response:
    """Returns the file: ranges of a local one, so that the player can seek; the whole of a remote one, up to 64 MB.

    Raises:
        HTTPException: the file cannot be read, or is remote and larger.
    """
    kind = _TYPES.get(os.path.splitext(media.path)[1].lower(), "application/octet-stream")
    if is_local(media.path):
        if not os.path.isfile(media.path):
            raise HTTPException(404, "The file is not there any more.")
        return FileResponse(media.path, media_type=kind)
    try:
        with open_file(media.path) as file:
            data = file.read(_MOST_REMOTE_BYTES + 1)
    except OSError as error:
        raise HTTPException(404, f"The file cannot be read: {error}") from error
    if len(data) > _MOST_REMOTE_BYTES:
        raise HTTPException(413, "The file is remote and larger than 64 MB.")
    return Response(data, media_type=kind)
