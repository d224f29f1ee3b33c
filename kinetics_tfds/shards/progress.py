"""Says how a build is going: rate, clips done, time left, failures so far.

Finished shards are counted from their sidecars, wherever they were written; the clips of unfinished ones only where
they are written in this very process.
"""

from __future__ import annotations

import collections
import sys
import threading
import time
from collections.abc import Iterable
from typing import TextIO

from kinetics_tfds.durations import format_duration
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.shards.failures import stops_early
from kinetics_tfds.shards.report import ClipReport, ClipState, ShardReport
from kinetics_tfds.shards.staging import Staging

_TTY_SECONDS = 1.0
_LINE_SECONDS = 30.0
_LOOK_SECONDS = 1.0
_LOOK_SECONDS_REMOTE = 30.0
_RATE_WINDOW_SECONDS = 120.0


class Live:
    """The clips of shards that this process is writing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: dict[str, list[int]] = {}

    def add(self, shard: str, report: ClipReport) -> None:
        """Counts one clip of a shard."""
        with self._lock:
            done = self._done.setdefault(shard, [0, 0])
            done[0] += 1
            done[1] += report.state is ClipState.FAILED

    def forget(self, shard: str) -> None:
        """Forgets a shard: its sidecar speaks for it."""
        with self._lock:
            self._done.pop(shard, None)

    def clear(self) -> None:
        """Forgets every shard, such as those of a build that failed."""
        with self._lock:
            self._done.clear()

    def read(self) -> dict[str, tuple[int, int]]:
        """Returns clips done and clips failed by shard."""
        with self._lock:
            return {shard: (done, failed) for shard, (done, failed) in self._done.items()}


LIVE = Live()


class BuildProgress:
    """Prints progress while a build runs, and stops it when too many clips fail.

    Use as a context manager around the build; `stopped` says afterwards whether it was stopped.
    """

    def __init__(
        self,
        staging: Staging,
        total: int,
        reports: dict[str, ShardReport],
        *,
        max_failure_rate: float,
        stream: TextIO | None = None,
    ) -> None:
        """Prepares; nothing is printed yet.

        Args:
            staging: the build's folder.
            total: clips on disk that are to be tried.
            reports: of the shards that are finished already, by name; those that finish are added.
            max_failure_rate: the config's.
            stream: where to print; standard error where None.
        """
        self._staging = staging
        self._total = total
        self._reports = reports
        self._tried = self._failed = 0  # in finished shards
        self._count(reports.values())
        self._max_failure_rate = max_failure_rate
        self._stream = stream or sys.stderr
        self._tty = self._stream.isatty()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kinetics-progress", daemon=True)
        self._history: collections.deque[tuple[float, int]] = collections.deque()
        self.stopped = False

    def __enter__(self) -> BuildProgress:
        LIVE.clear()
        self._history.append((time.monotonic(), self._counts()[0]))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()
        self._print(last=True)

    def _run(self) -> None:
        look = _LOOK_SECONDS if is_local(self._staging.path) else _LOOK_SECONDS_REMOTE
        speak = _TTY_SECONDS if self._tty else _LINE_SECONDS
        now = time.monotonic()
        next_look, next_word = now + look, now + speak
        while not self._ended.wait(min(look, speak)):
            now = time.monotonic()
            if now >= next_look:
                self._look()
                next_look = now + look
            if now >= next_word:
                self._print()
                next_word = now + speak

    def _look(self) -> None:
        """Reads the sidecars that are new, and asks the workers to stop if too many clips failed."""
        new = self._staging.read_finished(self._staging.report_names() - self._reports.keys())
        self._reports.update(new)
        self._count(new.values())
        if not self.stopped and stops_early(self._failed, self._tried, self._total, self._max_failure_rate):
            self.stopped = True
            if self._tried < self._total:
                self._staging.run.ask_to_stop()

    def clips_done(self) -> int:
        """Returns how many clips were tried so far, as far as this process knows."""
        return self._counts()[0]

    def _counts(self) -> tuple[int, int]:
        live = [counts for shard, counts in LIVE.read().items() if shard not in self._reports]
        return self._tried + sum(done for done, _ in live), self._failed + sum(failed for _, failed in live)

    def _count(self, reports: Iterable[ShardReport]) -> None:
        for report in reports:
            self._tried += report.tried
            self._failed += report.failures.total()

    def _print(self, *, last: bool = False) -> None:
        done, failed = self._counts()
        now = time.monotonic()
        self._history.append((now, done))
        while len(self._history) > 2 and now - self._history[0][0] > _RATE_WINDOW_SECONDS:
            self._history.popleft()
        began, before = self._history[0]
        rate = (done - before) / (now - began) if now > began else 0.0
        line = progress_line(done, self._total, failed, rate)
        if self._tty:
            self._stream.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()


def progress_line(done: int, total: int, failed: int, rate: float) -> str:
    """Returns one line for people.

    Args:
        done: clips tried.
        total: clips to try.
        failed: clips that failed.
        rate: clips a second.

    >>> progress_line(1200, 30000, 3, 7.5)
    'kinetics: 1,200 of 30,000 clips (4.0 %), 3 failed, 7.5 clips/s, 1 h 04 min left'
    """
    share = f"{100 * done / total:.1f} %" if total else "all"
    words = [f"kinetics: {done:,} of {total:,} clips ({share})", f"{failed:,} failed", f"{rate:.1f} clips/s"]
    if rate > 0 and done < total:
        words.append(f"{format_duration((total - done) / rate)} left")
    return ", ".join(words)
