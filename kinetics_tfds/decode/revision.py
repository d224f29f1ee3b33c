"""What decoded bytes depend on besides the file and the settings."""

from __future__ import annotations

import functools
import re

# Raise this by one whenever the code of this folder gives other frames, times or audio for any file that passed before:
# another colour rule, filter, rounding or grid. Not for new failures, speed or messages.
DECODER_REVISION = 1


@functools.cache
def versions() -> dict[str, str]:
    """Returns the versions of decoder and encoder, for fingerprints: equal versions give equal bytes.

    Keys are `decoder` (this folder's revision), `av`, each libav* library that takes part, `cv2` and `jpeg` (the
    library inside OpenCV).
    """
    import av
    import cv2

    jpeg = re.search(r"^\s*JPEG:\s*(.+?)\s*$", cv2.getBuildInformation(), re.MULTILINE)
    libraries = ("libavutil", "libavcodec", "libavformat", "libswscale", "libswresample")
    return {
        "decoder": str(DECODER_REVISION),
        "av": av.__version__,
        **{name: ".".join(map(str, av.library_versions[name])) for name in libraries},
        "cv2": cv2.__version__,
        "jpeg": jpeg.group(1) if jpeg else "unknown",
    }
