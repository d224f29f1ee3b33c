"""Half a million rows: time and memory, in a process of their own."""

from __future__ import annotations

import random
import string
import subprocess
import sys

import annotation_forms as forms
import pytest

from kinetics_tfds.annotations.clip import Clip, Split
from kinetics_tfds.annotations.versions import get_version

ROWS = 500_000

READ = """
import sys, time
from kinetics_tfds.annotations.read import read_annotations

def peak():  # getrusage would tell the parent's peak, if that was higher
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

base = peak()
start = time.perf_counter()
found = read_annotations("kinetics600", sys.argv[1:])
seconds = time.perf_counter() - start
print(len(found.clips), seconds, (peak() - base) / 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("forms_used", [["official"], ["spaces"], ["json_by_id"], ["official", "json_by_id"]])
def test_half_a_million_rows_take_seconds_and_a_few_hundred_megabytes(tmp_path, forms_used):
    rng = random.Random(0)
    names = get_version("kinetics600").class_names
    letters = string.ascii_letters + string.digits + "-_"
    clips = []
    for _ in range(ROWS):
        start = float(rng.randrange(600))
        clips.append(Clip(Split.TRAIN, "".join(rng.choices(letters, k=11)), start, start + 10, rng.choice(names)))
    files = []
    for form in forms_used:
        write, suffix = forms.FORMS[form]
        files += forms.pack_plain(tmp_path, {f"train{suffix}": write(clips)})
    done = subprocess.run([sys.executable, "-c", READ, *map(str, files)], capture_output=True, text=True, check=True)
    count, seconds, megabytes = map(float, done.stdout.split())
    print(f"{forms_used}: {seconds:.1f} s, {megabytes:.0f} MB")
    assert count == ROWS
    assert seconds < 20 * len(forms_used)
    assert megabytes < 300
