"""Files that tests of this folder share."""

from __future__ import annotations

import pytest
from media import cached_video, repeat_video


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """Ten seconds of 1080p, which take some seconds to decode."""
    part = cached_video(seconds=0.5, width=1920, height=1080, options={"preset": "ultrafast", "bf": "0"})
    return repeat_video(tmp_path_factory.mktemp("large") / "large.mp4", part, 20, 0.5)
