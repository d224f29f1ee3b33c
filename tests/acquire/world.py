"""A small internet on loopback: a mirror, a file server and a video site, each with every way to misbehave."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import json
import pathlib
import random
import tarfile

import yaml
from acquire.archive_maker import special, tar, tar_gz
from acquire.loopback import Loopback
from media import make_video

from kinetics_tfds.annotations.clip import Clip, Split

PLUGINS = str(pathlib.Path(__file__).parent / "plugins")
LENGTH = 2  # seconds of a clip
UNITS_PER_HOUR = 2000
LABELS = ("abseiling", "archery", "tying knot (not on a tie)", "zumba")

# What becomes of a row, by how its video is treated: (source that ends it, reason).
SITE_ANSWERS = {
    "private": ("LOGIN_REQUIRED", "Private video", "private"),
    "removed": ("ERROR", "This video has been removed by the uploader", "removed_by_uploader"),
    "account": ("ERROR", "The YouTube account associated with this video has been terminated.", "account_terminated"),
    "copyright": ("ERROR", "No longer available due to a copyright claim by Somebody", "copyright"),
    "policy": ("ERROR", "This video has been removed for violating YouTube's rules", "policy_violation"),
    "age": ("LOGIN_REQUIRED", "Sign in to confirm your age", "age_restricted"),
    "members": ("UNPLAYABLE", "Join this channel to get access to members-only content", "members_only"),
    "region": ("UNPLAYABLE", "The uploader has not made this video available in your country", "geo_blocked"),
    "unavailable": ("ERROR", "Video unavailable", "unavailable"),
}
SITE_MEDIA = {
    "plain": (("ok",), "stored"),
    "media503": (("503", "503", "ok"), "stored"),
    "mediareset": (("reset", "ok"), "stored"),
    "mediashort": (("short", "ok"), "stored"),
    "mediaslow": (("slow:0.3",), "stored"),
    "mediamoved": (("redirect:/elsewhere",), "stored"),
    "media403": (("403",), "data_forbidden"),
    "mediahtml": (("html",), "not_media"),
}
FILES = {
    "file": ("ok",),
    "file503": ("503", "ok"),
    "filereset": ("reset", "ok"),
    "fileshort": ("short", "ok"),
    "fileslow": ("slow:0.3",),
    "filemoved": ("redirect:/elsewhere",),
    "file429": ("429:1", "ok"),
}


@dataclasses.dataclass
class World:
    """Everything that a run meets, and how each row must end.

    Attributes:
        server: the loopback server.
        folder: a folder of the user's clips.
        lists: the annotation file.
        clips: all rows.
        ends: for each row, (source, reason) of the attempt that decides.
    """

    server: Loopback
    root: pathlib.Path
    clips: list[Clip] = dataclasses.field(default_factory=list)
    ends: dict[Clip, tuple[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def folder(self) -> pathlib.Path:
        return self.root / "old_clips"

    @property
    def lists(self) -> pathlib.Path:
        return self.root / "kinetics600_val.csv"

    def config(self, **more) -> pathlib.Path:
        """Writes the config file and returns its path."""
        arguments = {"server": [self.server.url], "player_skip": ["webpage", "configs", "js", "initial_data"]}
        web = {"retries": 2, "retry_wait": 0.05, "timeout": 20.0}
        quick = {"first_wait": 0.3, "longest_wait": 2.0, "max_refusals": 8}
        values = {
            "sources": [
                {"kind": "folder", "path": str(self.folder), "rate_limit": quick},
                {
                    "kind": "mirror",
                    "indexes": {"validation": f"{self.server.url}/mirror/index.txt"},
                    "reading": {"web": web},
                    "rate_limit": {"concurrency": 2, **quick},
                },
                {
                    "kind": "http",
                    "url": f"{self.server.url}/files/{{split}}/{{id}}.mp4",
                    "web": web,
                    "rate_limit": {"concurrency": 3, **quick},
                },
                {
                    "kind": "youtube",
                    "extractor_args": {"youtube": arguments},
                    "js_runtimes": {},
                    "plugin_dirs": [PLUGINS],
                    "retries": 2,
                    "extractor_retries": 0,
                    "timeout": 20.0,
                    "request_pause": 0.0,
                    "options": {"retry_sleep_functions": {}},
                    "rate_limit": {"concurrency": 2, "pause": [0.05, 0.1], "units_per_hour": UNITS_PER_HOUR, **quick},
                },
            ],
            "cut": {"preset": "ultrafast", "crf": 35},
            "retry": {"attempts": 3, "first_wait": 0.2, "longest_wait": 0.4},
            "min_free_gb": 0.05,
            "workers": 2,
            "state": str(self.root / "state"),
        }
        path = self.root / "config.yaml"
        path.write_text(yaml.safe_dump(values | more))
        return path


def make_world(root: pathlib.Path, server: Loopback, size: int) -> World:
    """Makes a world of about `size` rows."""
    world = World(server, root)
    maker = _Maker(world)
    kinds = [
        *SITE_ANSWERS,
        *SITE_MEDIA,
        *FILES,
        "folder",
        "folderhalf",
        "file410",
        "tar",
        "tarlost",
        "twoclips",
        "short",
        "nowhere",
    ]
    number = 0
    while len(world.clips) < size:
        maker.add(kinds[number % len(kinds)], number)
        number += 1
    maker.finish()
    return world


class _Maker:
    def __init__(self, world: World) -> None:
        self.world, self.server = world, world.server
        made = world.root / "made"
        small = {"fps": 10, "width": 96, "height": 64}
        self.clip = make_video(made / "clip.mp4", seconds=LENGTH, **small).read_bytes()
        self.video = make_video(made / "video.mp4", seconds=9, audio=True, options={"g": "20"}, **small).read_bytes()
        self.tars: dict[str, list] = {label: [] for label in LABELS}
        self.lost: list[tuple[str, bytes]] = []
        self.random = random.Random(0)
        self.server.add("/elsewhere", self.video)
        refusal = {"playabilityStatus": {"status": "LOGIN_REQUIRED", "reason": "Sign in to confirm you’re not a bot"}}
        self.server.add("/botcheck", json.dumps(refusal).encode(), content_type="application/json")

    def add(self, kind: str, number: int) -> None:
        video = f"{number:03d}{kind[:7]:_<7}-"
        start = number % 5
        clip = Clip(Split.VALIDATION, video, start, start + LENGTH, LABELS[number % len(LABELS)])
        handler = getattr(self, f"_{kind}", None)
        if handler is not None:
            handler(clip)
        elif kind in SITE_ANSWERS:
            status, text, reason = SITE_ANSWERS[kind]
            self._end(clip, "youtube", reason)
            self.server.add_player(video, {"playabilityStatus": {"status": status, "reason": text}})
        elif kind in SITE_MEDIA:
            behaviours, reason = SITE_MEDIA[kind]
            self._on_site(clip, reason, *behaviours)
        else:
            behaviours = FILES[kind]
            self._end(clip, "http", "stored")
            body = self.clip
            if kind == "filemoved":
                behaviours = ("redirect:/elsewhere_clip",)
                self.server.add("/elsewhere_clip", self.clip)
            self.server.add(f"/files/validation/{clip.id}.mp4", body, *behaviours)

    def _end(self, clip: Clip, source: str, reason: str) -> None:
        self.world.clips.append(clip)
        self.world.ends[clip] = source, reason

    def _on_site(self, clip: Clip, reason: str, *behaviours: str) -> None:
        self._end(clip, "youtube", reason)
        media = f"/media/{clip.youtube_id}"
        formats = [
            {
                "itag": 18,
                "url": self.server.url + media,
                "mimeType": 'video/mp4; codecs="avc1.42001E, mp4a.40.2"',
                "width": 96,
                "height": 64,
                "fps": 10,
                "quality": "medium",
            }
        ]
        self.server.add_player(
            clip.youtube_id, {"playabilityStatus": {"status": "OK"}, "streamingData": {"formats": formats}}
        )
        self.server.add(media, self.video, *behaviours)

    def _twoclips(self, clip: Clip) -> None:
        self._on_site(clip, "stored", "ok")
        self._end(dataclasses.replace(clip, time_start=6, time_end=8), "youtube", "stored")

    def _short(self, clip: Clip) -> None:
        self._on_site(dataclasses.replace(clip, time_start=50, time_end=52), "out_of_range", "ok")

    def _nowhere(self, clip: Clip) -> None:
        self._end(clip, "youtube", "unavailable")
        self.server.add_player(
            clip.youtube_id, {"playabilityStatus": {"status": "ERROR", "reason": "This video is not available"}}
        )

    def _folder(self, clip: Clip) -> None:
        self._end(clip, "folder", "stored")
        self._old(clip).write_bytes(self.clip)

    def _folderhalf(self, clip: Clip) -> None:
        """The user's own copy is damaged; the site has the video."""
        self._on_site(clip, "stored", "ok")
        self._old(clip).write_bytes(self.clip[: len(self.clip) * 2 // 3])

    def _file410(self, clip: Clip) -> None:
        """The file server had it once; the site has the video."""
        self._on_site(clip, "stored", "ok")
        self.server.add(f"/files/validation/{clip.id}.mp4", b"", "410")

    def _old(self, clip: Clip) -> pathlib.Path:
        path = self.world.folder / "val_256" / (clip.label or "").replace(" ", "_") / f"{clip.id}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _tar(self, clip: Clip) -> None:
        self._end(clip, "mirror", "stored")
        self.tars[clip.label or ""].append((f"./{clip.label}/{clip.id}.mp4", self.clip))

    def _tarlost(self, clip: Clip) -> None:
        """In the part of an archive that is cut off; the site has the video."""
        self._on_site(dataclasses.replace(clip, label="zumba"), "stored", "ok")
        self.lost.append((f"./{clip.id}.mp4", self.clip))

    def finish(self) -> None:
        """Packs the archives with all that such archives may hold, and writes the index and the list."""
        index = []
        for label, members in self.tars.items():
            name = f"{label}.tar.gz"
            index.append(f"{self.server.url}/mirror/{name}")
            hostile = [
                ("../../../escape_00_000000_000002.mp4", self.clip),
                ("/etc/escape_01_000000_000002.mp4", self.clip),
                special("link_______0_000000_000002.mp4", tarfile.SYMTYPE, "/etc/passwd"),
                special("device_____0_000000_000002.mp4", tarfile.CHRTYPE),
                *((f"./._{name.rpartition('/')[2]}", b"\0\5\26\7AppleDouble") for name, _ in members),
                ("stranger_00_000000_000002.mp4", self.clip),
            ]
            body = tar([*hostile, *members])
            if label == "archery":
                self.server.add(f"/mirror/{name}", body, "reset", "ok", content_type="application/gzip")  # a plain tar
            elif label == "zumba":
                filler = [(f"filler_____{n}_000000_000002.mp4", self.random.randbytes(30_000)) for n in range(9)]
                whole = tar_gz([*hostile, *members, *filler, *self.lost])
                lost = len(tar_gz(self.lost)) if self.lost else 0
                self.server.add(f"/mirror/{name}", whole[: len(whole) - lost - 60_000], content_type="application/gzip")
            else:
                self.server.add(f"/mirror/{name}", gzip.compress(body, 1), content_type="application/gzip")
        self.server.add("/mirror/index.txt", "\n".join(index).encode(), content_type="text/plain")
        self.world.folder.mkdir(exist_ok=True)
        with open(self.world.lists, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
            for clip in self.world.clips:
                writer.writerow([clip.label, clip.youtube_id, int(clip.time_start), int(clip.time_end), "val"])
