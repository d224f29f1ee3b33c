"""From what was found (annotation rows, and the files of their clips) and a config to a plan of every split."""

from __future__ import annotations

from collections.abc import Collection

from kinetics_tfds.annotations.clip import Split
from kinetics_tfds.annotations.exclude import excluded_videos
from kinetics_tfds.annotations.versions import KineticsVersion
from kinetics_tfds.clips.inputs import Inputs
from kinetics_tfds.config import KineticsConfig, check_classes
from kinetics_tfds.errors import ClipsError
from kinetics_tfds.planning.plan import Selection, Sharding, SplitPlan, plan_splits


def plan_inputs(
    inputs: Inputs,
    version: KineticsVersion,
    config: KineticsConfig,
    sharding: Sharding,
    *,
    max_examples_per_split: int | None = None,
    removed: Collection[str] = frozenset(),
) -> dict[Split, SplitPlan]:
    """Returns what a build would do with every row, by split.

    Args:
        inputs: rows and files.
        version: of Kinetics.
        config: of the build.
        sharding: what decides the number of shards.
        max_examples_per_split: None for no limit.
        removed: YouTube ids that were taken out of an earlier version of the dataset.

    Raises:
        ClipsError: there is nothing to build.
        ConfigError: the config names a class that the version does not have.
    """
    check_classes(config, version)
    plans = plan_splits(
        inputs.annotations.clips,
        inputs.matches.found,
        selection=Selection(
            config.classes,
            config.max_clips_per_class,
            max_examples_per_split,
            excluded_videos(config.exclude, inputs.annotation_files),
            removed,
        ),
        sharding=sharding,
        settings=config.decode_settings,
    )
    if not any(plan.clips for plan in plans.values()):
        raise ClipsError(
            f"None of the {len(inputs.annotations.clips):,} annotation rows has its clip in {inputs.root} "
            f"({len(inputs.listing.media):,} media files there).",
            f"`kinetics plan {version.name} --manual_dir={inputs.root}` lists what was found and how files should be "
            "named; `tfds build … --config=sample` needs no clips.",
        )
    return plans
