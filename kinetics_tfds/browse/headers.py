"""The headers that keep other web sites out of the page, and the page from reaching out."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Everything comes from the server itself; `blob:` is for frames, which the page makes pictures of.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    # The next server on this port may show another dataset.
    "Cache-Control": "no-store",
}


class SameOriginMiddleware:
    """Adds the headers to every answer, and refuses what a page of another origin sends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request, as ASGI defines it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        app = self._app if _is_same_origin(Headers(scope=scope)) else _REFUSED
        await app(scope, receive, send_with_headers)


_REFUSED = PlainTextResponse("This page answers only itself.", 403)


def _is_same_origin(headers: Headers) -> bool:
    """Browsers send Origin with everything that may change something, and across origins with all else."""
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")
