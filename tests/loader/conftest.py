from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for the rooms below


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of a dataset with 14 training and 6 validation clips of 20 to 46 frames, as a build leaves it."""
    from built_dataset import write_built
    from records import CLASSES, make_example

    folder = tmp_path_factory.mktemp("built") / "kinetics_test" / "1.0.0"
    sizes = [(48, 64), (64, 48), (60, 80)]
    examples = {
        split: [make_example(clip, frames=20 + 2 * clip, size=sizes[clip % 3]) for clip in clips]
        for split, clips in {"train": range(14), "validation": range(14, 20)}.items()
    }
    write_built(folder, examples, CLASSES)
    return folder
