"""The folder source: clips or whole videos that lie on a disk or in a bucket already, in any layout."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import posixpath
from collections.abc import Iterable, Iterator

from kinetics_tfds.acquire.outcome import Outcome, Reason
from kinetics_tfds.acquire.siblings import others_of
from kinetics_tfds.acquire.source import FetchContext, Fetched, FetchFailure, PlanContext, RateLimit, Unit, fail_all
from kinetics_tfds.acquire.sources.download import TransferError, download, outcome_of
from kinetics_tfds.annotations.clip import Clip
from kinetics_tfds.annotations.versions import get_version
from kinetics_tfds.clips.layouts import read_name
from kinetics_tfds.clips.listing import list_folder
from kinetics_tfds.clips.match import match_clips
from kinetics_tfds.errors import AcquireError, ClipsError, ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder of media files under the usual names; see docs/clips.md.

    Attributes:
        path: a local folder.
        url: a bucket's folder (`gs://`, `s3://`, …) instead.
        name: of the source in the ledger.
        rate_limit: how hard it may be pressed.
    """

    path: pathlib.Path | None = None
    url: str | None = None
    name: str = "folder"
    rate_limit: RateLimit = dataclasses.field(default_factory=RateLimit)

    def __post_init__(self) -> None:
        if (self.path is None) == (self.url is None) or (self.url is not None and "://" not in self.url):
            raise ConfigError("Config: the source `folder` needs one of `path` and `url`.", "Give exactly one.")

    @property
    def root(self) -> str:
        """The folder, wherever it is."""
        return self.url.rstrip("/") if self.url is not None else os.path.abspath(os.fspath(self.path or ""))

    @property
    def fetcher(self) -> str:
        """Nothing but a copy."""
        return "copy"

    def plan(self, clips: Iterable[Clip], context: PlanContext) -> Iterator[Unit | FetchFailure]:
        """Yields one unit a file."""
        version = get_version(context.version)
        try:
            listing = list_folder(self.root)
        except ClipsError as error:
            raise AcquireError(error.problem, f"Correct or take out the source {self.name!r}.") from error
        clips = tuple(clips)
        wanted = set(clips)
        # A file named by the id alone may be meant for a sibling of a wanted clip, stored already or not wanted.
        matches = match_clips((*clips, *others_of(wanted, context.siblings)), listing, version)
        for line in listing.unreadable:
            context.log(f"{self.name}: cannot be read: {line}")
        context.log(
            f"{self.name}: {len(wanted & matches.found.keys())} clips found, {len(matches.ambiguous)} of them in "
            f"several files, {len(matches.unclaimed)} other files"
        )
        missing = (clip for clip in matches.missing if clip in wanted)
        yield from fail_all(missing, Outcome(Reason.NOT_IN_SOURCE, "no file in the folder is named for it"))
        units: dict[str, list[Clip]] = {}
        for clip, file in matches.found.items():
            units.setdefault(file.path, []).append(clip)
        for path, group in units.items():
            mine = tuple(clip for clip in group if clip in wanted)
            if mine:
                yield Unit(path, mine, tuple(clip for clip in group if clip not in wanted))

    def fetch(self, unit: Unit, context: FetchContext) -> Iterator[Fetched | FetchFailure]:
        """Gives the file itself, or a copy of it where it is in a bucket."""
        place = posixpath.join(self.root, unit.key)
        context.check()
        try:
            video = pathlib.Path(place)
            if self.url is not None:
                video = context.scratch / f"media{video.suffix.lower()}"
                download(place, video, check=context.check)
            video.open("rb").close()  # now rather than in a worker process: the reason is plainer
        except (TransferError, OSError) as error:
            yield FetchFailure(unit.clips, outcome_of(error))
            return
        name = read_name(unit.key)
        yield Fetched(unit.clips, video, unit.span(name is not None and name.time_start is not None), place)
