"""kinetics bench on a small dataset: the table, the JSON, and the errors."""

import json
import sys
from pathlib import Path

import pytest

from kinetics_tfds.cli.main import main

sys.path.insert(0, str(Path(__file__).parents[1] / "loader"))
from records import make_example, write_dataset

PRESET = """
base: slowfast_8x8
name: tiny
train:
  sampling: {num_frames: 4, clips: 2}
  spatial: {size: 16, short_side: [16, 20]}
  augment: [{kind: ColourJitter}]
evaluate: {sampling: {num_frames: 4, clips: 2}, spatial: {size: 16, short_side: 20}}
"""


@pytest.fixture
def words(tmp_path):
    folder = tmp_path / "DATA" / "kinetics600" / "jpeg256" / "1.0.0"
    write_dataset(folder, {"train": [make_example(i) for i in range(10)], "validation": [make_example(10)]})
    (folder / "config.json").write_text("{}")
    preset = tmp_path / "tiny.yaml"
    preset.write_text(PRESET)
    return [f"--data_dir={tmp_path / 'DATA'}", f"--preset={preset}", "--batch_size=4", "--seconds=0.2"]


def test_stages_and_what_bounds_them(words, capsys):
    assert main(["bench", "kinetics600/jpeg256", "--split=train[:80%]", "--json", *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["stages"]) == ["read", "parse", "decode", "augment", "batch"]
    assert told["bound"] == min(told["stages"], key=told["stages"].get)
    assert told["clips"] == pytest.approx(2 * told["videos"])
    assert told["bytes_per_pixel"] > 0
    assert told["knob"]


def test_the_table_of_an_evaluation_of_one_video(words, capsys):
    assert main(["bench", "--dataset=kinetics600/jpeg256", "--split=validation", *words]) == 0
    out = capsys.readouterr().out
    assert "augment" not in out.splitlines()[4]
    for word in ("stage alone", "read", "parse", "decode", "batch", "all together", "bound by:", "try:"):
        assert word in out


def test_mistakes_are_named(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["bench", *words])
    assert "required: DATASET" in capsys.readouterr().err
    assert main(["bench", "kinetics600/absent", *words]) == 1
    assert main(["bench", "kinetics600/jpeg256", *words[:1], "--preset=slowfast"]) == 1
    assert "Did you mean 'slowfast_" in capsys.readouterr().err
