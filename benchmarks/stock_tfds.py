"""The same clips through TFDS as it is: a GeneratorBasedBuilder whose Video feature runs the ffmpeg program.

python stock_tfds.py FOLDER_OF_CLIPS DATA_DIR
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

CLIPS = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path()


class StockKinetics(tfds.core.GeneratorBasedBuilder):
    """What the documentation of TFDS leads to."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        # The same rate and the nearest quality of ffmpeg's own JPEG encoder.
        video = tfds.features.Video(
            shape=(None, None, None, 3), encoding_format="jpeg", ffmpeg_extra_args=("-r", "25", "-qscale:v", "3")
        )
        features = tfds.features.FeaturesDict({"video": video, "id": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {"train": self._generate_examples(CLIPS)}

    def _generate_examples(self, folder: pathlib.Path) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(folder.rglob("*.mp4")):
            yield path.stem, {"video": str(path), "id": path.stem}


if __name__ == "__main__":
    StockKinetics(data_dir=sys.argv[2]).download_and_prepare()
