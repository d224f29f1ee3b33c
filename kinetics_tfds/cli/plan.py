"""Shows what a build would do, before it runs: clips found and missing, size, hours, shards, disk.

A few dozen clips are decoded to measure this machine; nothing is written but downloaded annotation files.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

from kinetics_tfds.cli.arguments import add_build_inputs, add_json
from kinetics_tfds.cli.builders import make_builder, make_download_config
from kinetics_tfds.durations import format_duration
from kinetics_tfds.errors import ClipsError
from kinetics_tfds.file_systems import is_local
from kinetics_tfds.printable import printable

SUMMARY = "what a build would do: clips found and missing, GB, hours, shards, disk"

_EXAMPLES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds this command's arguments."""
    add_build_inputs(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the plan; returns 0 unless there is nothing to build."""
    import tensorflow_datasets as tfds

    from kinetics_tfds.shards.sample_decode import decode_sample

    builder = make_builder(args)
    config = make_download_config(args)
    data_dir = os.fspath(builder.data_dir_root)
    manager = tfds.download.DownloadManager(
        download_dir=args.download_dir or os.path.join(data_dir, "downloads"),
        manual_dir=config.manual_dir,
        manual_dir_instructions=builder.MANUAL_DOWNLOAD_INSTRUCTIONS,
        url_infos=builder.url_infos,
        dataset_name=builder.name,
    )
    inputs = builder.find_inputs(manager)
    plans, nothing = {}, None
    try:
        plans = builder.plan(inputs, config)
    except ClipsError as error:
        nothing = error  # what was found instead is shown first
    report = describe_inputs(inputs, plans)
    sample = decode_sample(plans, inputs.root, builder.kinetics_config.decode_settings)
    if sample is not None:
        report |= describe_cost(sample, plans, data_dir)
    report = {"dataset": f"{builder.name}/{builder.kinetics_config.name}", **report}
    print(json.dumps(report, indent=2) if args.json else format_report(report))
    if nothing is not None:
        raise nothing
    return 0


def describe_inputs(inputs: Any, plans: Mapping[Any, Any]) -> dict[str, Any]:
    """Returns what was found, as plain JSON values.

    Args:
        inputs: `shards.inputs.Inputs`.
        plans: `shards.plan.SplitPlan` by split; empty where there is nothing to build.
    """
    from kinetics_tfds.annotations.clip import Split

    matches, listing, annotations = inputs.matches, inputs.listing, inputs.annotations
    rows = collections.Counter(clip.split for clip in annotations.clips)
    found = collections.Counter(clip.split for clip in matches.found)
    ambiguous = collections.Counter(each.clip.split for each in matches.ambiguous)
    return {
        "manual_dir": os.fspath(inputs.root),
        "annotations": {
            "files": [source.path for source in annotations.sources],
            "rows": len(annotations.clips),
            "odd_rows": {str(kind): count for kind, count in annotations.warning_counts().items()},
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
        "unclaimed": _some(matches.unclaimed),
        "label_conflicts": _some(
            f"{each.path}: its folder says {each.folder_label!r}, its row {each.clip.label!r}"
            for each in matches.label_conflicts
        ),
        "skipped": dict(listing.skipped),
        "unreadable": _some(listing.unreadable),
    }


def _some(lines: Iterable[str]) -> dict[str, Any]:
    every = list(lines)
    return {"count": len(every), "examples": every[:_EXAMPLES]}


def describe_cost(sample: Any, plans: Mapping[Any, Any], data_dir: str) -> dict[str, Any]:
    """Returns what the build would take, as plain JSON values.

    Args:
        sample: `SampleDecode`.
        plans: by split.
        data_dir: where the dataset would be written.
    """
    clips = sum(len(plan.clips) for plan in plans.values())
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
    lines = [
        f"{report['dataset']} from {printable(report['manual_dir'])}",
        "",
        f"{annotations['rows']:,} annotation rows from {len(annotations['files']):,} lists, "
        f"{report['media_files']:,} media files",
        "",
        *_table(report["splits"]),
    ]
    if annotations["odd_rows"]:
        odd = ", ".join(f"{count:,} {kind}" for kind, count in annotations["odd_rows"].items())
        lines += ["", f"Odd annotation rows: {odd}"]
    for key, title in (
        ("ambiguous", "Clips with more than one file"),
        ("unclaimed", "Media files that no row names"),
        ("label_conflicts", "Clips in another class's folder (the row's label is used)"),
        ("unreadable", "Folders that cannot be read"),
    ):
        if report[key]["count"]:
            lines += ["", f"{title}: {report[key]['count']:,}", *_indented(report[key]["examples"])]
    if report["skipped"]:
        lines += ["", "Passed over: " + ", ".join(f"{count:,} {why}" for why, count in report["skipped"].items())]
    if "sample_decode" in report:
        lines += ["", *_cost(report)]
    return "\n".join(lines)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {printable(line)}" for line in lines]


def _table(splits: Mapping[str, Mapping[str, int]]) -> list[str]:
    columns = ("rows", "found", "missing", "ambiguous", "excluded", "to_decode", "shards")
    rows = [("split", *columns)]
    rows += [(split, *(f"{counts[column]:,}" for column in columns)) for split, counts in splits.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in rows)
    ]


def _cost(report: Mapping[str, Any]) -> list[str]:
    sample, predicted, disk = report["sample_decode"], report["predicted"], report["disk"]
    failed = ", ".join(f"{count} {reason}" for reason, count in sample["failed"].items()) or "none"
    lines = [
        f"Sample of {sample['clips']} clips decoded by {sample['workers']} workers: "
        f"{sample['clips_per_second']:.1f} clips/s; failed: {failed}",
        *_indented(sample["examples"]),
    ]
    size = "?" if predicted["bytes"] is None else f"{predicted['bytes'] / 1e9:,.2f}"
    time = format_duration(predicted["hours"] * 3600)
    lines.append(f"Predicted: {size} GB in {predicted['shards']:,} shards, about {time} on this machine")
    if disk["free_bytes"] is not None:
        verdict = {True: "enough", False: "NOT ENOUGH", None: "unknown whether enough"}[disk["enough"]]
        lines.append(f"Free disk at {disk['path']}: {disk['free_bytes'] / 1e9:,.1f} GB ({verdict})")
    return lines
