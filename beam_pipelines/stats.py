"""Statistics of a dataset on Beam, from all its records: what `kinetics stats --all` does.

python -m beam_pipelines.stats --help
"""

from __future__ import annotations

import functools
import sys

from kinetics_tfds.cli.main import run_job

main = functools.partial(run_job, "stats")

if __name__ == "__main__":
    sys.exit(main())
