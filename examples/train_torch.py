"""Trains a small 3D convnet in PyTorch, on one GPU per process or on the CPU; goes on where it was killed.

    python examples/train_torch.py                                     # the sample: over 90 % in minutes, on two cores
    torchrun --nproc-per-node=8 examples/train_torch.py --dataset=kinetics600/jpeg256 --data_dir=DATA --preset=x3d_m

Checkpoints hold the model, the optimiser and the place in the data: a run that was killed ends with the same numbers as
one that was not.
"""

from __future__ import annotations

import argparse
import math
import os
import pathlib
import sys
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
import torch.distributed  # pyright: ignore[reportMissingImports]
import training_data

from kinetics_tfds import loader
from kinetics_tfds.loader import torch as torch_loader


class Net(torch.nn.Module):
    """An R(2+1)D net: each 3D kernel is a spatial one, then a temporal one."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        stages, channels = [], 3
        # Spatial kernel, spatial stride, temporal stride.
        for stage, (kernel, stride, step) in enumerate(((5, 2, 1), (3, 2, 2), (3, 2, 2))):
            wide = width * 2**stage
            stages += [
                torch.nn.Conv3d(
                    channels, wide, (1, kernel, kernel), (1, stride, stride), (0, kernel // 2, kernel // 2), bias=False
                ),
                torch.nn.Conv3d(wide, wide, (3, 1, 1), (step, 1, 1), (1, 0, 0)),
                torch.nn.ReLU(),
            ]
            channels = wide
        self.stages = torch.nn.Sequential(*stages)
        self.head = torch.nn.Linear(channels, classes)
        for stage in self.stages:
            if isinstance(stage, torch.nn.Conv3d):
                torch.nn.init.kaiming_normal_(stage.weight, nonlinearity="relu")

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """Returns logits [B, classes] of clips [B, C, T, H, W]."""
        still = video.mean(dim=2, keepdim=True)  # what stands still says nothing about a motion
        return self.head(self.stages(video - still).mean(dim=(2, 3, 4)))


class Trainer:
    """One process's part of a run.

    Attributes:
        model: the net.
        step: steps done.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._shard = (0, 1)
        if torch.distributed.is_initialized():
            self._shard = (torch.distributed.get_rank(), torch.distributed.get_world_size())
        gpu = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        self._device = torch.device(gpu if torch.cuda.is_available() else "cpu")
        self._dataset = training_data.prepare_elsewhere(args)
        self._recipe, self._evaluation = training_data.recipes(args)
        self._batches = torch_loader.make_dataloader(
            self._dataset, "train", recipe=self._recipe, batch_size=args.batch_size, num_workers=args.workers,
            seed=args.seed, epochs=args.epochs, shard=self._shard,
        )  # fmt: skip
        torch.manual_seed(args.seed)
        classes = self._batches.dataset.reader.source.class_names
        self.model = Net(args.width, len(classes)).to(self._device)
        self._optimiser = torch.optim.Adam(self.model.parameters(), args.learning_rate, betas=(0.9, 0.99))
        self.step, self._steps = 0, len(self._batches)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._folder = args.workdir / f"torch_{self._shard[0]}"

    def _rate(self, step: int) -> float:
        """Returns the share of the learning rate at a step: a short rise, then a cosine to zero."""
        return min(1.0, (step + 1) / 20) * 0.5 * (1 + math.cos(math.pi * min(step / self._steps, 1.0)))

    def run(self) -> float:
        """Trains, and returns the top-1 accuracy on the held-out videos."""
        self._restore()
        spread = torch.nn.parallel.DistributedDataParallel(self.model) if self._shard[1] > 1 else self.model
        if self.step < self._steps:  # a data loader at its end would start anew
            for batch in self._batches:
                loss = self._train(spread, batch)
                self.step += 1
                if self.step % 50 == 0 or self.step in (1, self._steps):
                    print(f"step {self.step} of {self._steps}: loss {float(loss):.3f}", flush=True)
                if self.step % self._args.checkpoint_every == 0 or self.step == self._steps:
                    self._save()
        result = self._evaluate().result()
        print(training_data.told(result), flush=True)
        return result["top1"]

    def _train(self, model: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        video = batch["video"].to(self._device, non_blocking=True)
        label = batch["label"].to(self._device, non_blocking=True)
        logits = model(loader.normalise(video, self._recipe, channels=1))
        loss = torch.nn.functional.cross_entropy(logits, label)
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self._schedule.step()
        return loss.detach()

    @torch.inference_mode()
    def _evaluate(self) -> loader.Scores:
        """Returns the scores of the held-out videos: each counted once, its views averaged."""
        scores = loader.Scores()
        batches = torch_loader.make_dataloader(
            self._dataset, "validation", recipe=self._evaluation, batch_size=self._args.batch_size,
            num_workers=self._args.workers, shard=self._shard,
        )  # fmt: skip
        for batch in batches:
            views = batch["video"].to(self._device).unbind(1)  # one at a time to save memory
            chances = [self.model(loader.normalise(view, self._evaluation, channels=1)).softmax(-1) for view in views]
            scores.add(torch.stack(chances, 1), batch)
        if self._shard[1] == 1:
            return scores
        of_all: list[Any] = [None] * self._shard[1]
        torch.distributed.all_gather_object(of_all, scores)
        whole = loader.Scores()
        for of_rank in of_all:
            whole.merge(of_rank)
        return whole

    def _save(self) -> None:
        """Writes a checkpoint under a temporary name and gives it its own when it is whole; keeps the last two."""
        self._folder.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "batches": self._batches.state_dict(),
        }
        torch.save(state, self._folder / "half")
        (self._folder / "half").rename(self._folder / f"step_{self.step:07d}.pt")
        for old in sorted(self._folder.glob("step_*.pt"))[:-2]:
            old.unlink()

    def _restore(self) -> None:
        """Goes to the last checkpoint that all processes have."""
        steps = [int(path.stem.removeprefix("step_")) for path in self._folder.glob("step_*.pt")]
        last: list[Any] = [max(steps, default=0)]
        if self._shard[1] > 1:
            own, last = last[0], [None] * self._shard[1]
            torch.distributed.all_gather_object(last, own)
        self.step = min(last)
        if self.step == 0:
            return
        path = self._folder / f"step_{self.step:07d}.pt"
        state = torch.load(path, map_location=self._device, weights_only=False)  # our own file
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._batches.load_state_dict(state["batches"])
        print(f"going on after step {self.step}", flush=True)


def main() -> int:
    """Reads the arguments, meets the other processes, trains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    training_data.add_arguments(parser)
    parser.add_argument("--width", type=int, default=8, help="channels of the first stage")
    parser.add_argument("--workers", type=int, help="processes that read and decode; one per core where not given")
    args = parser.parse_args()
    args.workdir = pathlib.Path(args.workdir)
    if "RANK" in os.environ:  # torchrun started us
        torch.distributed.init_process_group()
    Trainer(args).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
