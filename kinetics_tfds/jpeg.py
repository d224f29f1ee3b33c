"""What a JPEG image says about itself."""

from __future__ import annotations

import struct


def jpeg_size(image: bytes) -> tuple[int, int]:
    """Returns width and height in pixels from a JPEG's frame header, without decoding it; (0, 0) if it has none.

    >>> jpeg_size(bytes.fromhex("ffd8ffe00004abcdffc0000b0800900100"))
    (256, 144)
    """
    position = 2
    while position + 9 <= len(image) and image[position] == 0xFF:
        marker, length = image[position + 1], struct.unpack(">H", image[position + 2 : position + 4])[0]
        # Start-of-frame markers; C4, C8 and CC in between are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", image[position + 5 : position + 9])
            return width, height
        position += 2 + length
    return 0, 0
