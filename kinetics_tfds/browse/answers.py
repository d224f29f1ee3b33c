"""What the page asks for, answered as plain JSON values; the server and the static export share it."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from kinetics_tfds.browse.clip_table import SORTS, Query
from kinetics_tfds.browse.collection import Collection, StoredClip
from kinetics_tfds.browse.media_file import is_playable
from kinetics_tfds.errors import BrowseError

MOST_CLIPS = 200  # on one page

T = TypeVar("T")


def parse_query(values: Mapping[str, str]) -> Query:
    """Reads a query from the parameters of a URL; `class` is the label, other names are those of `Query`.

    Raises:
        BrowseError: a value is not one that the page sends.
    """
    names = {field.name for field in dataclasses.fields(Query)} - {"label", "marked"}
    query = Query(
        label=values.get("class", ""),
        marked=values.get("marked", "") == "1",
        **{name: values[name] for name in names if values.get(name)},
    )
    if query.sort not in SORTS:
        raise BrowseError(f"There is no order {query.sort!r}.", f"Orders: {', '.join(SORTS)}.")
    return query


def describe_collection(collection: Collection) -> dict[str, Any]:
    """Returns what does not change while the page is open."""
    table = collection.table
    return {
        "kind": collection.kind,
        "title": collection.title,
        "place": collection.place,
        "rows": len(table),
        "splits": table.states_by_split(),
        "flags": table.flags,
        "facts": collection.facts(),
    }


def list_clips(collection: Collection, query: Query, marks: frozenset[str], page: int, size: int) -> dict[str, Any]:
    """Returns one page of the clips that match.

    Args:
        collection: the clips.
        query: which of them.
        marks: ids of the marked videos.
        page: its number, from 1; the last one where there are fewer.
        size: clips per page, at most MOST_CLIPS.
    """
    table = collection.table
    rows = table.select(query, marks if query.marked else frozenset())
    size = min(max(size, 1), MOST_CLIPS)
    pages = max(1, -(-len(rows) // size))
    page = min(max(page, 1), pages)
    chosen = rows[(page - 1) * size : page * size]
    return {
        "matching": len(rows),
        "page": page,
        "pages": pages,
        "clips": [card(collection, row) for row in chosen.tolist()],
    }


def card(collection: Collection, row: int) -> dict[str, Any]:
    """Returns what a clip's card in the grid shows."""
    table = collection.table
    values = {name: table.rows[name][row].as_py() for name in table.rows.column_names}
    facets = {name: table.value(name, row) for name in ("label", "split", "state", "reason", "source")}
    playable = values["path"] is not None and is_playable(values["path"])
    key = f"{facets['split']}/{values['id']}"
    return {"row": row, "key": key, **values, **facets, "flags": table.flags_of(row), "playable": playable}


def describe_clip(collection: Collection, key: str) -> dict[str, Any]:
    """Returns everything that is known of one clip.

    Args:
        collection: the clips.
        key: `{split}/{id}`.

    Raises:
        BrowseError: there is no such clip.
    """
    split, _, clip_id = key.partition("/")
    row = collection.table.find(split, clip_id)
    if row is None:
        raise BrowseError(f"{collection.title} has no clip {key[:80]!r}.", "Choose one from the page.")
    clip = card(collection, row)
    siblings = [each for each in collection.table.of_video(clip["youtube_id"]) if each != row]
    found = {
        "card": clip,
        "columns": collection.row(row),
        "siblings": [card(collection, each) for each in siblings[:MOST_CLIPS]],
        "youtube": f"https://www.youtube.com/watch?v={clip['youtube_id']}&t={int(clip['time_start'])}s",
        "alike": [card(collection, each) for each in _rows(collection, collection.alike(row))],
        "record": None,
        "problem": None,
        "media": None,
    }
    record = collection.record(row)
    if isinstance(record, StoredClip):
        found["record"] = {
            "fields": record.fields,
            "frames": len(record.frames),
            "timestamps": [round(time, 6) for time in record.timestamps],
            "audio_rate": record.audio_rate,
        }
    elif record is not None:
        found["problem"] = record
    media = collection.media(row)
    if media is not None:
        name = media.path.rpartition("/")[2]
        found["media"] = {"name": name, "start": media.start, "end": media.end, "playable": is_playable(name)}
    return found


def _rows(collection: Collection, keys: Iterable[str]) -> Iterator[int]:
    """Yields the rows of the clips with these keys, as far as there are any."""
    for key in itertools.islice(keys, MOST_CLIPS):
        split, _, clip_id = key.partition("/")
        row = collection.table.find(split, clip_id)
        if row is not None:
            yield row


def parse_mark(body: bytes) -> tuple[str, bool]:
    """Reads the JSON object by which the page marks a video: its id, and whether it is to be marked.

    Raises:
        BrowseError: it is something else.
    """
    try:
        values = json.loads(body)
        youtube_id, marked = values["youtube_id"], values["marked"]
    except (ValueError, KeyError, TypeError) as error:
        raise BrowseError("That is no mark.", 'Send {"youtube_id": ID, "marked": true}.') from error
    if not isinstance(youtube_id, str) or not isinstance(marked, bool):
        raise BrowseError("That is no mark.", "An id is text, and `marked` is true or false.")
    return youtube_id, marked


def pack_frames(frames: Sequence[bytes]) -> bytes:
    """Returns JPEG images in one piece: their number and their sizes as little-endian uint32, then the images."""
    head = [len(frames), *map(len, frames)]
    return b"".join([*(number.to_bytes(4, "little") for number in head), *frames])


def spread(items: Sequence[T], most: int) -> Sequence[T]:
    """Returns at most `most` of the items, the middles of as many equal parts.

    >>> spread("abcdefghij", 3)
    ['b', 'f', 'i']
    """
    if len(items) <= most:
        return items
    return [items[(2 * number + 1) * len(items) // (2 * most)] for number in range(most)]


def to_wav(record: StoredClip) -> bytes:
    """Returns the audio of a clip as a WAV file.

    Raises:
        BrowseError: the record holds none.
    """
    if record.audio is None or record.audio_rate is None:
        raise BrowseError("This clip is stored without audio.", "Build with the setting `audio_rate` to store it.")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(record.audio_rate)
        file.writeframes(record.audio)
    return out.getvalue()
