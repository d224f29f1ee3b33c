"""`DATASET_CARD.md`, beside the shards: what this very dataset holds, for those who did not build it.

Counts come from the manifest. Sizes, rates and colours come from the first records of shards spread evenly over the
dataset, which are a random sample, because records lie in hash order. The same dataset gives the same card.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping

import pyarrow.compute as pc
from etils import epath

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.prepared.dataset import Prepared
from kinetics_tfds.prepared.stats import (
    RecordStats,
    SplitStats,
    describe_classes,
    read_record_stats,
    read_split_stats,
)
from kinetics_tfds.shards.manifest import read_manifest

FILE_NAME = "DATASET_CARD.md"

_SAMPLED_RECORDS = 128  # of each split
_SHOWN = 8
_CARE = "### Licence and care\n"


def write_card(folder: epath.Path, prepared: Prepared) -> None:
    """Writes the card.

    Args:
        folder: where it goes.
        prepared: the dataset.
    """
    (folder / FILE_NAME).write_text(make_card(prepared))


def make_card(prepared: Prepared) -> str:
    """Returns the card's text.

    Raises:
        VerifyError: the manifest cannot be read.
        OSError: a shard cannot be opened.
    """
    version = get_version(prepared.identity.dataset)
    splits = read_split_stats(prepared)
    records = sample_records(prepared)
    return "\n\n".join(
        [
            f"# {version.title}, `{prepared.shards_folder.parent.name}` {prepared.identity.version}",
            _introduction(version, prepared),
            f"## Clips\n\n{_count_table(version, splits)}",
            *_failures(splits),
            f"## Classes\n\n{_class_lines(splits)}",
            f"## Frames\n\n{_frame_lines(records)}",
            f"## Made with\n\n{_versions(prepared)}",
            f"## Licence and care\n\n{care(version)}",
            f"## To cite\n\n```bibtex\n{citations(version).strip()}\n```\n",
        ]
    )


def sample_records(prepared: Prepared) -> RecordStats:
    """Reads a random sample of the records of each split."""
    total = RecordStats()
    for split, values in prepared.identity.splits.items():
        shards = min(values["shards"], _SAMPLED_RECORDS)
        chosen = [prepared.shard(split, values["shards"] * number // shards) for number in range(shards)]
        total.add(read_record_stats(chosen, -(-_SAMPLED_RECORDS // shards)))
    return total


def content_hash(prepared: Prepared) -> str:
    """Returns the sha256 of which clips the dataset holds, and of what their files held: equal where two have the same.

    Neither settings nor versions of the decoder are part of it.
    """
    rows = read_manifest(prepared.folder, ("split", "id", "state", "media_digest"))
    rows = rows.filter(pc.field("state") == "written").sort_by([("split", "ascending"), ("id", "ascending")])
    digest = hashlib.sha256()
    for batch in rows.to_batches():
        for row in batch.to_pylist():
            digest.update(f"{row['split']}/{row['id']} {row['media_digest']}\n".encode())
    return digest.hexdigest()


def care(version: KineticsVersion) -> str:
    """Returns what to know of a version's licence, and of the bias of its clips."""
    text = _package_file(version, "README.md").partition(_CARE)[2].partition("\n### ")[0].strip()
    return (
        f"{text}\n\nThe authors of Kinetics themselves looked at whether imbalance in it leads to bias in classifiers "
        "(Kay et al., 2017), in what they call a preliminary analysis: measure it for the use at hand."
    )


def citations(version: KineticsVersion) -> str:
    """Returns the BibTeX entries of a version."""
    return _package_file(version, "CITATIONS.bib")


def _package_file(version: KineticsVersion, name: str) -> str:
    """Returns a file's text; empty where there is none, as there need not be of a dataset that was added."""
    path = importlib.resources.files("kinetics_tfds") / version.name / name
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _introduction(version: KineticsVersion, prepared: Prepared) -> str:
    settings = prepared.identity.settings
    sound = f", mono sound at {settings['audio_rate']:,} Hz" if settings.get("audio_rate") else ""
    side = f"short side {settings['short_side']}" if settings.get("short_side") else "the size of the source"
    rate = f"{settings['fps']:g} frames a second" if settings.get("fps") else "every frame of the source"
    return (
        f"Clips of {version.title} as JPEG frames ({side}, {rate}, quality {settings['quality']}{sound}), in shards "
        "that TensorFlow Datasets reads. The annotations are Google DeepMind's; the clips are those that somebody had "
        "when this was built. `manifest.parquet` says what became of every annotation row. The build wrote this card."
    )


def _count_table(version: KineticsVersion, splits: Mapping[str, SplitStats]) -> str:
    """A row per split, beside the counts of the lists that others built from."""
    head = ["split", "clips here", "rows", "missing", "failed", "excluded", *version.published]
    order = [str(split) for split in (Split.TRAIN, Split.VALIDATION, Split.TEST)]
    lines = []
    for name, stats in splits.items():
        counts = [stats.clips, sum(stats.states.values())]
        counts += [stats.states.get(state, 0) for state in ("missing", "failed", "excluded")]
        published = [counts_[order.index(name)] if name in order else None for counts_ in version.published.values()]
        lines.append([name, *(f"{count:,}" if count is not None else "" for count in [*counts, *published])])
    return _table(head, lines)


def _failures(splits: Mapping[str, SplitStats]) -> Iterator[str]:
    reasons = sorted({reason for stats in splits.values() for reason in stats.failures})
    if reasons:
        rows = [[reason, *(f"{stats.failures.get(reason, 0):,}" for stats in splits.values())] for reason in reasons]
        yield f"Clips that gave no frames, by reason:\n\n{_table(['reason', *splits], rows)}"


def _class_lines(splits: Mapping[str, SplitStats]) -> str:
    return "\n".join(f"- {name}: {describe_classes(stats.classes)}" for name, stats in splits.items() if stats.clips)


def _frame_lines(records: RecordStats) -> str:
    counters = {
        "stored size": records.sizes,
        "stored frames a second": records.fps,
        "size of the source": records.original_sizes,
        "frames a second of the source": records.original_fps,
    }
    lines = []
    for title, counter in counters.items():
        shown = sorted(counter.items(), key=lambda item: (-item[1], str(item[0])))[:_SHOWN]
        more = f", {len(counter) - len(shown)} others" if len(counter) > len(shown) else ""
        lines.append([title, ", ".join(f"{value} ({count / records.records:.0%})" for value, count in shown) + more])
    lines.append(["frames and seconds a clip", f"{_mean(records.frames, records)}, {_mean(records.seconds, records)}"])
    lines.append(["channel mean (red, green, blue; 0 to 1)", ", ".join(map(str, records.channel_mean))])
    lines.append(["channel standard deviation", ", ".join(map(str, records.channel_std))])
    table = _table(["", "share of the clips, or mean"], lines)
    return f"Of {records.records:,} clips, a random sample; colours of the middle frame of each.\n\n{table}"


def _mean(total: float, records: RecordStats) -> str:
    return f"{total / max(records.records, 1):.1f}"


def _versions(prepared: Prepared) -> str:
    identity = prepared.identity
    rows = [
        *(["setting " + name, f"`{value}`"] for name, value in sorted(identity.settings.items())),
        *([name, str(value)] for name, value in sorted(identity.versions.items())),
        ["record revision", str(identity.record_revision)],
        ["fingerprint of settings, versions and plan", f"`{identity.fingerprint}`"],
        ["hash of the clips and their files", f"`{content_hash(prepared)}`"],
    ]
    return _table(["what", "value"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
