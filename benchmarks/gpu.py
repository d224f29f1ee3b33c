"""Decoding on a GPU beside decoding on the host, and how long a training step waits for either.

    python benchmarks/gpu.py                       # on a machine with an NVIDIA card; about four minutes
    python benchmarks/gpu.py --sections=host,device --seconds=3 --clips=8 --json=result.json

Needs the extras torch and gpu (PyTorch, torchvision, nvImageCodec), and no TensorFlow. Every section runs in a process
of its own with a time limit: one that fails leaves its row out and says why. Clips hold 300 JPEG frames of 340x256; all
ways give random resized crops of 224x224, uint8, of 16 frames 4 apart and of 32 frames 2 apart.

- host: `make_dataloader` decodes with simplejpeg and OpenCV in worker processes; with 1, 2, … and all cores.
- device: workers read and choose, `DeviceBatches` decodes with nvImageCodec. decoder: the same images, in memory.
- torchvision: likewise with `torchvision.io.decode_jpeg(…, device="cuda")`.
- step: SlowFast R50 and MViTv2-S in bfloat16, fed by a batch that stays on the card, by host and by device. The share
  that the card waits is what a fed step takes beyond one that is not.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the card is PyTorch's too

import psutil
import torch  # pyright: ignore[reportMissingImports]
from gpu_records import make_dataset

from kinetics_tfds import loader
from kinetics_tfds.loader.torch import make_dataloader

SIZE = 224
RULES = {"16x4": (16, 4), "32x2": (32, 2)}
_CORES = len(os.sched_getaffinity(0))
_GPU = torch.cuda.is_available()
_DEVICE = "cuda" if _GPU else "cpu"
_LIMIT_SECONDS = 120


def recipe(rule: str) -> loader.Recipe:
    """Returns the recipe of one of `RULES`."""
    frames, stride = RULES[rule]
    return loader.Recipe(
        sampling=loader.RandomClip(frames, stride), spatial=loader.RandomResizedCrop(SIZE), mean=0.45, std=0.225
    )


def host_batches(args: argparse.Namespace, rule: str, workers: int, batch_size: int = 8) -> Any:
    """Returns batches decoded by worker processes."""
    return make_dataloader(
        args.folder, "train", recipe=recipe(rule), batch_size=batch_size, num_workers=workers, epochs=10_000
    )


def device_batches(args: argparse.Namespace, rule: str, batch_size: int = 8, decoder: Any = None) -> Any:
    """Returns batches decoded on the device."""
    from kinetics_tfds.loader.gpu import DeviceBatches, WindowDecoder

    encoded = make_dataloader(
        args.folder, "train", recipe=recipe(rule), batch_size=batch_size, num_workers=min(4, _CORES),
        epochs=10_000, encoded=True,
    )  # fmt: skip
    return DeviceBatches(encoded, decoder or WindowDecoder((SIZE, SIZE), _DEVICE))


def measure(batches: Iterator[dict[str, Any]], seconds: float, warm_up: int = 4) -> dict[str, float]:
    """Returns clips per second, and processor milliseconds of this process and its workers per clip."""
    for _ in range(warm_up):
        next(batches)
    _synchronise()
    start, cpu, clips = time.perf_counter(), _cpu_seconds(), 0
    while time.perf_counter() - start < seconds:
        clips += len(next(batches)["label"])
    _synchronise()
    taken = time.perf_counter() - start
    return {"clips_per_s": round(clips / taken, 1), "cpu_ms": round((_cpu_seconds() - cpu) / clips * 1e3, 2)}


def section_host(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields host decoding, on 1, 2, … and all cores."""
    counts = sorted({1, 2, 4, 8, _CORES} & set(range(1, _CORES + 1)))
    for rule, workers in [*(("32x2", count) for count in counts), ("16x4", _CORES)]:
        batches = iter(host_batches(args, rule, workers))
        yield {"way": "host", "rule": rule, "workers": workers, **measure(batches, args.seconds, 2 * workers)}
        del batches


