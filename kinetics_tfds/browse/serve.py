"""Serves the page on this machine until the user stops it."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
import threading
import webbrowser

import uvicorn

from kinetics_tfds.browse.app import make_app
from kinetics_tfds.browse.collection import Collection
from kinetics_tfds.browse.marks import Marks
from kinetics_tfds.errors import BrowseError

LOOPBACK = "127.0.0.1"
_LOOPBACK_NAMES = (LOOPBACK, "localhost", "[::1]")
# Tried one after the other, so that several datasets can be looked at side by side.
PORTS = range(8470, 8490)


def serve(
    collection: Collection,
    marks: Marks,
    host: str = LOOPBACK,
    port: int | None = None,
    names: tuple[str, ...] = (),
    open_browser: bool = True,
) -> None:
    """Serves until Ctrl-C.

    Args:
        collection: what to show.
        marks: where the user's marks are kept.
        host: address to listen on.
        port: 0 for any; the first free one of PORTS where None.
        names: further host names by which browsers reach this machine.
        open_browser: open the page in the user's browser.

    Raises:
        BrowseError: the address or port cannot be had.
    """
    listening = listen(host, port)
    url = f"http://{_bracketed(host)}:{listening.getsockname()[1]}/"
    app = make_app(collection, marks, (*_LOOPBACK_NAMES, _bracketed(host), *_own_names(host), *names))
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", server_header=False)
    server = uvicorn.Server(config)
    print(f"{collection.title}: {url}\nMarks go to {marks.path}. Ctrl-C ends it.", flush=True)
    if open_browser:
        threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
    # Whether Ctrl-C comes out as an exception depends on where in its last steps it met the server.
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])
    print("kinetics browse: ended.", file=sys.stderr)


def listen(host: str, port: int | None) -> socket.socket:
    """Returns a listening socket.

    Raises:
        BrowseError: the address or port cannot be had.
    """
    problem: OSError | None = None
    for wanted in PORTS if port is None else [port]:
        try:
            return socket.create_server((host, wanted), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            problem = error
            if error.errno != errno.EADDRINUSE:
                break
    assert problem is not None
    where = f"{host}:{port if port is not None else f'{PORTS.start} to {PORTS.stop - 1}'}"
    raise BrowseError(
        f"Cannot listen on {where}: {problem.strerror or problem}.",
        "Choose another --port (0 for any free one) or --host.",
    ) from problem


def _own_names(host: str) -> tuple[str, ...]:
    """Returns the names and addresses of this machine where it listens on all of them."""
    if host not in ("0.0.0.0", "::"):
        return ()
    name = socket.gethostname()
    try:
        addresses = {info[4][0] for info in socket.getaddrinfo(name, None)}
    except OSError:
        addresses = set()
    return (name, socket.getfqdn(), *(_bracketed(str(address)) for address in sorted(map(str, addresses))))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
