"""What one run of a build says to its workers, and they to it, wherever they run.

A run is the life of the process that starts a build. Workers may outlive it on a cluster, and the next run may start
while they still write; so each run has a folder of its own:

```
<data_dir>/kinetics600/jpeg256/.staging/1.0.0.runs/<run>/
  heartbeat   rewritten every few seconds while the run goes on
  stop        tells its workers to stop
  errors/     what stopped a worker, for the process that started it
```
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from typing import Any, ClassVar

from etils import epath

from kinetics_tfds import errors
from kinetics_tfds.errors import KineticsError, WorkerError
from kinetics_tfds.file_systems import is_local, list_names, read_text, remove_tree, write_text
from kinetics_tfds.retrying import with_retries

_ORPHANED_AFTER_SECONDS = 120.0
_LOOK_SECONDS = 2.0
_LOOK_SECONDS_REMOTE = 20.0  # requests cost money, and a bucket's answer may be cached


class RunFolder:
    """One run's folder.

    Attributes:
        path: the folder.
        id: the run's, which names of its unfinished files begin with.
    """

    FRESH_SECONDS: ClassVar[float] = 120.0  # a heartbeat that is older is one of a run that has ended
    OVER_SECONDS: ClassVar[float] = 600.0  # after which its workers have stopped as well

    def __init__(self, path: epath.PathLike) -> None:
        self.path = epath.Path(path)
        self.id = self.path.name
        self._looking = threading.Lock()
        self._looked = -float("inf")
        self._silent_seconds = 0.0
        self._last_beat: int | None = None
        self._stopped = False

    @classmethod
    def new(cls, runs: epath.Path) -> RunFolder:
        """Returns the folder of a run that begins; nothing is written yet."""
        return cls(runs / uuid.uuid4().hex[:12])

    @staticmethod
    def describe_this_process() -> str:
        """Returns what others say of a run of this process."""
        return f"Process {os.getpid()} on {socket.gethostname()}"

    def beat(self) -> None:
        """Says that the run goes on."""
        values = {"host": socket.gethostname(), "pid": os.getpid(), "beat": time.time_ns()}
        write_text(self.path / "heartbeat", json.dumps(values))

    def beat_time(self) -> float:
        """Returns when the heartbeat was written, by the clock of the storage; 0 where there is none.

        In seconds.
        """
        heartbeat = self.path / "heartbeat"
        try:
            return with_retries("read", heartbeat, lambda: heartbeat.stat().mtime)
        except FileNotFoundError:
            return 0.0

    def is_going_on(self, now: float) -> bool:
        """Returns whether the run has not ended, as far as can be told from here.

        Args:
            now: the time by the clock of the storage, in seconds.
        """
        if now - self.beat_time() > self.FRESH_SECONDS or self._told_to_stop():
            return False
        values = self._read_beat()
        if values.get("host") != socket.gethostname():
            return True
        try:
            os.kill(int(values["pid"]), 0)
        except ProcessLookupError:
            return False
        except (OSError, KeyError, ValueError):
            pass
        return True

    def is_over(self, now: float) -> bool:
        """Returns whether the run's workers have ended too: they stop when the heartbeat does."""
        return now - self.beat_time() > self.OVER_SECONDS

    def holder(self) -> str:
        """Returns which process the run is."""
        values = self._read_beat()
        return f"Process {values['pid']} on {values['host']}" if {"pid", "host"} <= values.keys() else "Another run"

    def ask_to_stop(self) -> None:
        """Tells the run's workers to stop at their next clip. Never fails: they stop without the heartbeat as well."""
        self._stopped = True
        with contextlib.suppress(Exception):
            write_text(self.path / "stop", "stop\n")

    def asked_to_stop(self, *, look: bool = False) -> bool:
        """Returns whether this worker should stop: it was told to, or the run's heartbeat has ended or was removed.

        Cheap: it looks every few seconds only. Time in which this process is suspended does not count as silence.

        Args:
            look: look now.
        """
        with self._looking:
            every = _LOOK_SECONDS if is_local(self.path) else _LOOK_SECONDS_REMOTE
            now = time.monotonic()
            passed = now - self._looked
            if self._stopped or (passed < every and not look):
                return self._stopped
            self._looked = now
            with contextlib.suppress(KineticsError):  # a storage that is away for a while: the next look will do
                beat = self._read_beat().get("beat")
                self._silent_seconds = 0.0 if beat != self._last_beat else self._silent_seconds + min(passed, 2 * every)
                self._last_beat = beat
                is_orphan = beat is None or self._silent_seconds > _ORPHANED_AFTER_SECONDS
                self._stopped = is_orphan or self._told_to_stop()
            return self._stopped

    def write_error(self, error: KineticsError) -> None:
        """Leaves an error for the process that started the build: Beam itself hands on only text."""
        values = {"type": type(error).__name__, "problem": error.problem, "next_step": error.next_step}
        name = f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.json"
        write_text(self.path / "errors" / name, json.dumps(values))

    def read_error(self) -> KineticsError | None:
        """Returns the first error a worker left, or None."""
        for name in sorted(list_names(self.path / "errors")):
            if name.endswith(".json") and name[0] != ".":
                values = json.loads(read_text(self.path / "errors" / name))
                kind = getattr(errors, values["type"], WorkerError)
                return kind(values["problem"], values["next_step"])
        return None

    def remove(self) -> None:
        """Removes the folder."""
        self._stopped = True
        remove_tree(self.path)

    def _read_beat(self) -> dict[str, Any]:
        try:
            return dict(json.loads(read_text(self.path / "heartbeat")))
        except (FileNotFoundError, ValueError, TypeError):
            return {}

    def _told_to_stop(self) -> bool:
        stop = self.path / "stop"
        return with_retries("read", stop, stop.exists)


def list_runs(runs: epath.Path) -> list[RunFolder]:
    """Returns the runs of a dataset that have a folder."""
    return [RunFolder(runs / name) for name in list_names(runs)]
