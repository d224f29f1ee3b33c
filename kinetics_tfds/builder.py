"""KineticsBuilder: all that the four datasets share.

TFDS finds, configures and reads the datasets as it does any other; only the writing is ours (see shards/), for which
the private hook `_generate_splits` is overridden.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow_datasets as tfds
from etils import epath

from kinetics_tfds import frame_table
from kinetics_tfds.annotations.exclude import excluded_videos
from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.config import DEFAULT_CONFIG, NAMED_CONFIGS, VERSION, KineticsConfig
from kinetics_tfds.errors import ClipsError, ConfigError, show_errors_plainly
from kinetics_tfds.features import make_features, to_example
from kinetics_tfds.printable import printable

if TYPE_CHECKING:
    from kinetics_tfds.annotations.clip import Split
    from kinetics_tfds.clips.inputs import Inputs
    from kinetics_tfds.planning.fingerprint import BuildIdentity
    from kinetics_tfds.planning.plan import PlannedClip, SplitPlan

if pathlib.Path(sys.argv[0]).stem == "tfds":
    show_errors_plainly()  # that program is TFDS's, and would show a traceback first

HOMEPAGE = "https://github.com/google-deepmind/kinetics-i3d"


class KineticsBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builds one version of Kinetics from annotation rows and a folder of clips.

    Attributes:
        KINETICS: the Kinetics version's name; each dataset sets its own.
    """

    KINETICS: ClassVar[str]

    VERSION = tfds.core.Version(VERSION)
    # `tfds build kinetics600` builds every config listed here when none is named; the others are in `builder_configs`.
    BUILDER_CONFIGS: ClassVar[list[KineticsConfig]] = [DEFAULT_CONFIG]  # pyright: ignore[reportIncompatibleVariableOverride]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
