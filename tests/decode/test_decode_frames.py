"""What a stored frame looks like: size, aspect, rotation, colour, JPEG."""

from __future__ import annotations

import io
import itertools
import struct
import subprocess
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from decoding import decode, images_of
from hypothesis import given
from hypothesis import strategies as st
from media import ENCODERS, SUFFIXES, cached_video, make_video, picture
from programs import ffmpeg_images, needs_ffmpeg, our_images, psnr

from kinetics_tfds.decode.frames import FrameEncoder, Orientation, shown_size, stored_size
from kinetics_tfds.decode.types import DecodeSettings

SHORT = {"width": 640, "height": 400, "seconds": 0.3, "fps": 20}


# Sizes.


@given(st.integers(1, 8192), st.integers(1, 8192), st.integers(1, 1024))
def test_the_short_side_is_reduced_and_the_aspect_kept(width, height, short_side):
    new = stored_size(width, height, short_side)
    if min(width, height) <= short_side:
        assert new == (width, height)
    else:
        assert min(new) == short_side
        assert abs(max(new) - max(width, height) * short_side / min(width, height)) <= 0.5


@pytest.mark.parametrize(
    ("width", "aspect", "shown"),
    [
        (340, Fraction(1024, 765), 455),
        (720, Fraction(8, 9), 640),
        (720, None, 720),
        (720, Fraction(0), 720),
        (720, 99, 720),
    ],
)
def test_pixels_are_made_square_by_width(width, aspect, shown):
    assert shown_size(width, 256, aspect) == (shown, 256)


@pytest.mark.parametrize(
    ("source", "short_side", "stored"),
    [((640, 400), 256, (410, 256)), ((400, 640), 256, (256, 410)), ((640, 400), None, (640, 400)), ((160, 128), 256, (160, 128))],
)  # fmt: skip
def test_stored_sizes(source, short_side, stored):
    clip = decode(cached_video(width=source[0], height=source[1], seconds=0.2), 0, 0.2, short_side=short_side)
    assert (clip.width, clip.height) == stored
    assert (clip.original_width, clip.original_height) == source
    assert {image.shape for image in images_of(clip)} == {(stored[1], stored[0], 3)}


def test_a_stream_that_changes_its_size_keeps_the_stored_size(tmp_path):
    path = tmp_path / "changing.webm"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx-vp9", rate=20, options={"deadline": "realtime", "cpu-used": "8"})
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for part, (width, height) in enumerate([(320, 192), (192, 160)]):
            coder = av.CodecContext.create("libvpx-vp9", "w")
            coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
            coder.time_base = Fraction(1, 20)
            coder.options = {"deadline": "realtime", "cpu-used": "8"}
            frames = [av.VideoFrame.from_ndarray(picture(k, width, height), format="rgb24") for k in range(10)]
            for number, frame in enumerate([*frames, None]):
                if frame is not None:
                    frame.pts, frame.time_base = part * 10 + number, Fraction(1, 20)
                for packet in coder.encode(frame):
                    packet.stream = stream
                    out.mux(packet)
    clip = decode(path, 0, 1, fps=None, short_side=None)
    assert len(clip.frames) == 20
    assert {image.shape for image in images_of(clip)} == {(192, 320, 3)}


# Rotation. The corner that holds the red patch tells how a frame was turned.


def corner_patch(number: int, width: int, height: int) -> np.ndarray:
    image = np.full((height, width, 3), 40, np.uint8)
    image[: height // 4, : width // 4] = (220, 30, 30)  # top left
    image[: height // 4, -width // 4 :] = (30, 220, 30)  # top right
    return image


def corners(image: np.ndarray) -> tuple[str, str]:
    """Returns where the red and the green patch are: `top left` and so on."""
    found = []
    for channel in (0, 1):
        other = 1 - channel
        for (y, row), (x, column) in itertools.product([(10, "top"), (-10, "bottom")], [(10, "left"), (-10, "right")]):
            if int(image[y, x, channel]) > int(image[y, x, other]) + 80:
                found.append(f"{row} {column}")
    return found[0], found[1]


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        ((0, False, False), ("top left", "top right")),
        ((90, False, False), ("bottom left", "top left")),  # anticlockwise
        ((180, False, False), ("bottom right", "bottom left")),
        ((270, False, False), ("top right", "bottom right")),
        ((0, True, False), ("top right", "top left")),
        ((0, False, True), ("bottom left", "bottom right")),
        ((90, True, False), ("bottom right", "top right")),
        ((90, False, True), ("top left", "bottom left")),
    ],
)
@pytest.mark.parametrize("size", [(320, 192), (640, 400)])
def test_all_eight_orientations(rotation, expected, size):
    path = cached_video(draw=corner_patch, rotation=rotation, width=size[0], height=size[1], seconds=0.2)
    clip = decode(path, 0, 0.2)
    turned = rotation[0] in (90, 270)
    assert corners(images_of(clip)[0]) == expected
    assert (clip.original_width, clip.original_height) == (size[::-1] if turned else size)
    assert (clip.width > clip.height) != turned


