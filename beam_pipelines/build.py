"""Builds a dataset: what `kinetics build` does.

python -m beam_pipelines.build --help
"""

from __future__ import annotations

import functools
import sys

from kinetics_tfds.cli.main import run_job

main = functools.partial(run_job, "build")

if __name__ == "__main__":
    sys.exit(main())
