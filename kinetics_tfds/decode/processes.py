"""Starting worker processes that know nothing of the program that starts them.

The standard library's fork server is shared by a whole program, imports the program's main module into every child
(and with it, say, TensorFlow), and stays behind. This one is the project's own: it imports the decoder once, each
worker is a fork of it, and it ends with the last pool.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing.context
import os
import signal
import threading
from multiprocessing import forkserver, popen_forkserver, process, reduction, spawn, util

# In this order: the first keeps libraries that the second imports from starting threads.
_PRELOAD = ("kinetics_tfds.decode.single_thread", "kinetics_tfds.decode.worker")


class _Server:
    """The fork server of this process, kept while any pool needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._server = self._make()

    @staticmethod
    def _make() -> forkserver.ForkServer:
        server = forkserver.ForkServer()
        server.set_forkserver_preload(list(_PRELOAD))
        return server

    def forget(self) -> None:
        """Called in a forked child: the server belongs to the parent."""
        self._lock = threading.Lock()
        self._users = 0
        self._server = self._make()

    def acquire(self) -> None:
        """Notes a user."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Drops a user; the last one ends the server, if its children have ended."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                server, self._server = self._server, self._make()
                _end(server)

    def connect(self, descriptors: list[int]) -> tuple[int, int]:
        """Starts a process; returns where its status comes from and where its data goes."""
        return self._server.connect_to_new_process(descriptors)


def _end(server: forkserver.ForkServer) -> None:
    """Ends a server at once; workers that are left end with it.

    The standard library would ask it to end and wait, which takes for ever while some other child of this process holds
    the server's descriptors.
    """
    pid, address = server._forkserver_pid, server._forkserver_address
    if pid is None:
        return
    os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number cannot be someone else's
    os.waitpid(pid, 0)
    os.close(server._forkserver_alive_fd)
    server._forkserver_pid = server._forkserver_alive_fd = server._forkserver_address = None
    if not util.is_abstract_socket_namespace(address):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(address)


server = _Server()
os.register_at_fork(after_in_child=server.forget)


class _Popen(popen_forkserver.Popen):
    def _launch(self, process_obj: process.BaseProcess) -> None:
        preparation = spawn.get_preparation_data(process_obj.name)
        # A worker needs none of the parent's main module.
        preparation.pop("init_main_from_name", None)
        preparation.pop("init_main_from_path", None)
        data = io.BytesIO()
        multiprocessing.context.set_spawning_popen(self)
        try:
            reduction.dump(preparation, data)
            reduction.dump(process_obj, data)
        finally:
            multiprocessing.context.set_spawning_popen(None)
        self.sentinel, write_end = server.connect(self._fds)
        # Held open so that the child sees when this process is gone.
        held = os.dup(write_end)
        self.finalizer = util.Finalize(self, util.close_fds, (held, self.sentinel))
        with open(write_end, "wb", closefd=True) as file:
            file.write(data.getbuffer())
        self.pid = forkserver.read_signed(self.sentinel)


class WorkerProcess(multiprocessing.context.ForkServerProcess):
    """A process forked from the project's own server."""

    @staticmethod
    def _Popen(process_obj: process.BaseProcess) -> _Popen:  # noqa: N802 (the standard library's hook)
        return _Popen(process_obj)


class WorkerContext(multiprocessing.context.ForkServerContext):
    """What pebble takes as a multiprocessing context."""

    Process = WorkerProcess
