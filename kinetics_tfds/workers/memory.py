"""How much memory this process has, and may still have."""

from __future__ import annotations

import resource

_UNKNOWN_DATA_BYTES = 128 << 20


def data_bytes() -> int:
    """Returns the private memory that this process has mapped: what RLIMIT_DATA counts."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmData:"))
    except (OSError, StopIteration):
        return _UNKNOWN_DATA_BYTES


def limit_memory(more: int) -> None:
    """Lets this process take `more` bytes on top of what it has."""
    most = data_bytes() + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def memory_is_short(wanted: int) -> bool:
    """Returns whether this process has a limit and could hardly take `wanted` bytes more.

    Some decoders answer a refused allocation with an error about the data; this tells the two apart.
    """
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return limit != resource.RLIM_INFINITY and limit - data_bytes() < wanted
