from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
from tensorflow_datasets.core.utils import py_utils

from kinetics_tfds import errors
from kinetics_tfds.errors import ConfigError, KineticsError


def test_the_message_says_what_and_what_next():
    error = ConfigError("fps is 0.", "Set fps to a value in range.")
    assert str(error) == "fps is 0.\n  Next: Set fps to a value in range."
    assert isinstance(error, KineticsError)


def test_every_error_travels_between_processes():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, KineticsError)]
    assert len(kinds) > 5
    for kind in kinds:
        error = pickle.loads(pickle.dumps(kind("this", "that")))
        assert type(error) is kind
        assert (error.problem, error.next_step, str(error)) == ("this", "that", "this\n  Next: that")


def test_tfds_adds_words_and_keeps_the_class():
    with (
        pytest.raises(ConfigError, match=r"Failed to construct: this\n  Next: that"),
        py_utils.try_reraise("Failed to construct: "),
    ):
        raise ConfigError("this", "that")


def test_a_program_ends_with_the_message_alone():
    program = (
        "import sys\nfrom kinetics_tfds.errors import *\nfrom kinetics_tfds.errors import show_errors_plainly\n"
        "show_errors_plainly()\nraise {}"
    )
    ran = [
        subprocess.run([sys.executable, "-c", program.format(what)], capture_output=True, text=True)
        for what in ("ConfigError('this', 'that')", "ValueError('other')")
    ]
    assert [each.returncode for each in ran] == [1, 1]
    assert ran[0].stderr == "ConfigError: this\n  Next: that\n"
    assert ran[1].stderr.startswith("Traceback")


def test_no_message_carries_control_codes_to_the_terminal():
    error = ConfigError("no class 'a\x1b[2J\r\u202eb'\nand more", "Mend it.")
    assert str(error) == "no class 'a\\x1b[2J\\r\\u202eb'\nand more\n  Next: Mend it."
    assert error.problem == "no class 'a\x1b[2J\r\u202eb'\nand more"
