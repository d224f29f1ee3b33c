"""Files that are not what they seem, or want too much: each ends in a named failure."""

from __future__ import annotations

import http.server
import os
import pathlib
import subprocess
import sys
import tarfile
import threading
from fractions import Fraction

import av
import pytest
from decoding import decode, failure_of, images_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media import cached_video, make_video, number_of, picture

from kinetics_tfds.clips.containers import Container
from kinetics_tfds.clips.media import Span
from kinetics_tfds.decode.probe import probe_media
from kinetics_tfds.decode.structure import Structure, check_structure
from kinetics_tfds.decode.types import DecodeFailure, DecodeLimits, FailureReason


@pytest.fixture
def web():
    """A web server on the loopback interface, and the list of what was asked of it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


PLAYLISTS = {
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "HLS, local file": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{file}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile {url}/a.mp4\n",
    "concat, local file": "ffconcat version 1.0\nfile {file}\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period><BaseURL>{url}/</BaseURL></Period></MPD>',
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "SMIL": '<smil><body><video src="{url}/a.mp4"/></body></smil>',
    "HTML": "<!DOCTYPE html><html><body>Sorry, this video is not available.</body></html>",
}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_playlists_lead_nowhere(tmp_path, web, kind, suffix):
    url, asked = web
    path = tmp_path / f"clip{suffix}"
    path.write_text(PLAYLISTS[kind].format(url=url, file=cached_video(seconds=1, width=160, height=128)))
    assert failure_of(path).reason is FailureReason.NOT_MEDIA
    assert asked == []


def test_a_playlist_behind_a_media_files_first_bytes_leads_nowhere(tmp_path, web):
    url, asked = web
    for head in (b"\0\0\0\x10ftypisom\0\0\0\0", b"\x1aE\xdf\xa3", b"RIFF\0\1\0\0AVI "):
        path = tmp_path / "clip.mp4"
        path.write_bytes(head + PLAYLISTS["HLS"].format(url=url).encode() * 20)
        assert failure_of(path).reason in (FailureReason.CORRUPT, FailureReason.TRUNCATED)
    assert asked == []


def test_references_to_other_files_inside_mp4_are_not_followed(tmp_path):
    # The data reference box may name another file; the reader must not open it.
    secret = cached_video(seconds=1, width=160, height=128)
    data = secret.read_bytes()
    place = data.index(b"url \0\0\0\1")
    reference = data[: place + 4] + b"\0\0\0\0" + data[place + 8 :]  # "not in this file"
    path = tmp_path / "clip.mp4"
    path.write_bytes(reference)
    failure = failure_of(path, 0, 1)
    assert failure is None or failure.reason in (FailureReason.CORRUPT, FailureReason.TRUNCATED)


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/a.mp4", "concat:a.mp4|b.mp4", "tcp://127.0.0.1:9", "pipe:0"])
def test_file_names_are_never_taken_for_addresses(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert failure_of(name).reason is FailureReason.UNREADABLE


@pytest.mark.parametrize(
    "name", ["-leading.mp4", "a:b.mp4", "file:x.mp4", "100%20.mp4", "señal été.mp4", "-i.mp4", "a|b.mp4"]
)
def test_odd_file_names_work(tmp_path, monkeypatch, name):
    source = cached_video(seconds=1, width=160, height=128)
    monkeypatch.chdir(tmp_path)
    pathlib.Path(name).write_bytes(source.read_bytes())
    assert len(decode(name, 0, 1).frames) == 25
    assert len(decode(tmp_path / name, 0, 1).frames) == 25


def test_file_names_need_not_be_text(tmp_path):
    name = os.fsdecode(bytes(tmp_path) + b"/\xff\xfe.mp4")
    pathlib.Path(name).write_bytes(cached_video(seconds=1, width=160, height=128).read_bytes())
    assert len(decode(name, 0, 1).frames) == 25


# What cannot be read.


def test_missing_files_folders_pipes_and_devices_are_unreadable(tmp_path):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    for path in (tmp_path / "missing.mp4", tmp_path, pipe, "/dev/zero", tmp_path / "missing" / "a.mp4"):
        assert failure_of(path).reason is FailureReason.UNREADABLE, path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_without_permission_are_unreadable(tmp_path):
    path = tmp_path / "secret.mp4"
    path.write_bytes(b"x")
    path.chmod(0)
    assert failure_of(path).reason is FailureReason.UNREADABLE


def test_files_without_bytes_are_empty(tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    assert failure_of(path) == DecodeFailure(FailureReason.EMPTY, "the file has no bytes")


def test_other_kinds_of_file_are_not_media(tmp_path):
    archive = tmp_path / "a.mp4"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(cached_video(seconds=1, width=160, height=128), arcname="clip.mp4")
    assert failure_of(archive).reason is FailureReason.NOT_MEDIA
    for name, content in {
        "zip": b"PK\3\4" + bytes(100),
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
        "zeros": bytes(5000),
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert failure_of(path).reason is FailureReason.NOT_MEDIA, name


@pytest.mark.parametrize(("form", "suffix"), [("mpegts", ".mp4"), ("flv", ".mp4"), ("ogg", ".mkv"), ("nut", ".mkv")])
def test_containers_that_are_not_allowed_are_not_media(tmp_path, form, suffix):
    path = tmp_path / f"clip{suffix}"
    codec = "libvpx" if form == "ogg" else "libx264"
    with av.open(str(path), "w", format=form) as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        out.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0, 160, 128), format="rgb24")))
        out.mux(stream.encode(None))
    assert failure_of(path).reason is FailureReason.NOT_MEDIA


def test_the_wrong_extension_does_not_matter(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(cached_video(".mkv", seconds=1, width=160, height=128).read_bytes())
    assert len(decode(path, 0, 1).frames) == 25
    assert probe_media(str(path)).container == "matroska"


def test_audio_alone_is_no_video(tmp_path):
    from media import remux

    path = remux(tmp_path / "sound.mp4", (cached_video(seconds=1, width=160, height=128, audio=True), "audio"))
    assert failure_of(path).reason is FailureReason.NO_VIDEO


@pytest.mark.parametrize("codec", ["ffv1", "prores_ks", "rawvideo"])
def test_codecs_off_the_list_are_unsupported(tmp_path, codec):
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    path = make_video(tmp_path / "clip.mkv", codec=codec, pix_fmt=pix_fmt, seconds=0.2, width=160, height=128)
    failure = failure_of(path)
    assert failure.reason is FailureReason.UNSUPPORTED_CODEC
    assert codec.removesuffix("_ks") in failure.detail


@pytest.mark.parametrize("codec", ["mpeg1video", "mpeg2video", "mjpeg", "msmpeg4v2", "flv"])
def test_old_codecs_on_the_list_work(tmp_path, codec):
    suffix = ".avi" if codec in ("msmpeg4v2", "flv") else ".mkv"
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / f"clip{suffix}", codec=codec, pix_fmt=pix_fmt, seconds=1, width=160, height=128)
    assert len(decode(path, 0, 1, fps=None).frames) == 30


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mpg", "mpeg1video"), (".mpg", "mpeg2video"), (".m4v", "h264"), (".3gp", "h264")]
)
def test_old_containers_on_the_list_work(tmp_path, suffix, codec):
    made = tmp_path / f"made{'.mp4' if codec == 'h264' else suffix}"
    make_video(made, codec=codec, seconds=2, width=320, height=192, options={"b": "1M", "bf": "2"})
    path = made.rename(tmp_path / f"clip{suffix}")
    clip = decode(path, 0, 2, fps=None)
    assert [number_of(image) for image in images_of(clip)] == list(range(60))
    part = decode(path, 0.5, 1.5, fps=None, span=Span.WHOLE)
    assert [number_of(image) for image in images_of(part)] == list(range(15, 45))


# What is too large.

SMALL = DecodeLimits(max_pixels=320 * 192)


@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "vp8", "av1", "mpeg4"])
def test_pictures_over_the_limit_are_not_decoded(codec):
    from media import SUFFIXES

    path = cached_video(SUFFIXES[codec], codec=codec, seconds=0.5, width=640, height=384)
    assert failure_of(path, limits=SMALL).reason is FailureReason.TOO_LARGE
    assert (
        failure_of(cached_video(SUFFIXES[codec], codec=codec, seconds=0.5, width=320, height=192), limits=SMALL) is None
    )


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx", "libx264"])
def test_pictures_that_grow_over_the_limit_are_found_too(tmp_path, codec, suffix):
    if (codec, suffix) == ("libvpx", ".mp4"):
        pytest.skip("MP4 holds no VP8")
    path = tmp_path / f"growing{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=20)
        stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
        for part, (width, height) in enumerate([(320, 192), (1280, 768)]):
            coder = av.CodecContext.create(codec, "w")
            coder.width, coder.height, coder.pix_fmt, coder.time_base = width, height, "yuv420p", Fraction(1, 20)
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(picture(number, width, height), format="rgb24")
                frame.pts, frame.time_base = part * 10 + number, Fraction(1, 20)
                for packet in coder.encode(frame):
                    packet.stream = stream
                    out.mux(packet)
            for packet in coder.encode(None):
                packet.stream = stream
                out.mux(packet)
    failure = failure_of(path, 0, 1, limits=SMALL)
    # The H.264 decoder's last word is about the slice that it could not begin.
    assert failure.reason in (FailureReason.TOO_LARGE, FailureReason.CORRUPT if codec == "libx264" else None)


def test_more_frames_than_the_limit_are_too_large():
    path = cached_video(seconds=2, width=160, height=128)
    limits = DecodeLimits(max_frames=40)
    assert failure_of(path, 0, 2, limits=limits).reason is FailureReason.TOO_LARGE  # 50 on the grid
    assert failure_of(path, 0, 2, limits=limits, fps=None).reason is FailureReason.TOO_LARGE  # 60 in the file
    assert failure_of(path, 0, 1, limits=limits) is None


def test_an_absurd_pixel_aspect_does_not_make_absurd_frames(tmp_path):
    path = make_video(tmp_path / "wide.mp4", seconds=0.2, width=160, height=128, aspect=Fraction(60000, 1))
    assert decode(path, 0, 0.2).width == 160
    failure = failure_of(cached_video(seconds=0.2, width=160, height=128), 0, 0.2, limits=DecodeLimits(max_pixels=100))
    assert failure.reason is FailureReason.TOO_LARGE


def test_too_short_and_out_of_range_are_told_from_damage():
    path = cached_video(seconds=2, width=160, height=128)
    assert failure_of(path, min_duration=3.0).reason is FailureReason.TOO_SHORT
    assert failure_of(path, min_duration=2.0) is None


# Any bytes at all.


@given(st.binary(max_size=400), st.sampled_from(Container))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_structure_of_any_bytes_is_answered(tmp_path, data, kind):
    heads = {
        Container.MOV: b"\0\0\0\x08ftyp",
        Container.MATROSKA: b"\x1aE\xdf\xa3\x80",
        Container.AVI: b"RIFF\0\0\0\0AVI ",
        Container.MPEG: b"\0\0\1\xba",
    }
    path = tmp_path / "bytes"
    path.write_bytes(heads[kind] + data)
    assert isinstance(check_structure(str(path), kind), Structure)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_any_damage_to_headers_ends_in_a_clip_or_a_named_failure(tmp_path, data):
    suffix = data.draw(st.sampled_from([".mp4", ".mkv", ".avi", ".webm"]))
    codec = {".avi": "mpeg4", ".webm": "vp8"}.get(suffix, "h264")
    source = bytearray(cached_video(suffix, codec=codec, seconds=0.2, width=160, height=128).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(
            st.one_of(
                st.integers(0, min(700, len(source) - 1)), st.integers(max(0, len(source) - 1500), len(source) - 1)
            )
        )
        source[place] = data.draw(st.integers(0, 255))
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(source)
    if failure_of(path, 0, 0.2, audio_rate=8000) is None:
        assert decode(path, 0, 0.2).frames


def test_libav_prints_nothing(tmp_path):
    path = tmp_path / "noisy.mp4"
    data = bytearray(cached_video(seconds=1, width=160, height=128).read_bytes())
    data[2000:4000] = bytes(range(256)) * 7 + bytes(208)
    path.write_bytes(data)
    script = (
        "import sys; from kinetics_tfds.decode import *; from kinetics_tfds.clips.media import Span\n"
        "try: decode_clip(DecodeRequest('k', sys.argv[1], Span.TRIMMED, 0, 1), DecodeSettings())\n"
        "except DecodeError as error: print(error.failure.reason)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "corrupt\n"
    assert done.stderr == ""
