"""`ClipDataset`: what one rank reads, in order, as a map-style dataset."""

from __future__ import annotations

from typing import Any

import torch.utils.data  # pyright: ignore[reportMissingImports]

from kinetics_tfds.errors import LoaderError
from kinetics_tfds.loader.random_access.clips_in_order import ClipsInOrder


class ClipDataset(ClipsInOrder, torch.utils.data.Dataset):
    """The clips of one rank for a data loader, which must read them in order: no `shuffle`, no `DistributedSampler`."""

    def state_dict(self) -> dict[str, Any]:
        """Returns what a state must be restored into; the place is the data loader's."""
        return dict(self.fingerprint)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Checks that a state is of this very pipeline.

        Raises:
            LoaderError: it is of another one; names what differs.
        """
        own = self.fingerprint
        different = [name for name in own if state.get(name) != own[name]]
        if different:
            name = different[0]
            raise LoaderError(
                f"The saved state is of another pipeline: its {name} is {state.get(name)!r}, here it is {own[name]!r}.",
                "Make the data loader with the arguments it was saved with, or start anew.",
            )