def section_device(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields decoding with nvImageCodec, from the files and of images in memory."""
    from kinetics_tfds.loader.gpu import WindowDecoder
    from kinetics_tfds.loader.random_access.views import ViewReader

    for rule in RULES:
        yield {"way": "device", "rule": rule, **measure(iter(device_batches(args, rule)), args.seconds)}
        reader = ViewReader(loader.ClipSource(args.folder, "train"), recipe(rule), seed=0, training=True)
        views = [view for clip in range(args.clips) for view in reader.encoded(clip)[1]][:8]
        decode = WindowDecoder((SIZE, SIZE), _DEVICE)
        endless = ({"video": decode(views), "label": views} for _ in itertools.repeat(None))
        yield {"way": "decoder", "rule": rule, **measure(endless, args.seconds)}


def section_torchvision(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields decoding with torchvision's nvJPEG."""
    import torchvision  # pyright: ignore[reportMissingImports]

    def decode(views: list[Any]) -> torch.Tensor:
        data = [torch.frombuffer(bytearray(image), dtype=torch.uint8) for view in views for image in view.images]
        images = iter(torchvision.io.decode_jpeg(data, torchvision.io.ImageReadMode.RGB, device=_DEVICE))
        clips = []
        for view in views:
            frames = torch.stack([next(images) for _ in view.images])
            top, left, height, width = view.boxes[0].tolist()
            window = frames[:, :, top : top + height, left : left + width].float()
            smooth = torch.nn.functional.interpolate(window, (SIZE, SIZE), mode="bilinear")
            clips.append((smooth + 0.5).to(torch.uint8))
        return torch.stack(clips)

    for rule in RULES:
        batches: Any = device_batches(args, rule, decoder=decode)
        yield {"way": "torchvision", "rule": rule, **measure(iter(batches), args.seconds)}


def section_jax(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields decoding with nvImageCodec into JAX, which normalises the batch where it lies."""
    import jax  # pyright: ignore[reportMissingImports]

    normalise = jax.jit(functools.partial(loader.normalise, by="slowfast", dtype="bfloat16"))

    def batches() -> Iterator[dict[str, Any]]:
        for batch in device_batches(args, "16x4"):
            video = jax.dlpack.from_dlpack(batch["video"].movedim(1, -1).contiguous())
            yield {**batch, "video": normalise(video).block_until_ready()}

    yield {"way": f"JAX ({jax.devices()[0].platform})", "rule": "16x4", **measure(batches(), args.seconds)}


def section_step(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yields training steps fed in three ways."""
    import torchvision  # pyright: ignore[reportMissingImports]
    from video_models import SlowFast

    from kinetics_tfds.loader.gpu import DeviceBatches

    models: dict[str, tuple[str, Callable[[], Any]]] = {
        "SlowFast R50": ("32x2", SlowFast),
        "MViTv2-S": ("16x4", lambda: torchvision.models.video.mvit_v2_s(num_classes=400)),
    }
    for name, (rule, make) in models.items():
        step = _training_step(make(), recipe(rule))
        first = next(iter(host_batches(args, rule, min(4, _CORES), args.batch_size)))
        kept = {key: first[key].to(_DEVICE) for key in ("video", "label")}
        kept_ms = _step_ms(step, itertools.repeat(kept), args.seconds)
        yield {"way": "step, kept batch", "model": name, "rule": rule, "batch": args.batch_size, "step_ms": kept_ms}
        for way, batches in (
            ("step, host", DeviceBatches(host_batches(args, rule, _CORES, args.batch_size), device=_DEVICE)),
            ("step, device", device_batches(args, rule, args.batch_size)),
        ):
            taken = _step_ms(step, iter(batches), args.seconds)
            waits = round(max(0.0, 1 - kept_ms / taken), 4)
            yield {"way": way, "model": name, "rule": rule, "step_ms": taken, "gpu_waits": waits}


def _training_step(model: Any, by: loader.Recipe) -> Callable[[dict[str, Any]], None]:
    model = model.to(_DEVICE, memory_format=torch.channels_last_3d).train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4)

    def step(batch: dict[str, Any]) -> None:
        video = batch["video"].to(_DEVICE, non_blocking=True)
        label = batch["label"].to(_DEVICE, non_blocking=True)
        with torch.autocast(_DEVICE, torch.bfloat16):
            logits = model(loader.normalise(video, by, "bfloat16", channels=1))
            loss = torch.nn.functional.cross_entropy(logits, label)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def _step_ms(step: Callable[[dict[str, Any]], None], batches: Iterator[dict[str, Any]], seconds: float) -> float:
    for _ in range(5):
        step(next(batches))
    _synchronise()
    start, steps = time.perf_counter(), 0
    while time.perf_counter() - start < seconds or steps < 2:
        step(next(batches))
        steps += 1
        if steps % 8 == 0:
            _synchronise()  # or the loop would run ahead of the card
    _synchronise()
    return round((time.perf_counter() - start) / steps * 1e3, 2)


def _synchronise() -> None:
    if _GPU:
        torch.cuda.synchronize()


def _cpu_seconds() -> float:
    process = psutil.Process()
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


SECTIONS = {
    "host": section_host,
    "device": section_device,
    "torchvision": section_torchvision,
    "jax": section_jax,
    "step": section_step,
}


def run_sections(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Runs each section in a process of its own and returns their rows."""
    rows = []
    for name in args.sections:
        options = {"section": name, "folder": args.folder, "seconds": args.seconds, "clips": args.clips}
        options["batch_size"] = args.batch_size
        command = [sys.executable, __file__, *(f"--{option}={value}" for option, value in options.items())]
        with tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
            )
            try:
                output, _ = process.communicate(timeout=_LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
                output, _ = process.communicate()
            errors.seek(0)
            last = errors.read().strip().splitlines()[-6:]
        found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        for row in found:
            print(json.dumps(row), flush=True)
        if process.returncode:
            print(f"{name}: ended with {process.returncode}: {' | '.join(last)}", flush=True)
        rows += found
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Returns the rows for docs/gpu.md, with the ratio to host decoding on all cores."""
    host = {row["rule"]: row["clips_per_s"] for row in rows if row["way"] == "host"}  # the last one is all cores
    lines = ["| way | frames | clips/s | to host | CPU ms per clip | step ms | GPU waits |", "|---" * 7 + "|"]
    for row in rows:
        name = " ".join(str(part) for part in (row["way"], row.get("workers", ""), row.get("model", "")) if part)
        ratio = row["clips_per_s"] / host[row["rule"]] if "clips_per_s" in row and row["rule"] in host else None
        waits = f"{row['gpu_waits']:.1%}" if "gpu_waits" in row else ""
        cells = (
            row.get("clips_per_s", ""),
            f"{ratio:.2f}" if ratio else "",
            row.get("cpu_ms", ""),
            row.get("step_ms", ""),
        )
        lines.append(f"| {name} | {row['rule']} | {' | '.join(map(str, cells))} | {waits} |")
    return "\n".join(lines)


def main() -> int:
    """Reads the arguments, runs the sections, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sections", default=",".join(SECTIONS), help="which ones, with commas between")
    parser.add_argument("--section", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help="where the clips are made; a temporary folder without it")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--batch_size", type=int, default=16, help="of the training steps")
    parser.add_argument("--json", type=pathlib.Path, help="writes the rows there too")
    parser.add_argument("--cpu", action="store_true", help="without a card: the same code on the CPU, for tests")
    args = parser.parse_args()
    if args.section:
        for row in SECTIONS[args.section](args):
            print(json.dumps(row), flush=True)
        os._exit(0)  # workers and decoders of a measurement that is over need not wind down
    if not _GPU and not args.cpu:
        print(
            "This machine has no NVIDIA card that PyTorch sees: nothing was measured. docs/gpu.md has figures of one."
        )
        return 0
    args.sections = args.sections.split(",")
    name = torch.cuda.get_device_name() if _GPU else "no card: nvImageCodec's CPU backend"
    print(f"{name}; {_CORES} cores; PyTorch {torch.__version__}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        args.folder = make_dataset((args.folder or pathlib.Path(scratch)) / "records", args.clips)
        frames = [size for row in _tables(args.folder) for size in row]
        print(f"{args.clips} clips, median frame {statistics.median(frames) / 1000:.1f} KB", flush=True)
        rows = run_sections(args)
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if rows else 1


def _tables(folder: pathlib.Path) -> Iterator[list[int]]:
    from kinetics_tfds import frame_table

    for path in sorted(folder.glob(".*.frames.npy")):
        yield frame_table.open_table(path)["size"].tolist()


if __name__ == "__main__":
    sys.exit(main())
