"""The web application behind the page: JSON, frames as they are stored, media files by range.

Whatever a request names is looked up among the rows that were read at the start: no part of a URL becomes a path.
"""

from __future__ import annotations

import importlib.resources
import threading
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from kinetics_tfds.browse import answers
from kinetics_tfds.browse.collection import Collection, StoredClip
from kinetics_tfds.browse.headers import SameOriginMiddleware
from kinetics_tfds.browse.marks import Marks
from kinetics_tfds.browse.media_file import send_media
from kinetics_tfds.errors import KineticsError

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Each record in hand takes twice its size in memory.
_RECORDS_AT_ONCE = 4
_MOST_BODY_BYTES = 1000


def read_assets() -> dict[str, bytes]:
    """Returns the files of the page by name."""
    folder = importlib.resources.files("kinetics_tfds.browse") / "assets"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(tuple(MEDIA_TYPES))}


def make_app(collection: Collection, marks: Marks, hosts: Sequence[str]) -> Starlette:
    """Returns the application.

    Args:
        collection: what to show.
        marks: where the user's marks are kept.
        hosts: values of the Host header that are answered, without ports.
    """
    page = _Page(collection, marks)
    routes = [
        Route("/", page.asset, name="index"),
        Route("/assets/{name}", page.asset),
        Route("/api/collection", page.collection),
        Route("/api/counts", page.counts),
        Route("/api/clips", page.clips),
        Route("/api/clip", page.clip),
        Route("/api/frames/{row:int}", page.frames),
        Route("/api/audio/{row:int}", page.audio),
        Route("/api/media/{row:int}", page.media),
        Route("/api/marks", page.read_marks, methods=["GET"]),
        Route("/api/marks", page.write_marks, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[
            # Another name in the Host header is a page elsewhere whose name was made to mean this machine.
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(SameOriginMiddleware),
        ],
        exception_handlers={KineticsError: _explain},
    )


async def _explain(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, KineticsError)
    return JSONResponse({"problem": error.problem, "next": error.next_step}, 400)


class _Page:
    """The handlers; those that are no coroutines run in threads."""

    def __init__(self, collection: Collection, marks: Marks) -> None:
        self._collection = collection
        self._marks = marks
        self._assets = read_assets()
        self._reading = threading.BoundedSemaphore(_RECORDS_AT_ONCE)

    def asset(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in self._assets:
            raise HTTPException(404)
        return Response(self._assets[name], media_type=MEDIA_TYPES[name[name.rindex(".") :]])

    def collection(self, request: Request) -> Response:
        del request
        found = answers.describe_collection(self._collection)
        return JSONResponse({**found, "marks": {"path": str(self._marks.path), "writable": True}})

    def counts(self, request: Request) -> Response:
        query = answers.parse_query(request.query_params)
        return JSONResponse(self._collection.table.count(query, self._marks.videos()))

    def clips(self, request: Request) -> Response:
        query = answers.parse_query(request.query_params)
        page, size = (_number(request, name, default) for name, default in (("page", 1), ("size", 48)))
        return JSONResponse(answers.list_clips(self._collection, query, self._marks.videos(), page, size))

    def clip(self, request: Request) -> Response:
        with self._reading:
            return JSONResponse(answers.describe_clip(self._collection, request.query_params.get("key", "")))

    def frames(self, request: Request) -> Response:
        most = _number(request, "most", 0)
        with self._reading:
            frames = self._record(request).frames
            packed = answers.pack_frames(answers.spread(frames, most) if most else frames)
        return Response(packed, media_type="application/octet-stream")

    def audio(self, request: Request) -> Response:
        with self._reading:
            sound = answers.to_wav(self._record(request))
        return Response(sound, media_type="audio/wav")

    def media(self, request: Request) -> Response:
        found = self._collection.media(self._row(request))
        if found is None:
            raise HTTPException(404)
        return send_media(found)

    def read_marks(self, request: Request) -> Response:
        del request
        return JSONResponse(sorted(self._marks.videos()))

    async def write_marks(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BODY_BYTES:
                raise HTTPException(413)
        youtube_id, marked = answers.parse_mark(body)
        return JSONResponse(sorted(self._marks.set(youtube_id, marked)))

    def _row(self, request: Request) -> int:
        row = request.path_params["row"]
        if not 0 <= row < len(self._collection.table):
            raise HTTPException(404)
        return row

    def _record(self, request: Request) -> StoredClip:
        record = self._collection.record(self._row(request))
        if not isinstance(record, StoredClip):
            raise HTTPException(404, record)
        return record


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