def test_rotation_of_vp9_is_taken_from_the_container():
    path = cached_video(
        ".mp4", codec="vp9", draw=corner_patch, rotation=(90, False, False), width=320, height=192, seconds=0.2
    )
    assert corners(images_of(decode(path, 0, 0.2))[0]) == ("bottom left", "top left")


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=9, max_size=9))
def test_any_display_matrix_is_read_as_one_of_eight_orientations(numbers):
    orientation = Orientation.from_matrix(struct.pack("=9i", *numbers))
    shape = orientation.apply(np.zeros((4, 6, 3), np.uint8)).shape
    assert shape == ((6, 4, 3) if orientation.transpose else (4, 6, 3))


# Colour. Flat patches of known luma and chroma, against the formulas of the standards.

MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593), None: (0.299, 0.114)}
PATCHES = [(60, 100, 180), (120, 128, 128), (180, 90, 140), (90, 170, 110), (200, 120, 120), (40, 128, 128)]


def ideal_rgb(patch: tuple[int, int, int], matrix: int | None, full: bool) -> np.ndarray:
    kr, kb = MATRICES[matrix]
    luma, blue, red = (patch[0], patch[1] - 128, patch[2] - 128)
    y, u, v = (luma / 255, blue / 255, red / 255) if full else ((luma - 16) / 219, blue / 224, red / 224)
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    return np.clip(255 * np.array([r, (y - kr * r - kb * b) / (1 - kr - kb), b]), 0, 255)


