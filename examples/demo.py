"""The whole way in one run: build the sample with `tfds build`, load it back, and look at it.

    python examples/demo.py [--folder=demo]

Everything goes into the folder; a second run finds the dataset built and only loads it.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
from collections import Counter
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow_datasets as tfds

from kinetics_tfds import loader
from kinetics_tfds.shards.manifest import read_manifest

DATASET = "kinetics600/sample"


def main() -> int:
    """Builds, loads, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("demo"), help="where all of it goes")
    folder = parser.parse_args().folder
    build(folder)
    builder = tfds.builder(DATASET, data_dir=folder)
    print_table(builder)
    sheet = folder / "contact_sheet.png"
    draw(builder, sheet)
    print(f"\nThe dataset is in {builder.data_dir}\nIts frames, as loaded: {sheet}")
    return 0


def build(folder: pathlib.Path) -> None:
    """Runs the command that a user would; TFDS and TensorFlow say a lot, so it goes to a file."""
    name, config = DATASET.split("/")
    command = ["tfds", "build", name, "--imports=kinetics_tfds", f"--config={config}", f"--data_dir={folder}"]
    print("$ " + " ".join(command), flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    program = pathlib.Path(sys.executable).with_name("tfds")
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run([program, *command[1:]], stdout=file, stderr=subprocess.STDOUT).returncode
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if code:
        print("\n".join(lines[-40:]), file=sys.stderr)
        sys.exit(f"tfds build ended with {code}; all it said is in {log}")
    print("\n".join(line for line in lines if line.startswith("kinetics:")) or "built by an earlier run")


def print_table(builder: Any) -> None:
    """Reads every record back and prints what is there, beside what the manifest says of the other rows."""
    manifest = read_manifest(builder.data_path, columns=["split", "state"]).to_pylist()
    states = Counter((row["split"], row["state"]) for row in manifest)
    print(f"\n{'split':14}{'rows':>6}{'clips':>7}{'missing':>9}{'classes':>9}{'frames':>8}{'MB':>7}")
    for split in builder.info.splits:
        frames, classes = 0, set()
        for example in tfds.as_numpy(builder.as_dataset(split=split)):
            frames += len(example["video"])
            classes.add(int(example["label"]))
        classes.discard(-1)
        clips, missing = states[split, "written"], states[split, "missing"]
        rows = sum(count for (of, _), count in states.items() if of == split)
        size = builder.info.splits[split].num_bytes / 1e6
        print(f"{split:14}{rows:6}{clips:7}{missing:9}{len(classes) or '-':>9}{frames:8}{size:7.1f}")


def draw(builder: Any, path: pathlib.Path) -> None:
    """Loads the validation split as one batch, as a trainer would, and draws it: the motion is the class."""
    batches = loader.make_dataset(
        builder,
        split="validation",
        sampling=loader.CentreClip(num_frames=8, stride=2),
        spatial=loader.CentreCrop(112),
        batch_size=8,
    )
    batch = next(iter(batches))
    print("\nOne batch of the loader:")
    for name, value in batch.items():
        print(f"  {name:6} {value.dtype.name:7} {list(value.shape)}")
    loader.show(batch, builder.info.features["label"].names).save(path)


if __name__ == "__main__":
    sys.exit(main())
