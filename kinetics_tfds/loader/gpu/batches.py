"""`DeviceBatches`: batches that are decoded on the device, or copied to it, while the step before runs."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import torch  # pyright: ignore[reportMissingImports]

from kinetics_tfds.loader.gpu.window_decoder import WindowDecoder

_END = object()


class DeviceBatches:
    """Iterates over batches on a device.

    Where the data loader's workers only read and choose (`make_dataloader(…, encoded=True)`), a thread decodes on a
    stream of its own; where they decode as well, it copies. The place is the data loader's: batches that were taken
    ahead are in its state already, so save states of a loader with `ahead=0`.
    """

    def __init__(
        self,
        batches: Iterable[dict[str, Any]],
        decoder: WindowDecoder | None = None,
        *,
        device: str | torch.device = "cuda",
        ahead: int = 2,
    ) -> None:
        """Wraps a data loader.

        Args:
            batches: of `make_dataloader`.
            decoder: makes `video`, uint8 [B, C, T, H, W], of encoded views; None: the batches have it.
            device: where batches are copied to that have it.
            ahead: batches decoded or copied beyond the one in use; 0: in the caller's thread.
        """
        self._batches = batches
        self._decoder = decoder
        self._device = device
        self._ahead = ahead

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._in_thread() if self._ahead else map(self._decoded, self._batches)

    def _decoded(self, batch: dict[str, Any]) -> dict[str, Any]:
        if self._decoder is not None:
            return {"video": self._decoder(batch.pop("views")), **batch}
        return {
            key: value.to(self._device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for key, value in batch.items()
        }

    def _in_thread(self) -> Iterator[dict[str, Any]]:
        ready: queue.Queue[Any] = queue.Queue(self._ahead)
        stopped = threading.Event()
        batches = iter(self._batches)  # starts the workers, which no other thread of ours should do
        thread = threading.Thread(
            target=self._fill, args=(batches, ready, stopped), daemon=True, name="kinetics DeviceBatches"
        )
        thread.start()
        try:
            while (item := ready.get()) is not _END:
                if isinstance(item, BaseException):
                    raise item
                batch, decoded = item
                if decoded is not None:
                    current = torch.cuda.current_stream()
                    current.wait_event(decoded)
                    for value in batch.values():
                        if isinstance(value, torch.Tensor) and value.is_cuda:
                            value.record_stream(current)
                yield batch
        finally:
            stopped.set()
            while thread.is_alive():  # a full queue would keep the thread from seeing that it is to stop
                while not ready.empty():
                    ready.get()
                thread.join(0.01)

    def _fill(self, batches: Iterator[dict[str, Any]], ready: queue.Queue[Any], stopped: threading.Event) -> None:
        on_gpu = torch.cuda.is_available()
        stream = torch.cuda.Stream() if on_gpu else None
        try:
            for batch in batches:
                if stream is None:
                    ready.put((self._decoded(batch), None))
                else:
                    with torch.cuda.stream(stream):
                        ready.put((self._decoded(batch), stream.record_event()))
                if stopped.is_set():
                    return
            ready.put(_END)
        except BaseException as error:  # handed to the consumer
            ready.put(error)
