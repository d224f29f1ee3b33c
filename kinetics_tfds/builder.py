"""KineticsBuilder: all that the four datasets share.

TFDS finds, configures and reads the datasets as it does any other; only the writing is ours (see shards/).
"""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow_datasets as tfds
from etils import epath

from kinetics_tfds.annotations.versions import KineticsVersion, get_version
from kinetics_tfds.config import DEFAULT_CONFIG, NAMED_CONFIGS, VERSION, KineticsConfig
from kinetics_tfds.errors import ConfigError, show_errors_plainly
from kinetics_tfds.features import make_features, to_example
from kinetics_tfds.file_systems import absolute, check_data_dir
from kinetics_tfds.printable import printable
from kinetics_tfds.versioned_builder import VersionedBuilder

if TYPE_CHECKING:
    from kinetics_tfds.annotations.clip import Split
    from kinetics_tfds.clips.inputs import Inputs
    from kinetics_tfds.planning.fingerprint import BuildIdentity
    from kinetics_tfds.planning.plan import PlannedClip, SplitPlan
    from kinetics_tfds.shards.run import BuildResult
    from kinetics_tfds.shards.staging import Staging

if pathlib.Path(sys.argv[0]).stem == "tfds":
    show_errors_plainly()  # that program is TFDS's, and would show a traceback first

HOMEPAGE = "https://github.com/google-deepmind/kinetics-i3d"


