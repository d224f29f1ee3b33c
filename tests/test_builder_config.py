"""A wrong config is one clear error, whatever is wrong with it."""

from __future__ import annotations

import pytest

from kinetics_tfds.config import NAMED_CONFIGS, KineticsConfig
from kinetics_tfds.errors import ConfigError


@pytest.mark.parametrize(
    ("settings", "problem", "next_step"),
    [
        ({"fps": 10}, r"\{'fps': 10\} has no name", "'name': 'mine'"),
        ({"name": "a", "fsp": 10}, "Unknown config key 'fsp'", "Did you mean 'fps'"),
        ({"name": "a", "fps": "ten"}, "fps is 'ten', expected frames a second", "Set fps"),
        ({"name": "a", "classes": "archery"}, r"classes is 'archery', expected a list .*\['archery'\]", "Set classes"),
        ({"name": "a", "classes": []}, r"classes is \(\), expected a list", "Set classes"),
        ({"name": "a", "exclude": "kinetics400/validation"}, "exclude is 'kinetics400/validation'", "Set exclude"),
        ({"name": "../a"}, r"name is '\.\./a'", "Set name"),
        ({"name": "a", "quality": True}, "quality is True", "Set quality"),
    ],
)
def test_what_is_wrong_and_what_to_do(settings, problem, next_step):
    with pytest.raises(ConfigError, match=problem) as caught:
        KineticsConfig(**settings)
    assert next_step in caught.value.next_step


def test_lists_of_json_become_tuples_and_named_configs_differ():
    config = KineticsConfig(name="a", classes=["archery"], exclude=["kinetics400/validation"])  # pyright: ignore
    assert (config.classes, config.exclude) == (("archery",), ("kinetics400/validation",))
    identities = [str(config.identity()) for config in NAMED_CONFIGS]
    assert len(set(identities)) == len(identities)
