"""Inspects a dataset on Beam, one work item per shard: what `kinetics inspect` does.

python -m beam_pipelines.inspect --help
"""

from __future__ import annotations

import functools
import sys

from kinetics_tfds.cli.main import run_job

main = functools.partial(run_job, "inspect")

if __name__ == "__main__":
    sys.exit(main())
