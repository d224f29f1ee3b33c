"""Fills a clip store: what `kinetics acquire` does.

python -m beam_pipelines.acquire --help
"""

from __future__ import annotations

import functools
import sys

from kinetics_tfds.cli.main import run_job

main = functools.partial(run_job, "acquire")

if __name__ == "__main__":
    sys.exit(main())
