"""SlowFast R50, for a training step of real size: what benchmarks/gpu.py keeps a GPU busy with.

Shapes are those of "SlowFast Networks for Video Recognition" (arXiv:1812.03982), table 1: 32 frames, of which the slow
path takes every fourth; the fast path has an eighth of the channels.
"""

from __future__ import annotations

import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

ALPHA, BETA = 4, 8
BLOCKS = (3, 4, 6, 3)


def _conv(inside: int, outside: int, kernel: tuple[int, int, int], stride: tuple[int, int, int] = (1, 1, 1)):
    padding = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
    return nn.Sequential(nn.Conv3d(inside, outside, kernel, stride, padding, bias=False), nn.BatchNorm3d(outside))


class Bottleneck(nn.Module):
    """A residual block of three convolutions."""

    def __init__(self, inside: int, width: int, temporal: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(inside, width, (temporal, 1, 1)),
            nn.ReLU(inplace=True),
            _conv(width, width, (1, 3, 3), (1, stride, stride)),
            nn.ReLU(inplace=True),
            _conv(width, 4 * width, (1, 1, 1)),
        )
        same = inside == 4 * width and stride == 1
        self.shortcut = nn.Identity() if same else _conv(inside, 4 * width, (1, 1, 1), (1, stride, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns [B, 4 * width, T, H / stride, W / stride]."""
        return torch.relu(self.body(x) + self.shortcut(x))


class SlowFast(nn.Module):
    """SlowFast 8x8, R50."""

    def __init__(self, classes: int = 400) -> None:
        super().__init__()
        pool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        self.slow_stem = nn.Sequential(_conv(3, 64, (1, 7, 7), (1, 2, 2)), nn.ReLU(inplace=True), pool)
        self.fast_stem = nn.Sequential(_conv(3, 64 // BETA, (5, 7, 7), (1, 2, 2)), nn.ReLU(inplace=True), pool)
        self.laterals, self.slow, self.fast = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        slow_in, fast_in = 64, 64 // BETA
        for stage, blocks in enumerate(BLOCKS):
            width, stride = 64 * 2**stage, 1 if stage == 0 else 2
            self.laterals.append(_conv(fast_in, 2 * fast_in, (7, 1, 1), (ALPHA, 1, 1)))
            slow_in += 2 * fast_in
            self.slow.append(_stage(slow_in, width, blocks, 1 if stage < 2 else 3, stride))
            self.fast.append(_stage(fast_in, width // BETA, blocks, 3, stride))
            slow_in, fast_in = 4 * width, 4 * width // BETA
        self.head = nn.Linear(slow_in + fast_in, classes)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Returns logits [B, classes] of clips [B, 3, 32, H, W]."""
        slow, fast = self.slow_stem(video[:, :, ::ALPHA]), self.fast_stem(video)
        for lateral, slow_stage, fast_stage in zip(self.laterals, self.slow, self.fast, strict=True):
            slow, fast = slow_stage(torch.cat([slow, lateral(fast)], 1)), fast_stage(fast)
        return self.head(torch.cat([slow.mean((2, 3, 4)), fast.mean((2, 3, 4))], 1))


def _stage(inside: int, width: int, blocks: int, temporal: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(4 * width, width, temporal, 1) for _ in range(blocks - 1)]
    return nn.Sequential(Bottleneck(inside, width, temporal, stride), *rest)
