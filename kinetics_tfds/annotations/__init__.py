"""Official annotation rows, class lists and versions."""

from kinetics_tfds.annotations.annotation_set import AnnotationSet, RowWarning, SourceFile, WarningKind
from kinetics_tfds.annotations.classes import find_class, fold_label, map_class
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.exclude import excluded_clips, excluded_videos
from kinetics_tfds.annotations.names import is_annotation_file, parse_split
from kinetics_tfds.annotations.overlap import ClipSetName, Overlap, find_overlap, parse_clip_set
from kinetics_tfds.annotations.read import files_of_version, possible_files, read_annotations
from kinetics_tfds.annotations.versions import VERSIONS, KineticsVersion, get_version

__all__ = [
    "AnnotationSet",
    "Clip",
    "ClipSetName",
    "KineticsVersion",
    "Overlap",
    "RowWarning",
    "SourceFile",
    "Split",
    "VERSIONS",
    "WarningKind",
    "excluded_clips",
    "excluded_videos",
    "files_of_version",
    "find_class",
    "find_overlap",
    "fold_label",
    "get_version",
    "is_annotation_file",
    "map_class",
    "parse_clip_set",
    "parse_split",
    "possible_files",
    "read_annotations",
]
