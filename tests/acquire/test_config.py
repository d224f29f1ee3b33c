from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator
from typing import ClassVar

import pytest

from kinetics_tfds.acquire.config import parse_config, read_config
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Source, Unit
from kinetics_tfds.acquire.sources.archives import Archives
from kinetics_tfds.acquire.sources.youtube import YouTube
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shelf:
    """A source from outside the package, as a user would write one."""

    name: str = "shelf"
    rate_limit: RateLimit = dataclasses.field(default_factory=RateLimit)
    fetcher: ClassVar[str] = "hands"
    where: pathlib.Path = pathlib.Path("shelf")
    deep: int | None = None

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        yield from ()

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        yield from ()


SHELF = {"kind": f"{__name__}:Shelf"}


def test_a_source_of_ones_own(tmp_path):
    config = parse_config({"sources": [{**SHELF, "where": "a/b", "rate_limit": {"pause": [1, 2.5]}}]}, tmp_path)
    assert config.sources == (Shelf(where=tmp_path / "a/b", rate_limit=RateLimit(pause=(1.0, 2.5))),)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "not a mapping"),
        ({}, "no sources"),
        ({"sources": [{"kind": "foldr"}]}, "'foldr' is no kind of source"),
        ({"sources": [{"kind": "no.such.module:Thing"}]}, "cannot be imported"),
        ({"sources": [{**SHELF, "wher": "x"}]}, "Did you mean 'where'"),
        ({"sources": [{**SHELF, "deep": "x"}]}, r"sources\[0\].deep"),
        ({"sources": [{**SHELF, "deep": True}]}, r"sources\[0\].deep"),
        ({"sources": [{**SHELF, "rate_limit": {"pause": [1]}}]}, r"rate_limit.pause\[1\]: Field required"),
        ({"sources": [{**SHELF, "rate_limit": {"pause": [2, 1]}}]}, "pause"),
        ({"sources": [SHELF, SHELF]}, "several sources are named shelf"),
        ({"sources": [SHELF], "cut": {"mode": "slice"}}, "cut.mode"),
        ({"sources": [{**SHELF, "rate_limit": {"pauses": []}}]}, "rate_limit.pauses.*\n.*Did you mean 'pause'"),
        ({"sources": [{**SHELF, "rate_limit": {"first_wait": 9e9}}]}, "first_wait"),
        ({"sources": [SHELF], "min_free_gb": "lots"}, "min_free_gb: 'lots': expected a valid number"),
        ({"sources": [SHELF], "cut": {"crf": 52}}, "cut.crf: 52: expected less than or equal to 51"),
        ({"sources": [SHELF], "cut": 3}, "cut: 3: expected an object"),
        ({"sources": [SHELF], "cutt": {}}, "Did you mean 'cut'"),
    ],
)
def test_wrong_settings_are_named(tmp_path, values, words):
    with pytest.raises(ConfigError, match=words):
        parse_config(values, tmp_path)


def test_no_error_shows_what_may_be_secret(tmp_path):
    entry = {**SHELF, "deep": "https://me:hidden@host/?token=hidden"}
    with pytest.raises(ConfigError) as raised:
        parse_config({"sources": [entry]}, tmp_path)
    assert "hidden" not in str(raised.value)


def test_reading_a_file(tmp_path):
    (tmp_path / "c.yaml").write_text(f"sources:\n  - kind: '{__name__}:Shelf'\nretry: {{attempts: 2}}\nstate: here\n")
    config = read_config(tmp_path / "c.yaml")
    assert config.retry.attempts == 2
    assert config.state_folder == tmp_path / "here"
    (tmp_path / "bad.yaml").write_text("sources: [")
    for name in ("bad.yaml", "absent.yaml"):
        with pytest.raises(ConfigError, match="cannot be read"):
            read_config(tmp_path / name)


def test_only_the_named_sources():
    config = parse_config({"sources": [SHELF, {**SHELF, "name": "other"}]}, pathlib.Path())
    assert [source.name for source in config.only(["other"]).sources] == ["other"]
    with pytest.raises(ConfigError, match="no source 'third'"):
        config.only(["third"])


CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "configs" / "acquire"
CLIP = Clip(Split.VALIDATION, "-abc_DEF123", 7, 17, "tying knot (not on a tie)")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_configs_that_come_with_the_project(path):
    config = read_config(path)
    for source in config.sources:
        assert isinstance(source, Source)
        assert source.fetcher
        if isinstance(source, YouTube):
            assert source.rate_limit.units_per_hour == 250


def test_what_the_examples_ask_for(tmp_path):
    context = PlanContext("kinetics600", tmp_path)
    clips, videos = read_config(CONFIGS / "http_template.yaml").sources
    (unit,) = clips.plan([CLIP], context)
    label = "tying_knot_%28not_on_a_tie%29"
    assert isinstance(unit, Unit)
    assert unit.key == f"https://data.example.org/val/{label}/-abc_DEF123_000007_000017.mp4"
    (unit,) = videos.plan([CLIP], context)
    assert isinstance(unit, Unit)
    assert unit.key == "gs://my-bucket/kinetics/-abc_DEF123.mp4"
    (unit,) = read_config(CONFIGS / "remote_archives.yaml").sources[0].plan([CLIP], context)
    assert isinstance(unit, Unit)
    assert unit.clips == (CLIP,)
    local = read_config(CONFIGS / "local_archives.yaml").sources[0]
    assert isinstance(local, Archives)
    assert [path.resolve() for path in local.paths] == [CONFIGS.parents[1] / "tars"]
