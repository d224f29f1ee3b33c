"""A build on a cluster, computed: shards are dealt to workers as an engine would, from measured times and sizes."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """What a clip and a shard take.

    Attributes:
        decode_seconds: CPU time of a clip of ten seconds at 340x256, decoded, encoded as JPEG and written: 38 CPU hours
            for the 455,513 clips of Kinetics-600, on one core of the machine that docs/building.md names.
        spread: sigma of the lognormal distribution of that time: one clip in a hundred takes three times the median.
            Assumed; sizes and codecs of copies of Kinetics differ.
        vcpu: what a cloud's vCPU, half a core, does of that core. Assumed.
        clip_bytes: of a clip's file.
        record_bytes: of its record, 250 frames of 20 KB.
        latency: seconds of a request to a bucket, on average. Assumed.
        bucket_bytes: per second, to or from a bucket, of one worker. Assumed.
        start_seconds: until a worker has its image and begins. Assumed.
        fixed: requests of a build whatever its size, by kind; counted at an emulator, as are the next two.
        per_shard: of a shard.
        per_clip: of a clip.
    """

    decode_seconds: float = 38 * 3600 / 455_513
    spread: float = 0.47
    vcpu: float = 0.6
    clip_bytes: float = 1.7e6
    record_bytes: float = 5.0e6
    latency: float = 0.06
    bucket_bytes: float = 100e6
    start_seconds: float = 240.0
    fixed: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {"stat": 42, "list": 57, "write": 26, "get": 3, "delete": 4}
    )
    per_shard: Mapping[str, int] = dataclasses.field(
        default_factory=lambda: {"stat": 11, "list": 8, "write": 6, "get": 2, "delete": 1}
    )
    per_clip: Mapping[str, int] = dataclasses.field(default_factory=lambda: {"get": 1})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prices:
    """US dollars: Google's list prices for us-central1 as the authors knew them; ask for today's.

    Attributes:
        vcpu_hour: Dataflow batch, without the machine's sustained-use discounts.
        gb_hour: memory.
        disk_gb_hour: standard disk.
        thousand_writes: requests that write or list, per thousand (class A).
        thousand_reads: the others (class B); deleting costs nothing.
    """

    vcpu_hour: float = 0.056
    gb_hour: float = 0.003557
    disk_gb_hour: float = 0.000054
    thousand_writes: float = 0.005
    thousand_reads: float = 0.0004


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """A worker: `n2-highcpu-16` with the disk of configs/runners/dataflow.yaml.

    Attributes:
        vcpus: decode processes, too.
        memory_gb: of the machine.
        disk_gb: of its disk.
    """

    vcpus: int = 16
    memory_gb: float = 16.0
    disk_gb: float = 50.0

    def hour(self, prices: Prices) -> float:
        """Returns what an hour costs, in dollars."""
        return self.vcpus * prices.vcpu_hour + self.memory_gb * prices.gb_hour + self.disk_gb * prices.disk_gb_hour


@dataclasses.dataclass(frozen=True)
class Build:
    """What a build comes to.

    Attributes:
        workers: how many there were.
        wall_seconds: from the start of the workers to the last shard.
        skew: the time of the worker that ended last, as a multiple of the mean.
        worker_hours: that are paid: workers that have nothing left to do stay until the end.
        dollars: workers and requests.
    """

    workers: int
    wall_seconds: float
    skew: float
    worker_hours: float
    dollars: float


def count_requests(clips: int, shards: int, measured: Measured) -> dict[str, int]:
    """Returns how many requests of each kind a build makes to its bucket."""
    return {
        kind: measured.fixed[kind] + shards * measured.per_shard[kind] + clips * measured.per_clip.get(kind, 0)
        for kind in measured.fixed
    }


def shard_seconds(clips: int, shards: int, machine: Machine, measured: Measured, seed: int = 0) -> np.ndarray:
    """Returns the time that each shard takes on a worker: float64 [shards].

    Decoding, reading clips and writing the shard overlap; the slowest of them decides.
    """
    rng = np.random.default_rng(seed)
    location = np.log(measured.decode_seconds) - measured.spread**2 / 2  # the mean is the measured one
    times = rng.lognormal(location, measured.spread, clips) / measured.vcpu
    edges = np.linspace(0, clips, shards + 1).astype(int)
    decode = np.add.reduceat(times, edges[:-1]) / machine.vcpus
    sizes = np.diff(edges)
    requests = sum(measured.per_shard.values())
    network = sizes * (measured.clip_bytes + measured.record_bytes) / measured.bucket_bytes
    # Clips are copied by as many threads as there are decode processes.
    waiting = requests * measured.latency + sizes * measured.latency / machine.vcpus
    return np.maximum(decode, network) + waiting


def simulate(clips: int, shards: int, workers: int, machine: Machine, measured: Measured, prices: Prices) -> Build:
    """Deals shards to whichever worker is free first."""
    free = [0.0] * min(workers, shards)
    for seconds in shard_seconds(clips, shards, machine, measured):
        heapq.heapreplace(free, free[0] + float(seconds))
    wall = max(free) + measured.start_seconds
    hours = workers * wall / 3600
    requests = count_requests(clips, shards, measured)
    writes = requests["write"] + requests["list"]
    reads = requests["get"] + requests["stat"]
    storage = (writes * prices.thousand_writes + reads * prices.thousand_reads) / 1000
    return Build(workers, wall, max(free) / (sum(free) / len(free)), hours, hours * machine.hour(prices) + storage)
