"""What `kinetics plan` tells: what was found, what the build would take, and how it would end."""

from __future__ import annotations

import collections
import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.names import explain_ignored_list
from kinetics_tfds.clips.near_misses import explain_unclaimed
from kinetics_tfds.durations import format_duration
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.printable import printable
from kinetics_tfds.shards.failures import exceeds, failures_allowed
from kinetics_tfds.tables import format_table

_EXAMPLES = 5


def describe_inputs(inputs: Any, plans: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns what was found, as plain JSON values.

    Args:
        inputs: `clips.inputs.Inputs`.
        plans: `planning.plan.SplitPlan` by split; empty where there is nothing to build.
    """
    matches, listing, annotations = inputs.matches, inputs.listing, inputs.annotations
    rows = collections.Counter(clip.split for clip in annotations.clips)
    found = collections.Counter(clip.split for clip in matches.found)
    ambiguous = collections.Counter(each.clip.split for each in matches.ambiguous)
    ignored = (explain_ignored_list(path) for path in listing.others)
    return {
        "manual_dir": os.fspath(inputs.root),
        "annotations": {
            "files": [source.path for source in annotations.sources],
            "rows": len(annotations.clips),
            "odd_rows": {str(kind): count for kind, count in annotations.warning_counts().items()},
            "odd_row_examples": [str(warning) for warning in annotations.warnings[:_EXAMPLES]],
        },
        "splits": {
            str(split): {
                "rows": rows[split],
                "found": found[split],
                "missing": rows[split] - found[split],
                "ambiguous": ambiguous[split],
                "excluded": len(plans[split].excluded) if split in plans else 0,
                "to_decode": len(plans[split].clips) if split in plans else 0,
                "shards": plans[split].num_shards if split in plans else 0,
            }
            for split in Split
            if split in rows
        },
        "media_files": len(listing.media),
        "ambiguous": _some(
            f"{each.clip.id}: {each.chosen} rather than {', '.join(each.others)}, by {each.why}"
            for each in matches.ambiguous
        ),
        "unclaimed": {
            "count": len(matches.unclaimed),
            "examples": explain_unclaimed(matches.unclaimed[:_EXAMPLES], matches.missing),
        },
        "label_conflicts": _some(
            f"{each.path}: its folder says {each.folder_label!r}, its row {each.clip.label!r}"
            for each in matches.label_conflicts
        ),
        "ignored_lists": _some(each for each in ignored if each is not None),
        "skipped": dict(listing.skipped),
        "ignored_endings": listing.ignored_endings,
        "unreadable": _some(listing.unreadable),
    }


def _some(lines: Iterable[str]) -> dict[str, Any]:
    every = list(lines)
    return {"count": len(every), "examples": every[:_EXAMPLES]}


def describe_cost(sample: Any, plans: Mapping[Any, Any], data_dir: str, max_failure_rate: float) -> dict[str, Any]:
    """Returns what the build would take, as plain JSON values.

    Args:
        sample: `shards.sample_decode.SampleDecode`.
        plans: by split.
        data_dir: where the dataset would be written.
        max_failure_rate: the share of the clips that may fail.
    """
    clips = sum(len(plan.clips) for plan in plans.values())
    failed = sum(sample.failed.values())
    rate = failed / sample.clips
    needed, free = sample.predict_bytes(clips), _free_bytes(data_dir)
    return {
        "sample_decode": {
            "clips": sample.clips,
            "workers": sample.workers,
            "failed": dict(sample.failed),
            "examples": list(sample.examples[:_EXAMPLES]),
            "bytes_per_clip": None if sample.bytes_per_clip is None else round(sample.bytes_per_clip),
            "clips_per_second": round(1 / sample.seconds_per_clip, 3),
        },
        "predicted": {
            "bytes": needed,
            "hours": round(sample.predict_seconds(clips) / 3600, 4),
            "shards": sum(plan.num_shards for plan in plans.values()),
            "failure_rate": round(rate, 4),
            "max_failure_rate": max_failure_rate,
            "would_stop": exceeds(round(rate * clips), clips, max_failure_rate),
            "failures_allowed": failures_allowed(clips, max_failure_rate),
        },
        "disk": {
            "path": data_dir,
            "free_bytes": free,
            "enough": None if free is None or needed is None else needed < free,
        },
    }


def _free_bytes(data_dir: str) -> int | None:
    """Returns the free bytes on the disk that a folder is on or would be on; None for a bucket."""
    if not is_local(data_dir):
        return None
    folder = os.path.abspath(os.path.expanduser(data_dir))
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return shutil.disk_usage(folder).free


def format_report(report: Mapping[str, Any]) -> str:
    """Returns the report as text for people."""
    annotations = report["annotations"]
    columns = ("rows", "found", "missing", "ambiguous", "excluded", "to_decode", "shards")
    rows = ((split, *(counts[column] for column in columns)) for split, counts in report["splits"].items())
    lines = [
        f"{report['dataset']} from {printable(report['manual_dir'])}",
        "",
        f"{annotations['rows']:,} annotation rows, lists read: {len(annotations['files']):,}; "
        f"media files: {report['media_files']:,}",
        "",
        format_table(("split", *(column.replace("_", " ") for column in columns)), rows),
    ]
    if annotations["odd_rows"]:
        odd = ", ".join(f"{count:,} {kind}" for kind, count in annotations["odd_rows"].items())
        lines += ["", f"Odd annotation rows: {odd}", *(f"  {line}" for line in annotations["odd_row_examples"])]
    for key, title in (
        ("ignored_lists", "Files that may be lists, but are not read as such"),
        ("ambiguous", "Clips with more than one file"),
        ("unclaimed", "Media files that no row names"),
        ("label_conflicts", "Clips in another class's folder (the row's label is used)"),
        ("unreadable", "Folders that cannot be read"),
    ):
        if report[key]["count"]:
            examples = (f"  {printable(line)}" for line in report[key]["examples"])
            lines += ["", f"{title}: {report[key]['count']:,}", *examples]
    for key, title in (("skipped", "Passed over"), ("ignored_endings", "Ignored for their endings")):
        if report[key]:
            counts = (f"{count:,} {printable(what)}" for what, count in report[key].items())
            lines += ["", f"{title}: {', '.join(counts)}"]
    if "sample_decode" in report:
        lines += ["", *_cost(report)]
    return "\n".join(lines)


def _cost(report: Mapping[str, Any]) -> list[str]:
    sample, predicted, disk = report["sample_decode"], report["predicted"], report["disk"]
    failed = ", ".join(f"{count} {reason}" for reason, count in sample["failed"].items()) or "none"
    lines = [
        f"Sample of {sample['clips']} clips decoded by {sample['workers']} workers: "
        f"{sample['clips_per_second']:.1f} clips/s; failed: {failed}",
        *(f"  {printable(line)}" for line in sample["examples"]),
    ]
    size = "?" if predicted["bytes"] is None else f"{predicted['bytes'] / 1e9:,.2f}"
    time = format_duration(predicted["hours"] * 3600)
    lines.append(f"Predicted: {size} GB in {predicted['shards']:,} shards, about {time} on this machine")
    lines.append(_verdict(sample, predicted))
    if disk["free_bytes"] is not None:
        verdict = {True: "enough", False: "NOT ENOUGH", None: "unknown whether enough"}[disk["enough"]]
        lines.append(f"Free disk at {printable(disk['path'])}: {disk['free_bytes'] / 1e9:,.1f} GB ({verdict})")
    return lines


def _verdict(sample: Mapping[str, Any], predicted: Mapping[str, Any]) -> str:
    """Returns how the build would end if all clips fail as often as the sample's."""
    rate, limit = predicted["failure_rate"], predicted["max_failure_rate"]
    if not predicted["would_stop"]:
        allowed = predicted["failures_allowed"]
        return (
            f"This build would end well: {rate:.1%} fail, and up to {allowed:,} clips may (max_failure_rate {limit:g})."
        )
    wide = min(1.0, round(rate * 1.5 + 0.005, 2))
    failed = sum(sample["failed"].values())
    return (
        f"THIS BUILD WOULD STOP: {failed} of {sample['clips']} sampled clips fail ({rate:.1%}), and max_failure_rate "
        f"is {limit:.1%}. Mend or remove the files, or pass --max_failure_rate={wide:g}."
    )