class KineticsBuilder(VersionedBuilder, skip_registration=True):
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
        check_data_dir(kwargs.get("data_dir") or "")
        super().__init__(**kwargs)
        from kinetics_tfds.shards import commit

        config = self.kinetics_config
        if self.info.initialized:  # otherwise, what lies there is no dataset yet
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

        self._checksums = WriteChecksums()
        self._checksums.info = self.dataset_info_from_configs(
            features=make_features(self.kinetics_version.class_names, self.kinetics_config.audio_rate),
            supervised_keys=("video", "label"),
            homepage=HOMEPAGE,
            metadata=self._checksums,
        )
        return self._checksums.info

    def download_and_prepare(
        self,
        *,
        download_dir: epath.PathLike | None = None,
        download_config: Any = None,
        file_format: Any = None,
        **kwargs: Any,
    ) -> None:
        """Builds the dataset, or updates it where the Beam options say so. Two builds of one do not run at once.

        TFDS would fill a folder of another name, remove it when anything fails, and rename it at the end, which copies
        every object of a bucket. Here shards are written to their place once: see `shards.commit`.

        Raises:
            KineticsError: something that the user can put right.
        """
        from kinetics_tfds.shards import commit, lock
        from kinetics_tfds.shards.transform import take_update_option

        download_config = download_config or tfds.download.DownloadConfig()
        mode = download_config.download_mode
        is_committed = commit.is_committed(self.data_path)
        if take_update_option(download_config.beam_options) and is_committed:
            self.update(download_config, download_dir=download_dir, file_format=file_format, **kwargs)
        elif mode == tfds.GenerateMode.UPDATE_DATASET_INFO or (is_committed and not mode.overwrite_dataset):
            super().download_and_prepare(
                download_dir=download_dir, download_config=download_config, file_format=file_format, **kwargs
            )
            commit.remove_staging(self.data_path)
        else:
            if file_format:
                self.info.set_file_format(file_format, override=True)
            with lock.build_run(self.data_path) as run:
                self._log_download_bytes()
                self._build(self._make_download_manager(download_dir, download_config), download_config, run.id)
                self._log_download_done()

    def _build(self, dl_manager: Any, download_config: Any, run_id: str) -> None:
        from kinetics_tfds.shards import commit, run, write
        from kinetics_tfds.shards.resume import open_staging
        from kinetics_tfds.shards.summary import format_table

        assert self.info.file_format is not None
        write.check_file_format(self.info.file_format.value, self.data_path)
        plans, media_root = self._plan_build(dl_manager, download_config)
        identity = self._identity(plans, self.info.file_format.value)
        earlier = self.predecessor
        if earlier is not None and earlier.is_up_to_date(plans, identity, media_root):
            print(f"{earlier.prepared.folder} holds all of this already: no new version is made.")
            return
        if commit.is_committed(self.data_path):
            commit.discard(self.data_path)
        # What an update staged for clips that have changed since is not worth an error.
        overwrite = download_config.download_mode.overwrite_dataset or earlier is not None
        staging = open_staging(self.data_path, identity, plans, run=run_id, overwrite=overwrite)
        if earlier is not None:
            earlier.keep_records(staging, plans, identity)
        result = run.run_build(
            staging,
            write.BuildJob(absolute(self.data_path), identity.fingerprint, run_id, self.KINETICS, media_root),
            plans,
            max_failure_rate=self.kinetics_config.max_failure_rate,
            options=download_config.beam_options,
            runner=download_config.beam_runner,
        )
        print(format_table(result.summary))
        self._set_splits(result)
        self.info.download_size = dl_manager.downloaded_size
        self._commit(staging, plans, identity, result)

    def _plan_build(self, dl_manager: Any, download_config: Any) -> tuple[dict[Split, SplitPlan], str]:
        """Returns the plan of each split, and the folder that the clips' paths are relative to."""
        if self.predecessor is not None and self.predecessor.plans is not None:
            return dict(self.predecessor.plans), ""
        inputs = self.find_inputs(dl_manager)
        print(inputs.describe())
        return self.plan(inputs, download_config), absolute(inputs.root)

    def _commit(
        self, staging: Staging, plans: dict[Split, SplitPlan], identity: BuildIdentity, result: BuildResult
    ) -> None:
        from kinetics_tfds.prepared.describe import write_descriptions
        from kinetics_tfds.shards import commit, manifest

        with tempfile.TemporaryDirectory(prefix="kinetics-commit-") as scratch:
            small_files = epath.Path(scratch)
            commit.write_config(small_files, identity)
            manifest.write_manifest(small_files, plans, result.reports)
            if self.predecessor is not None:
                self.predecessor.write_removals(small_files)
            write_descriptions(small_files, identity, self.data_path, HOMEPAGE)
            self.info.write_to_directory(small_files)
            commit.write_default_config(self.data_path, DEFAULT_CONFIG.name)
            staging.remove_strays({name for split in self.info.splits.values() for name in split.filenames})
            commit.commit(staging, small_files)
        staging.remove()

    def _set_splits(self, result: BuildResult) -> None:
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
        self.info.set_splits(tfds.core.SplitDict(infos))
        shards = {name for info in infos for name in info.filenames}
        self._checksums.add_frame_tables(report for report in result.reports.values() if report.file_name in shards)

    def _identity(self, plans: dict[Split, SplitPlan], file_format: str) -> BuildIdentity:
        from kinetics_tfds.decode.revision import versions
        from kinetics_tfds.features import RECORD_REVISION
        from kinetics_tfds.planning.fingerprint import BuildIdentity, describe_splits

        copies = self.predecessor is not None and self.predecessor.plans is not None  # nothing is decoded
        return BuildIdentity(
            dataset=self.name,
            version=str(self.version),
            settings=self.kinetics_config.identity(),
            file_format=file_format,
            record_revision=RECORD_REVISION,
            versions=self.predecessor.prepared.identity.versions if self.predecessor and copies else versions(),
            splits=describe_splits(plans),
        )

    def find_inputs(self, dl_manager: Any) -> Inputs:
        """Returns the rows and the files of their clips; makes the sample's first where the config asks for it."""
        from kinetics_tfds.clips.inputs import find_manual_dir, read_inputs

        if self.kinetics_config.sample:
            from kinetics_tfds.sample import make_sample

            root = epath.Path(dl_manager.download_dir) / "kinetics_sample" / self.KINETICS
            make_sample(root, self.KINETICS)
        else:
            root = find_manual_dir(dl_manager)
        return read_inputs(os.fspath(root), self.kinetics_version, dl_manager.download)

    def plan(self, inputs: Inputs, download_config: Any) -> dict[Split, SplitPlan]:
        """Returns what a build would do with every row, by split.

        Raises:
            ClipsError: there is nothing to build.
            ConfigError: the config names a class that the version does not have.
        """
        from kinetics_tfds.planning.plan import Sharding
        from kinetics_tfds.shards.plan_inputs import plan_inputs

        limits = {"num_shards": download_config.num_shards, "max_shard_bytes": download_config.max_shard_size}
        if limits["max_shard_bytes"] == tfds.download.DownloadConfig().max_shard_size:
            limits["max_shard_bytes"] = None
        return plan_inputs(
            inputs,
            self.kinetics_version,
            self.kinetics_config,
            Sharding(**limits),
            max_examples_per_split=download_config.max_examples_per_split,
            removed=self.predecessor.removed_videos() if self.predecessor is not None else frozenset(),
        )

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
