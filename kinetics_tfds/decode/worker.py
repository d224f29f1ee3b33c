"""What runs inside a decode worker: limits, and one clip after another."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import resource
import select
import signal
import threading

from kinetics_tfds.decode.clip import decode_clip
from kinetics_tfds.decode.failure import DecodeError
from kinetics_tfds.decode.memory import limit_memory
from kinetics_tfds.decode.types import (
    DecodedClip,
    DecodeFailure,
    DecodeLimits,
    DecodeRequest,
    DecodeSettings,
    FailureReason,
)

_PR_SET_PDEATHSIG = 1


def start_worker(limits: DecodeLimits, owner: int) -> None:
    """Called once in each worker, before its first clip.

    Args:
        limits: what a clip may cost.
        owner: process id of the process that owns the pool; the worker ends when that one does.
    """
    # A worker that is deep in a decoder must end at once when it is told to.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no gigabytes of core files
    _end_with(owner)
    limit_memory(limits.memory_bytes)


def _end_with(owner: int) -> None:
    """Makes this process end when the fork server or the pool's owner does, however they end."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux; the thread below remains
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        watched = os.pidfd_open(owner)
    except ProcessLookupError:
        os._exit(1)
    except (OSError, AttributeError):
        return  # an old kernel: the worker still ends at its next use of the closed pipe
    threading.Thread(target=_wait_for_end, args=(watched,), name="owner-watch", daemon=True).start()


def _wait_for_end(watched: int) -> None:
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.poll()
    os._exit(1)


def run_request(request: DecodeRequest, settings: DecodeSettings, limits: DecodeLimits) -> bytes:
    """Decodes one clip and returns the pickled DecodedClip or DecodeFailure."""
    result: DecodedClip | DecodeFailure
    try:
        result = decode_clip(request, settings, limits)
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except DecodeError as error:
        result = error.failure
    except MemoryError:
        result = DecodeFailure(FailureReason.MEMORY, "memory ran out")
    except Exception as error:  # one clip must not stop a build, whatever it makes the libraries do
        result = DecodeFailure(FailureReason.CRASHED, f"the decoder raised {type(error).__name__}: {error}"[:300])
    return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
