"""`WindowDecoder`: the windows of encoded views, decoded by nvImageCodec and resized by PyTorch on one device.

NVIDIA's cards from the A100 on have engines for JPEG beside their processors. On a machine without a card the same code
runs with nvImageCodec's CPU backend: slower than simplejpeg, the same pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]
from nvidia import nvimgcodec  # pyright: ignore[reportMissingImports]

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.random_access.views import EncodedView


class WindowDecoder:
    """Decodes encoded views into tensors on one device. Not for several threads at once."""

    def __init__(self, size: tuple[int, int], device: str | torch.device = "cuda", *, threads: int = 0) -> None:
        """Starts a decoder.

        Args:
            size: height and width of the output in pixels.
            device: `cuda`, `cuda:1`, …; `cpu` for nvImageCodec's CPU backend.
            threads: of the host, for what the device leaves to it; 0: one per core.
        """
        self._size = size
        self._device = torch.device(device)
        on_host = self._device.type == "cpu"
        self._decoder: Any = nvimgcodec.Decoder(
            device_id=nvimgcodec.NVIMGCODEC_DEVICE_CPU_ONLY if on_host else self._device.index or 0,
            max_num_cpu_threads=threads,
            backends=[nvimgcodec.Backend(nvimgcodec.CPU_ONLY)] if on_host else None,
        )

    def __call__(self, views: Sequence[EncodedView]) -> torch.Tensor:
        """Returns the windows of all views: uint8 [N, 3, T, H, W] in channels-last order, N views times crops.

        Raises:
            LoaderError: a frame cannot be decoded.
        """
        hulls = [_hull(view.boxes) for view in views]
        streams = [
            nvimgcodec.CodeStream(image).get_sub_code_stream(region=nvimgcodec.Region(*hull))
            for view, hull in zip(views, hulls, strict=True)
            for image in view.images
        ]
        images = iter(self._decode(streams))
        clips = []
        for view, (top, left, _, _) in zip(views, hulls, strict=True):
            # float32 [U, 3, H, W]
            frames = torch.stack([self._tensor(next(images)) for _ in view.images]).permute(0, 3, 1, 2).float()
            for box_top, box_left, height, width in view.boxes.tolist():
                window = frames[:, :, box_top - top :, box_left - left :][:, :, :height, :width]
                clips.append(self._resized(window, view))
        return torch.stack(clips).permute(0, 4, 1, 2, 3)

    def _decode(self, streams: list[Any]) -> list[Any]:
        if self._device.type == "cpu":
            images = self._decoder.decode(streams)
        else:
            stream = torch.cuda.current_stream(self._device).cuda_stream
            images = self._decoder.decode(streams, cuda_stream=stream)
        broken = sum(image is None for image in images)
        if broken:
            raise LoaderError(
                f"{broken} of {len(images)} frames cannot be decoded by nvImageCodec.",
                "Check the dataset with `kinetics verify`.",
            )
        return images

    def _tensor(self, image: Any) -> torch.Tensor:
        """Returns uint8 [H, W, 3], sharing the image's memory."""
        return torch.from_numpy(np.asarray(image)) if self._device.type == "cpu" else torch.from_dlpack(image)

    def _resized(self, window: torch.Tensor, view: EncodedView) -> torch.Tensor:
        """Returns uint8 [T, H, W, 3] of float32 [U, 3, h, w]."""
        smooth = torch.nn.functional.interpolate(window, self._size, mode="bilinear", align_corners=False)
        if view.flip:
            smooth = smooth.flip(-1)
        pixels = (smooth + 0.5).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        same = len(view.index) == len(view.images) and (np.diff(view.index) > 0).all()
        return pixels if same else pixels[torch.from_numpy(view.index).long().to(pixels.device)]


def _hull(boxes: np.ndarray) -> tuple[int, int, int, int]:
    """Returns start and end, (top, left, bottom, right), of the smallest region around boxes, int32 [C, 4]."""
    start, end = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
    return int(start[0]), int(start[1]), int(end[0]), int(end[1])
