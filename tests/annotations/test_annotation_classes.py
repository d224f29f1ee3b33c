"""Class lists and the mapping between them."""

from __future__ import annotations

import pickle

import pytest

from kinetics_tfds.annotations.classes import fold_label, map_class
from kinetics_tfds.annotations.versions import VERSIONS, get_version
from kinetics_tfds.errors import AnnotationError


@pytest.mark.parametrize("name", VERSIONS)
def test_class_lists_are_frozen_sorted_and_free_of_collisions(name):
    version = get_version(name)
    count = int(name.removeprefix("kinetics").partition("_")[0])
    assert len(version.class_names) == count
    assert list(version.class_names) == sorted(set(version.class_names))
    assert all(label.isascii() and label == label.strip() and label for label in version.class_names)
    assert len({fold_label(label) for label in version.class_names}) == count
    assert [version.class_index[label] for label in version.class_names] == list(range(count))


@pytest.mark.parametrize(
    ("name", "label", "index"),
    [
        ("kinetics400", "abseiling", 0),
        ("kinetics400", "passing American football (in game)", 208),
        ("kinetics400", "zumba", 399),
        ("kinetics600", "passing american football (not in game)", 309),
        ("kinetics700", "zumba", 699),
    ],
)
def test_well_known_indices(name, label, index):
    assert get_version(name).class_index[label] == index


def test_the_class_lists_are_those_of_the_shared_maps(shared_dir):
    for name, suffix in (
        ("kinetics400", "k400"),
        ("kinetics600", "k600"),
        ("kinetics700", "k700"),
        ("kinetics700_2020", "k700"),
    ):
        expected = (shared_dir / "annotations" / f"label_map_{suffix}.txt").read_text().splitlines()
        assert list(get_version(name).class_names) == expected


@pytest.mark.parametrize("source", VERSIONS)
@pytest.mark.parametrize("target", VERSIONS)
def test_mapping_there_and_back_is_the_same_class(source, target):
    mapped = {label: map_class(label, source, target) for label in get_version(source).class_names}
    for label, other in mapped.items():
        if other is not None:
            assert map_class(other, target, source) == label
    kept = sum(other is not None for other in mapped.values())
    shared = {
        ("kinetics400", "kinetics600"): 369,
        ("kinetics400", "kinetics700"): 378,
        ("kinetics600", "kinetics700"): 597,
    }
    if (source, target) in shared:
        assert kept == shared[source, target]


def test_a_spelling_of_the_source_will_do_and_a_typo_names_the_nearest():
    assert map_class("Passing_American_Football_(not_in_game)", "kinetics400", "kinetics600") == (
        "passing american football (not in game)"
    )
    with pytest.raises(AnnotationError, match="Did you mean 'abseiling'"):
        map_class("absailing", "kinetics400", "kinetics600")


def test_versions_travel_between_processes():
    version = get_version("kinetics600")
    assert pickle.loads(pickle.dumps(version)) == version