def flat_patches(pix_fmt: str):
    def draw(number: int, width: int, height: int) -> av.VideoFrame:
        frame = av.VideoFrame(width, height, pix_fmt)
        ten_bits = "10" in pix_fmt
        for plane, part in zip(frame.planes, range(3), strict=False):
            rows = plane.buffer_size // plane.line_size
            samples = np.zeros((rows, plane.line_size // (2 if ten_bits else 1)), np.uint16 if ten_bits else np.uint8)
            step = plane.width // len(PATCHES)
            for index, patch in enumerate(PATCHES):
                samples[:, index * step : (index + 1) * step] = patch[part] * (4 if ten_bits else 1)
            plane.update(samples.tobytes())
        return frame

    draw.__name__ = pix_fmt
    return draw


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(("codec", "pix_fmt"), [("h264", "yuv420p"), ("h264", "yuv444p"), ("hevc", "yuv420p10le")])
def test_flat_patches_have_the_colour_their_stream_says(tmp_path, codec, pix_fmt, matrix, full):
    options = {"crf": "4"} if codec == "h264" else {"x265-params": "log-level=none:pools=1:crf=4:bframes=0"}
    path = make_video(
        tmp_path / "patches.mp4",
        codec=codec, pix_fmt=pix_fmt, draw=flat_patches(pix_fmt), matrix=matrix, full_range=full or None,
        width=576, height=320, seconds=0.1, fps=20, options=options,
    )  # fmt: skip
    for short_side, allowed in ((None, 3.6), (160, 1.6)):
        image = our_images(path, DecodeSettings(short_side=short_side))[0]
        step = image.shape[1] / len(PATCHES)
        for index, patch in enumerate(PATCHES):
            found = image[image.shape[0] // 2, int((index + 0.5) * step)].astype(float)
            error = np.abs(found - ideal_rgb(patch, matrix, full)).max()
            assert error <= allowed, (patch, short_side, found, ideal_rgb(patch, matrix, full))


def test_grey_sources_give_grey_frames():
    image = images_of(decode(cached_video(pix_fmt="gray", **SHORT), 0, 0.3))[0].astype(int)
    assert np.ptp(image, axis=-1).max() <= 2


def test_unknown_matrices_are_read_as_the_nearest_known():
    frame = flat_patches("yuv420p")(0, 576, 320)
    for code in (0, 3, 8, 10, 12, 13, 14, 15, 17):
        path_frame = av.VideoFrame.from_ndarray(frame.to_ndarray(), format="yuv420p")
        path_frame.colorspace = code
        for short_side in (None, 160):
            encoder = FrameEncoder(DecodeSettings(short_side=short_side), path_frame, None, Orientation(), 1 << 24)
            assert encoder.image(path_frame).std() > 10


# Against the ffmpeg program.

FORMATS = {
    **{codec: {"codec": codec, "suffix": SUFFIXES[codec]} for codec in ENCODERS},
    "422": {"pix_fmt": "yuv422p"},
    "444, odd": {"pix_fmt": "yuv444p", "width": 321, "height": 273},
    "10 bits": {"pix_fmt": "yuv420p10le"},
    "full range": {"pix_fmt": "yuvj420p", "full_range": True},
    "BT.709": {"matrix": 1},
    "BT.2020": {"matrix": 9},
    "grey": {"pix_fmt": "gray"},
    "VP9, odd": {"codec": "vp9", "suffix": ".webm", "width": 355, "height": 289},
    "HEVC 4:4:4": {"codec": "hevc", "pix_fmt": "yuv444p"},
    "AV1, 10 bits": {"codec": "av1", "suffix": ".mkv", "pix_fmt": "yuv420p10le"},
    "wide pixels": {"aspect": Fraction(4, 3)},
    "narrow pixels": {"aspect": Fraction(8, 9)},
    "rotated": {"rotation": (90, False, False)},
    "mirrored": {"rotation": (0, True, False)},
    "rotated wide pixels": {"rotation": (270, False, False), "aspect": Fraction(4, 3)},
    "720p": {"width": 1280, "height": 720},
    "interlaced": {"options": {"x264-params": "tff=1"}, "width": 720, "height": 576},
}


@needs_ffmpeg
@pytest.mark.parametrize("name", FORMATS)
def test_frames_are_those_of_the_ffmpeg_program(name):
    path = cached_video(**{"suffix": ".mp4", **SHORT, **FORMATS[name]})
    # Left alone, the program halves the width of colour whenever it scales to an even width.
    for short_side, flags in ((256, "area+full_chroma_int"), (None, "area")):
        ours = our_images(path, DecodeSettings(short_side=short_side))
        theirs = ffmpeg_images(path, (ours.shape[2], ours.shape[1]), flags)
        assert len(ours) == len(theirs)
        enlarged = short_side is None and FORMATS[name].get("aspect")  # by another filter than the program's
        assert min(psnr(a, b) for a, b in zip(ours, theirs, strict=True)) >= (36 if enlarged else 38)


@needs_ffmpeg
def test_real_clips_look_as_the_ffmpeg_program_shows_them(shared_dir):
    for path in sorted((shared_dir / "media").iterdir()):
        if path.name == "space_multistream.mp4":
            continue
        ours = our_images(path, DecodeSettings(short_side=256))
        theirs = ffmpeg_images(path, (ours.shape[2], ours.shape[1]), "area+full_chroma_int")
        assert len(ours) == len(theirs), path.name
        assert min(psnr(a, b) for a, b in zip(ours, theirs, strict=True)) >= 38, path.name


@needs_ffmpeg
def test_ten_bit_vp9_is_decoded_too(tmp_path):
    path = tmp_path / "ten.webm"
    source = cached_video(**SHORT)
    coder = ["-c:v", "libvpx-vp9", "-pix_fmt", "yuv420p10le", "-deadline", "realtime", "-cpu-used", "8"]
    if subprocess.run(["ffmpeg", "-v", "error", "-i", source, *coder, path], check=False).returncode:
        pytest.skip("this ffmpeg program encodes no 10-bit VP9")
    ours = our_images(path, DecodeSettings())
    assert (
        min(psnr(a, b) for a, b in zip(ours, ffmpeg_images(path, (410, 256), "area+full_chroma_int"), strict=True))
        >= 38
    )


# JPEG.


def test_frames_are_baseline_jpeg_with_half_the_colour_and_the_quality_asked_for():
    sizes = []
    for quality in (50, 90):
        clip = decode(cached_video(**SHORT), 0, 0.3, quality=quality)
        data = clip.frames[0]
        sizes.append(len(data))
        assert data[:2] == b"\xff\xd8"
        start = data.index(b"\xff\xc0")  # baseline, not progressive
        assert data[start + 11] == 0x22  # luma is sampled twice as often each way
        reference = cv2.imencode(".jpg", cv2.imdecode(np.frombuffer(data, np.uint8), 1), (1, quality))[1].tobytes()
        table = data.index(b"\xff\xdb")
        assert data[table : table + 69] == reference[reference.index(b"\xff\xdb") :][:69]
    assert sizes[0] < sizes[1]


def test_the_same_file_gives_the_same_bytes():
    path = cached_video(**SHORT)
    assert decode(path, 0, 0.3).frames == decode(path, 0, 0.3).frames


def test_jpeg_costs_little_quality():
    path = cached_video(**SHORT)
    stored = images_of(decode(path, 0, 0.3, fps=None))
    assert min(psnr(a, b) for a, b in zip(stored, our_images(path, DecodeSettings()), strict=True)) > 26
    assert io.BytesIO(stored[0].tobytes()).getbuffer().nbytes == stored[0].size
