"""The ways to load clips that load.py compares; each runs in a process of its own.

    python load_ways.py WAY FOLDER

It says `ready`, and answers each line on its input, a number of seconds, with what it did in that time: a line of JSON.
All give 32 frames, 2 apart, of a random place in the clip, in a random resized crop of 224x224, uint8.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

import numpy as np
import psutil
from load_records import make_records

FRAMES, STRIDE, SIZE, BATCH = 32, 2, 224, 8
SHUFFLED = 1024
# Steps of each way that are not measured: they fill queues, and let TensorFlow find its parameters.
_WARM_SECONDS = 0.5
_KEPT = 8  # clips whose frames the limit keeps in memory
_state: dict[str, Any] = {}  # of a worker process


def ours(folder: pathlib.Path, clips: int = 1, **options: Any) -> Iterator[int]:
    """The loader; yields clips in a batch."""
    import tensorflow_datasets as tfds

    from kinetics_tfds import loader

    builder = tfds.builder_from_directory(_records(folder))
    sampling = loader.RandomClip(FRAMES, STRIDE, clips=clips)
    spatial = loader.RandomResizedCrop(SIZE)
    dataset = loader.make_dataset(builder, "train", sampling=sampling, spatial=spatial, batch_size=BATCH, **options)
    for batch in dataset:
        yield len(batch["id"])


def ours_shuffled(folder: pathlib.Path) -> Iterator[int]:
    """The loader with a buffer of 1,024 sampled clips, which it does not need; for its memory."""
    import tensorflow_datasets as tfds

    from kinetics_tfds import loader
    from kinetics_tfds.loader import pipeline
    from kinetics_tfds.loader.config import PipelineConfig
    from kinetics_tfds.loader.inputs import open_inputs

    builder = tfds.builder_from_directory(_records(folder))
    sampling, spatial = loader.RandomClip(FRAMES, STRIDE), loader.RandomResizedCrop(SIZE)
    inputs = open_inputs(builder, "train", PipelineConfig(sampling=sampling, spatial=spatial, batch_size=BATCH))
    samples = pipeline.read_and_sample(inputs, pipeline.record_order(inputs)).shuffle(SHUFFLED)
    batches = pipeline.batch(inputs, pipeline.decode(inputs, samples), None)
    for batch in batches.with_options(pipeline.options(inputs)):
        yield len(batch["id"])


def stock(folder: pathlib.Path, decode: bool) -> Iterator[int]:
    """TFDS with a map as one would write it."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(_records(folder))
    decoders = None if decode else {"video": tfds.decode.SkipDecoding()}
    dataset = builder.as_dataset(split="train", shuffle_files=True, decoders=decoders)

    def load(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        video = example["video"]
        start = tf.random.uniform([], 0, tf.shape(video)[0] - FRAMES * STRIDE + 1, tf.int32)
        video = video[start : start + FRAMES * STRIDE : STRIDE]
        if not decode:
            video = tf.map_fn(lambda jpeg: tf.io.decode_jpeg(jpeg, channels=3), video, fn_output_signature=tf.uint8)
        everything = tf.constant([0.0, 0.0, 1.0, 1.0], shape=[1, 1, 4])
        begin, size, _ = tf.image.sample_distorted_bounding_box(
            tf.shape(video)[1:], everything, aspect_ratio_range=(3 / 4, 4 / 3), area_range=(0.08, 1.0)
        )
        video = tf.slice(video, tf.concat([[0], begin], 0), tf.concat([[FRAMES], size], 0))
        video = tf.cast(tf.image.resize(video, [SIZE, SIZE]) + 0.5, tf.uint8)
        video = tf.cond(tf.random.uniform([]) < 0.5, lambda: video[:, :, ::-1], lambda: video)
        return video, example["label"], example["id"]

    dataset = dataset.repeat().map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    for _, _, keys in dataset:
        yield len(keys)


def pooled(folder: pathlib.Path, load: Callable[[Any], np.ndarray], prepare: Callable[..., None]) -> Iterator[int]:
    """A process a core, each loading whole clips, which stay there: sending them to a trainer is not counted."""
    _, clips = make_records(folder, _count(folder))
    cores = len(os.sched_getaffinity(0))
    waiting = threading.Semaphore(2 * cores)

    def endless() -> Iterator[int]:
        while waiting.acquire():  # the pool would take all that it is given
            yield random.randrange(len(clips))

    with get_context("spawn").Pool(cores, prepare, (clips,)) as pool:
        for count in pool.imap_unordered(_Counted(load), endless()):
            waiting.release()
            yield count


class _Counted:
    def __init__(self, load: Callable[[int], np.ndarray]) -> None:
        self._load = load

    def __call__(self, number: int) -> int:
        clip = self._load(number)
        if clip.shape != (FRAMES, SIZE, SIZE, 3) or clip.dtype != np.uint8:
            raise ValueError(f"A clip is {clip.dtype} {clip.shape}.")
        return 1


def prepare_videos(clips: list[pathlib.Path]) -> None:
    """Starts a worker that reads videos."""
    import cv2

    cv2.setNumThreads(1)
    _state["clips"] = clips


def prepare_frames(clips: list[pathlib.Path]) -> None:
    """Starts a worker that has the JPEG frames of a few clips in memory."""
    from load_records import encode_clip

    prepare_videos(clips)
    _state["clips"] = [encode_clip(path) for path in clips[:_KEPT]]


def with_decord(number: int) -> np.ndarray:
    """Returns a clip of an mp4 file."""
    from decord import VideoReader

    reader = VideoReader(str(_state["clips"][number]), num_threads=1)
    return _resized(reader.get_batch(_choose(len(reader))).asnumpy())


def with_pyav(number: int) -> np.ndarray:
    """Returns a clip of an mp4 file: a seek to the key frame before it, and pixels of the chosen frames alone."""
    import av

    with av.open(str(_state["clips"][number])) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        step = 1 / ((stream.time_base or 1) * (stream.average_rate or 1))
        wanted = {round(index * step) for index in _choose(stream.frames)}
        container.seek(min(wanted), stream=stream)
        images = []
        for frame in container.decode(stream):
            if frame.pts in wanted:
                images.append(frame.to_ndarray(format="rgb24"))
            if len(images) == FRAMES:
                return _resized(np.stack(images))
    raise ValueError(f"{_state['clips'][number]}: {len(images)} of the frames were found.")


def limit(number: int) -> np.ndarray:
    """Returns a clip of frames in memory: libjpeg-turbo and OpenCV, nothing else."""
    import cv2
    import simplejpeg

    frames = _state["clips"][number % len(_state["clips"])]
    height, width = (int(side) for side in simplejpeg.decode_jpeg_header(frames[0])[:2])
    top, left, high, wide, flip = _window(height, width)
    clip = np.empty((FRAMES, SIZE, SIZE, 3), np.uint8)
    for place, index in enumerate(_choose(len(frames))):
        crop = simplejpeg.decode_jpeg(frames[index])[top : top + high, left : left + wide]
        image = cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        clip[place] = cv2.flip(image, 1) if flip else image
    return clip


def _choose(count: int) -> list[int]:
    start = random.randint(0, count - FRAMES * STRIDE)
    return list(range(start, start + FRAMES * STRIDE, STRIDE))


def _resized(images: np.ndarray) -> np.ndarray:
    import cv2

    top, left, high, wide, flip = _window(*images.shape[1:3])
    clip = np.empty((FRAMES, SIZE, SIZE, 3), np.uint8)
    for place, image in enumerate(images):
        crop = image[top : top + high, left : left + wide]
        image = cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
        clip[place] = cv2.flip(image, 1) if flip else image
    return clip


def _window(height: int, width: int) -> tuple[int, int, int, int, bool]:
    for _ in range(10):
        area = random.uniform(0.08, 1.0) * height * width
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < wide <= width and 0 < high <= height:
            top, left = random.randint(0, height - high), random.randint(0, width - wide)
            return top, left, high, wide, random.random() < 0.5
    return 0, 0, height, width, False


WAYS: dict[str, Callable[[pathlib.Path], Iterator[int]]] = {
    "ours": ours,
    "ours, resize='device'": lambda folder: ours(folder, resize="device"),
    "ours, 2 clips a read": lambda folder: ours(folder, clips=2),
    "ours, shuffle buffer": ours_shuffled,
    "tfds.load": lambda folder: stock(folder, decode=True),
    "TFDS, SkipDecoding": lambda folder: stock(folder, decode=False),
    "decord": lambda folder: pooled(folder, with_decord, prepare_videos),
    "PyAV": lambda folder: pooled(folder, with_pyav, prepare_videos),
    "limit": lambda folder: pooled(folder, limit, prepare_frames),
}


def _records(folder: pathlib.Path) -> str:
    return os.fspath(make_records(folder, _count(folder))[0])


def _count(folder: pathlib.Path) -> int:
    return len(list((folder / "clips" / "train").glob("*.mp4")))


def _cpu_seconds() -> float:
    root = psutil.Process()
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def main() -> None:
    """Answers lines of seconds with what was loaded in that time."""
    steps = WAYS[sys.argv[1]](pathlib.Path(sys.argv[2]))
    next(steps)
    print("ready", flush=True)
    for line in sys.stdin:
        _run(steps, _WARM_SECONDS)
        cpu = _cpu_seconds()
        clips, seconds = _run(steps, float(line))
        print(json.dumps({"clips": clips, "seconds": seconds, "cpu": _cpu_seconds() - cpu}), flush=True)


def _run(steps: Iterator[int], seconds: float) -> tuple[int, float]:
    clips, start = 0, time.perf_counter()
    while time.perf_counter() < start + seconds:
        clips += next(steps)
    return clips, time.perf_counter() - start


if __name__ == "__main__":
    main()
