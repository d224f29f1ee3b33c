"""Walks a folder that is not on this machine's file systems."""

from __future__ import annotations

import posixpath

from kinetics_tfds.clips.entries import MEDIA_SUFFIXES, ListingBuilder
from kinetics_tfds.errors import ClipsError

# Ends of names that are surely files. Only other names are asked whether they are folders.
_FILE_SUFFIXES = (*MEDIA_SUFFIXES, ".csv", ".json", ".txt", ".zip", ".gz", ".tgz", ".tar", ".part", ".ytdl", ".md")


def walk(root: str) -> ListingBuilder:
    """Lists everything under a remote folder.

    fsspec is asked first: object stores answer a whole tree in pages of thousands of names. Without its driver for
    the scheme (gcsfs, s3fs, …), epath and its TensorFlow back end list folder by folder.

    Args:
        root: a URL such as `gs://bucket/kinetics` or `memory://clips`.

    Raises:
        ClipsError: the scheme is not understood here, or the folder cannot be listed.
    """
    import fsspec

    found = ListingBuilder()
    try:
        try:
            file_system, base = fsspec.core.url_to_fs(root)
        except (ImportError, ValueError):
            _walk_epath(root, found)
        else:
            _find(file_system, base, found)
    except ClipsError:
        raise
    except FileNotFoundError as error:
        raise ClipsError(f"There is no folder {root!r}.", "Check the URL and the bucket's name.") from error
    except Exception as error:  # each driver brings its own classes of errors
        raise ClipsError(
            f"The folder {root!r} cannot be listed: {type(error).__name__}: {error}",
            "Check the URL and the credentials; a scheme may need its fsspec driver (gcsfs, s3fs).",
        ) from error
    return found


def _find(file_system, base: str, found: ListingBuilder) -> None:
    base = base.rstrip("/")
    if not base or not file_system.isdir(base):
        kind = "is a file, not a folder" if base and file_system.isfile(base) else "does not exist or is empty"
        raise ClipsError(f"{file_system.unstrip_protocol(base)!r} {kind}.", "Name the folder that holds the clips.")
    refused: set[str] = set()
    for path in file_system.find(base):
        relative = path[len(base) :].lstrip("/")
        folder = posixpath.dirname(relative)
        if folder and not _wanted(folder, refused, found):
            continue
        found.add_file(relative)


def _wanted(folder: str, refused: set[str], found: ListingBuilder) -> bool:
    """Returns whether none of the folders above a file is to be skipped; each one skipped is counted once."""
    above = ""
    for part in folder.split("/"):
        above += f"{part}/"
        if above in refused:
            return False
        if not found.wants_folder(part):
            refused.add(above)
            return False
    return True


def _walk_epath(root: str, found: ListingBuilder) -> None:
    from etils import epath

    top = epath.Path(root)
    if not top.is_dir():
        raise ClipsError(f"{root!r} is not a folder.", "Name the folder that holds the clips.")
    waiting = [("", top)]
    while waiting:
        prefix, folder = waiting.pop()
        for entry in folder.iterdir():
            name = entry.name
            if not name.lower().endswith(_FILE_SUFFIXES) and entry.is_dir():
                if found.wants_folder(name):
                    waiting.append((f"{prefix}{name}/", entry))
            else:
                found.add_file(prefix + name)
