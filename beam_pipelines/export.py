"""Exports a split for other readers: what `kinetics export` does.

python -m beam_pipelines.export --help
"""

from __future__ import annotations

import functools
import sys

from kinetics_tfds.cli.main import run_job

main = functools.partial(run_job, "export")

if __name__ == "__main__":
    sys.exit(main())
