"""The versions of a dataset that lie beside each other: a builder reads the newest one, and makes the next."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.utils import file_utils

from kinetics_tfds.errors import ConfigError
from kinetics_tfds.prepared import versions

if TYPE_CHECKING:
    from kinetics_tfds.prepared.earlier import Predecessor


class VersionedBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder whose dataset is extended by new versions.

    Attributes:
        predecessor: the version that this one takes records from; None where it is built from nothing.
    """

    predecessor: Predecessor | None = None
    _updated: VersionedBuilder | None = None

    def __init__(self, *, version: Any = None, config: Any = None, data_dir: Any = None, **kwargs: Any) -> None:
        """As TFDS's; without a version, the newest one that is finished, or the code's where there is none."""
        if version is None:
            chosen = self.BUILDER_CONFIGS[0] if config is None else config
            _, folder = file_utils.get_data_dir_and_dataset_dir(
                given_data_dir=data_dir,
                builder_name=self.name,
                config_name=getattr(chosen, "name", chosen),
                version=str(self.VERSION),
            )
            version = versions.newest_version(epath.Path(folder).parent, str(self.VERSION))
        super().__init__(version=version, config=config, data_dir=data_dir, **kwargs)

    @property
    def info(self) -> tfds.core.DatasetInfo:
        """The description of the version that this builder stands for."""
        return super().info if self._updated is None else self._updated.info

    def _pick_version(self, requested_version: Any) -> tfds.core.Version:
        """Also allows versions that updates have made, or will make, of the code's own."""
        numbers = versions.parse_version(str(requested_version))
        if numbers is not None and numbers[0] == self.canonical_version.major:
            return tfds.core.Version(str(requested_version))
        return super()._pick_version(requested_version)

    def at_version(self, version: str) -> VersionedBuilder:
        """Returns a builder of another version of the same dataset."""
        return type(self)(
            data_dir=self._data_dir_root,
            config=self.builder_config,
            version=version,
            file_format=self.info.file_format,
        )

    def update(self, download_config: Any, **kwargs: Any) -> None:
        """Makes the next version, with the records of the newest one as far as they are still right.

        Afterwards this builder stands for that version. Where nothing has changed, none is made.

        Args:
            download_config: TFDS's; its Beam options may hold `replace` and `retry_failed`.
            **kwargs: of `download_and_prepare`.

        Raises:
            ConfigError: a version is to be built anew and updated at once.
            KineticsError: what a build may raise.
        """
        from kinetics_tfds.prepared.dataset import open_prepared
        from kinetics_tfds.prepared.earlier import Predecessor
        from kinetics_tfds.shards.commit import is_committed, remove_staging
        from kinetics_tfds.shards.transform import BuildOptions

        if download_config.download_mode.overwrite_dataset:
            raise ConfigError(
                "A dataset cannot be built anew and updated at once.", "Leave out --overwrite, or the update."
            )
        folder = self.data_path.parent
        newest = versions.newest_version(folder, str(self.version))
        assert newest is not None
        remove_staging(folder / newest)  # what a stop right after the last write has left
        options = download_config.beam_options.view_as(BuildOptions)
        following = self.at_version(versions.next_version(newest))
        following.predecessor = Predecessor(open_prepared(folder / newest), retry_failed=options.retry_failed)
        following.download_and_prepare(download_config=download_config, **kwargs)
        if is_committed(following.data_path):
            self._version, self._data_dir, self._updated = following._version, following._data_dir, following
        if options.replace:
            remove_predecessor(folder, str(self.version))


def remove_predecessor(folder: epath.Path, version: str) -> None:
    """Removes the version right before another one, if it has one."""
    before = versions.version_before(folder, version)
    if before is not None:
        print(f"kinetics: {os.fspath(folder / before)} is replaced by {version}.", file=sys.stderr)
        versions.remove_version(folder / before)
