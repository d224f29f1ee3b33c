"""Writing videos: what is written can be read, is whole or absent, and is the same each time."""

from __future__ import annotations

import av
import numpy as np
import pytest

from kinetics_tfds.sample.render import write_video


def _frames(count: int, width: int = 64, height: int = 48):
    for index in range(count):
        image = np.zeros((height, width, 3), np.uint8)
        image[:, :, 0] = 5 * index
        image[: height // 2, :, 2] = 200
        yield image


@pytest.mark.parametrize(
    ("name", "codec", "decoder"),
    [("a.mp4", "libx264", "h264"), ("a.webm", "libvpx-vp9", "vp9"), ("a.mkv", "mpeg4", "mpeg4")],
)
def test_frames_come_back(tmp_path, name, codec, decoder):
    write_video(tmp_path / name, _frames(30), 25, codec=codec)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == decoder
        assert stream.average_rate == 25
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(images) == 30
    assert abs(float(images[20][40:, :, 0].mean()) - 100) < 12
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx264")])
def test_the_same_frames_give_the_same_bytes(tmp_path, name, codec):
    write_video(tmp_path / name, _frames(40), 30, codec=codec)
    first = (tmp_path / name).read_bytes()
    write_video(tmp_path / name, _frames(40), 30, codec=codec)
    assert (tmp_path / name).read_bytes() == first


def test_a_failure_leaves_nothing_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, _frames(5), 25)
    before = path.read_bytes()

    def breaks():
        yield from _frames(3)
        raise OSError("the source broke")

    with pytest.raises(OSError, match="broke"):
        write_video(path, breaks(), 25)
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "frames", "message"),
    [("a.gif", _frames(2), ".webm"), ("a.mp4", _frames(0), "no frames"), ("a.mp4", _frames(2, width=63), "63x48")],
)
def test_what_cannot_be_written_is_said(tmp_path, name, frames, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / name, frames, 25)
    assert not list(tmp_path.iterdir())
