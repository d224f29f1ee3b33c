"""Official annotation rows, class lists and versions."""

from kinetics_tfds.annotations.annotation_set import AnnotationSet, RowWarning, SourceFile, WarningKind
from kinetics_tfds.annotations.classes import find_class, fold_label, map_class
from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.names import is_annotation_file, parse_split
from kinetics_tfds.annotations.read import read_annotations
from kinetics_tfds.annotations.versions import VERSIONS, KineticsVersion, get_version

__all__ = [
    "AnnotationSet",
    "Clip",
    "KineticsVersion",
    "RowWarning",
    "SourceFile",
    "Split",
    "VERSIONS",
    "WarningKind",
    "find_class",
    "fold_label",
    "get_version",
    "is_annotation_file",
    "map_class",
    "parse_split",
    "read_annotations",
]
