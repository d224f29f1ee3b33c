"""Imported first by decode workers: keeps numerical libraries from starting threads there.

The threads would be of no use, and each would count, with its stack, as memory of every worker.
"""

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
