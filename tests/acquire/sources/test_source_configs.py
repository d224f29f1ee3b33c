"""Every option of the sources can be set from a config file."""

from __future__ import annotations

import pytest

from kinetics_tfds.acquire.config import read_config
from kinetics_tfds.acquire.sources.archives import Archives
from kinetics_tfds.acquire.sources.folder import Folder
from kinetics_tfds.acquire.sources.http import Http
from kinetics_tfds.acquire.sources.mirror import Mirror
from kinetics_tfds.acquire.sources.part_downloads import Reading
from kinetics_tfds.acquire.sources.web import Web
from kinetics_tfds.errors import ConfigError

ALL = """
sources:
  - kind: folder
    path: old_clips
  - kind: folder
    name: bucket
    url: gs://bucket/clips
  - kind: archives
    paths: [tars, one.tar.gz]
    urls: ["https://host/a b.zip"]
    reading: {streams: 3, max_clip_gb: 0.5, keep_partial: false, web: {timeout: 5, headers: {X-Token: secret}}}
  - kind: mirror
    indexes: {train: "https://host/train.txt"}
    replacements: []
    rate_limit: {concurrency: 1, units_per_hour: 60, pause: [0, 1]}
  - kind: http
    url: "https://host/{split}/{id}.mp4"
    split_names: {validation: val}
    label_spaces: "_"
"""


def test_all_options(tmp_path):
    path = tmp_path / "acquire.yaml"
    path.write_text(ALL)
    folder, bucket, archives, mirror, http = read_config(path).sources
    assert folder == Folder(path=tmp_path / "old_clips")
    assert bucket == Folder(name="bucket", url="gs://bucket/clips")
    reading = Reading(
        streams=3, max_clip_gb=0.5, keep_partial=False, web=Web(timeout=5.0, headers={"X-Token": "secret"})
    )
    assert archives == Archives(
        paths=(tmp_path / "tars", tmp_path / "one.tar.gz"), urls=("https://host/a b.zip",), reading=reading
    )
    assert isinstance(mirror, Mirror)
    assert mirror.replacements == ()
    assert mirror.rate_limit.units_per_hour == 60
    assert isinstance(http, Http)
    assert http.split_names == {"validation": "val"}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("kind: mirror\n    indexs: {}", "indexes"),
        ("kind: archives\n    paths: [a]\n    reading: {stream: 2}", "streams"),
        ("kind: http\n    url: 5", "url"),
        ("kind: http\n    url: 'https://host/{ID}.mp4'", "youtube_id"),
        ("kind: folder", "path"),
    ],
)
def test_mistakes_are_named(tmp_path, entry, message):
    path = tmp_path / "acquire.yaml"
    path.write_text(f"sources:\n  - {entry}\n")
    with pytest.raises(ConfigError, match=message):
        read_config(path)
