"""Serves a collection on loopback while a test looks at it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import uvicorn

from kinetics_tfds.browse.app import make_app
from kinetics_tfds.browse.serve import LOOPBACK, listen


@contextlib.contextmanager
def serving(collection, marks) -> Iterator[str]:
    """Gives the page's address, without the last slash."""
    listening = listen(LOOPBACK, 0)
    app = make_app(collection, marks, (LOOPBACK, "localhost"))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