Pass --manual_dir=FOLDER with your clips, in any layout at any depth; annotation files may lie anywhere beneath it, and
the official ones are downloaded where there are none. Without clips: --config=sample builds from made-up ones, and
`python -m beam_pipelines.acquire` gets those that are still on YouTube.
"""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        from kinetics_tfds.shards import commit

        config = self.kinetics_config
        commit.check_same_settings(
            self.data_path, config.name, config.identity(), KineticsConfig(name=config.name).identity()
        )

    @tfds.core.utils.classproperty
    @classmethod
    def builder_configs(cls) -> dict[str, KineticsConfig]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Every named config; TFDS looks names up here."""
        return {config.name: config for config in NAMED_CONFIGS}

    @property
    def kinetics_config(self) -> KineticsConfig:
        """The config, as the type it is."""
        assert isinstance(self.builder_config, KineticsConfig)
        return self.builder_config

    @property
    def kinetics_version(self) -> KineticsVersion:
        """The version of Kinetics, with its class names and splits."""
        return get_version(self.KINETICS)

    def _create_builder_config(self, builder_config: Any, version: Any) -> Any:
        named = self.builder_configs.get(getattr(builder_config, "name", ""))
        if named is None or builder_config is named or not isinstance(builder_config, KineticsConfig):
            return super()._create_builder_config(builder_config, version)
        from kinetics_tfds.planning.fingerprint import compare_mappings

        differences = compare_mappings(named.identity(), builder_config.identity())
        if differences:
            raise ConfigError(
                f"The config name {named.name!r} is taken, by other settings: {'; '.join(differences)}.",
                "Give your config a name of its own.",
            )
        return builder_config  # the same dataset, built with another max_failure_rate

    def _info(self) -> tfds.core.DatasetInfo:
        from kinetics_tfds.shards.checksums import WriteChecksums

        checksums = WriteChecksums()
        checksums.info = self.dataset_info_from_configs(
            features=make_features(self.kinetics_version.class_names, self.kinetics_config.audio_rate),
            supervised_keys=("video", "label"),
            homepage=HOMEPAGE,
            metadata=checksums,
        )
        return checksums.info

    def download_and_prepare(self, *, download_config: Any = None, **kwargs: Any) -> None:
        """Builds the dataset; see TFDS. Two builds of one dataset do not run at once.

        Raises:
            KineticsError: something that the user can put right.
        """
        from kinetics_tfds.shards import commit, lock

        download_config = download_config or tfds.download.DownloadConfig()
        mode = download_config.download_mode
        is_prepared = self.data_path.exists() and not mode.overwrite_dataset
        writes = mode != tfds.GenerateMode.UPDATE_DATASET_INFO and not is_prepared
        with lock.build_lock(lock.lock_path(self.data_path)) if writes else contextlib.nullcontext():
            super().download_and_prepare(download_config=download_config, **kwargs)
        commit.complete(self.data_path, _file_names(self.info.splits.values()))

    def _generate_splits(self, dl_manager: Any, download_config: Any) -> Sequence[tfds.core.SplitInfo]:
        from kinetics_tfds.shards import commit, manifest, run, write
        from kinetics_tfds.shards.resume import open_staging
        from kinetics_tfds.shards.summary import format_table

        assert self.info.file_format is not None
        file_format = self.info.file_format.value
        write.check_file_format(file_format)
        inputs = self.find_inputs(dl_manager)
        print(inputs.describe())
        plans = self.plan(inputs, download_config)
        media_root = _absolute(inputs.root)
        del inputs  # half a million matches need not weigh on the build
        identity = self._identity(plans, file_format)
        commit.remove_unfinished(self.data_path, str(self.version))
        staging = open_staging(
            self.data_path.parent / str(self.version),  # `data_path` is TFDS's unfinished folder here
            identity,
            plans,
            overwrite=download_config.download_mode.overwrite_dataset,
        )
        result = run.run_build(
            staging,
            write.BuildJob(_absolute(staging.path), identity.fingerprint, self.KINETICS, media_root),
            plans,
            max_failure_rate=self.kinetics_config.max_failure_rate,
            options=download_config.beam_options,
            runner=download_config.beam_runner,
        )
        print(format_table(result.summary))
        commit.write_config(self.data_path, identity)
        manifest.write_manifest(self.data_path, plans, result.reports)
        infos = [
            tfds.core.SplitInfo(
                name=str(split),
                shard_lengths=counts.shard_lengths,
                num_bytes=counts.file_bytes,
                filename_template=self._get_filename_template(split_name=str(split)),
            )
            for split, counts in result.summary.splits.items()
            if counts.written  # TFDS cannot read a split without a record
        ]
        commit.link_shards(staging, self.data_path, _file_names(infos))
        return infos

    def _identity(self, plans: dict[Split, SplitPlan], file_format: str) -> BuildIdentity:
        from kinetics_tfds.decode.revision import versions
        from kinetics_tfds.features import RECORD_REVISION
        from kinetics_tfds.planning.fingerprint import BuildIdentity, describe_splits

        return BuildIdentity(
            dataset=self.name,
            version=str(self.version),
            settings=self.kinetics_config.identity(),
            file_format=file_format,
            record_revision=RECORD_REVISION,
            versions=versions(),
            splits=describe_splits(plans),
        )

    def find_inputs(self, dl_manager: Any) -> Inputs:
        """Returns the rows and the files of their clips; makes the sample's first where the config asks for it."""
        from kinetics_tfds.clips.inputs import read_inputs
        from kinetics_tfds.file_systems import is_local

        if self.kinetics_config.sample:
            from kinetics_tfds.sample import make_sample

            root = epath.Path(dl_manager.download_dir) / "kinetics_sample" / self.KINETICS
            if not is_local(root):
                raise ConfigError(
                    f"The sample's clips are made on a local disk, and {root} is not one.",
                    "Add --download_dir=FOLDER with a local folder.",
                )
            make_sample(root, self.KINETICS)
        else:
            root = _manual_dir(dl_manager)
        return read_inputs(os.fspath(root), self.kinetics_version, dl_manager.download)

    def plan(self, inputs: Inputs, download_config: Any) -> dict[Split, SplitPlan]:
        """Returns what a build would do with every row, by split.

        Raises:
            ClipsError: there is nothing to build.
            ConfigError: the config names a class that the version does not have.
        """
        from kinetics_tfds.planning.plan import Selection, Sharding, plan_splits

        config = self.kinetics_config
        _check_classes(config, self.kinetics_version)
        default_limit = tfds.download.DownloadConfig().max_shard_size
        limit = download_config.max_shard_size
        plans = plan_splits(
            inputs.annotations.clips,
            inputs.matches.found,
            selection=Selection(
                config.classes,
                config.max_clips_per_class,
                download_config.max_examples_per_split,
                excluded_videos(config.exclude, inputs.annotation_files),
            ),
            sharding=Sharding(download_config.num_shards, None if limit == default_limit else limit),
            settings=config.decode_settings,
        )
        if not any(plan.clips for plan in plans.values()):
            raise ClipsError(
                f"None of the {len(inputs.annotations.clips):,} annotation rows has its clip in {inputs.root} "
                f"({len(inputs.listing.media):,} media files there).",
                f"`kinetics plan {self.name} --manual_dir={inputs.root}` lists what was found and how files should be "
                "named; `tfds build … --config=sample` needs no clips.",
            )
        return plans

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        """Returns plain generators of the same examples, for tools that read a builder without writing a dataset."""
        inputs = self.find_inputs(dl_manager)
        plans = self.plan(inputs, tfds.download.DownloadConfig())
        return {
            str(split): self._generate_examples(inputs.root, plan.clips) for split, plan in plans.items() if plan.clips
        }

    def _generate_examples(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, root: str, clips: Sequence[PlannedClip]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields key and example of each clip that decodes, and says which others do not."""
        from kinetics_tfds.decode import DecodedClip, DecodePool
        from kinetics_tfds.shards.decoding import decode_clips

        with DecodePool(self.kinetics_config.decode_settings) as pool:
            for planned, outcome in zip(clips, decode_clips(root, clips, pool), strict=True):
                if isinstance(outcome, DecodedClip):
                    yield planned.clip.id, to_example(planned.clip, outcome)
                else:
                    left_out = printable(f"{planned.media.path}: {outcome.reason}: {outcome.detail}")
                    print(f"kinetics: left out {left_out}", file=sys.stderr)


def _file_names(splits: Iterable[tfds.core.SplitInfo]) -> list[str]:
    """Returns the names of the splits' shards and of their tables of frames."""
    return [name for split in splits for shard in split.filenames for name in (shard, frame_table.file_name(shard))]


def _absolute(path: epath.PathLike) -> str:
    """Workers may have another working folder."""
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(text)


def _manual_dir(dl_manager: Any) -> epath.Path:
    try:
        return dl_manager.manual_dir
    except AssertionError as error:
        raise ClipsError(
            f"There is no folder of clips: {str(error).split('. Create it')[0]}.",
            "Pass --manual_dir=FOLDER with your clips, in any layout; or try --config=sample, which needs none; or get "
            "clips from YouTube with `python -m beam_pipelines.acquire`.",
        ) from None


def _check_classes(config: KineticsConfig, version: KineticsVersion) -> None:
    known = set(version.class_names)
    unknown = [name for name in config.classes or () if name not in known]
    if unknown:
        import difflib

        nearest = difflib.get_close_matches(unknown[0], version.class_names, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(map(repr, nearest))}? " if nearest else ""
        raise ConfigError(
            f"Config {config.name!r}: {version.title} has no class {', '.join(map(repr, unknown))}.",
            f"{hint}Class names are those of kinetics_tfds/{version.name}/labels.txt.",
        )
