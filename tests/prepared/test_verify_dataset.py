"""Verifying finds every kind of damage that a prepared dataset can take, and says where it is."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from kinetics_tfds.errors import VerifyError
from kinetics_tfds.prepared.dataset import find_prepared, open_prepared
from kinetics_tfds.prepared.verify import summarise, verify_dataset, verify_shard
from kinetics_tfds.prepared.verify_folder import verify_folder
from kinetics_tfds.shards.records import read_records

FORMATS = ("tfrecord", "array_record")


@pytest.fixture(params=FORMATS)
def copy(request, prepared, tmp_path):
    """A copy of a prepared dataset to damage."""
    folder = tmp_path / "1.0.0"
    shutil.copytree(prepared[request.param], folder)
    return folder


@pytest.fixture
def old(prepared, tmp_path):
    """A copy as it was built before small files had checksums."""
    folder = tmp_path / "1.0.0"
    shutil.copytree(prepared["tfrecord"], folder)
    config = json.loads((folder / "config.json").read_text())
    del config["checksums"]
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "SHA256SUMS").unlink()
    return folder


def _shards(folder: pathlib.Path, split: str) -> list[pathlib.Path]:
    return sorted(folder.glob(f"kinetics600-{split}.*-of-*"))


def _problems(folder: pathlib.Path) -> list[tuple[str, int | None, str]]:
    """All that is found, in this process: starting others takes longer than these small files."""
    check = verify_folder(folder)
    shards = check.prepared.shards() if check.prepared else ()
    found = summarise(folder, check, [verify_shard(shard, "kinetics600") for shard in shards], 0.0)
    return [(problem.file, problem.record, problem.what) for problem in found.problems]


def test_an_intact_dataset_is_well(copy):
    found = verify_dataset(copy, workers=2)
    assert found.ok, found.problems
    assert (found.shards, found.records, found.frames) == (6, 18, 18 * 10)
    assert found.bytes == sum(row["bytes"] for row in pq.read_table(copy / "manifest.parquet").to_pylist())


def test_a_truncated_shard(copy):
    shard = _shards(copy, "train")[1]
    shard.write_bytes(shard.read_bytes()[: -200_000 if "array" in shard.name else -1])
    problems = _problems(copy)
    assert problems
    assert {file for file, _, _ in problems} == {shard.name}


def test_an_empty_shard(copy):
    shard = _shards(copy, "test")[0]
    shard.write_bytes(b"")
    problems = _problems(copy)
    assert problems
    assert {file for file, _, _ in problems} == {shard.name}


def test_a_deleted_shard(copy):
    shard = _shards(copy, "test")[2]
    shard.unlink()
    assert _problems(copy) == [(shard.name, None, "cannot be read: No such file or directory")]


def test_swapped_shards(copy):
    first, second = _shards(copy, "train")[:2]
    first.rename(copy / "swap")
    second.rename(first)
    (copy / "swap").rename(second)
    problems = {file: what for file, _, what in _problems(copy)}
    assert set(problems) == {first.name, second.name}
    assert f"(of {second.name})" in problems[first.name]
    assert f"(of {first.name})" in problems[second.name]


def test_a_shard_in_the_place_of_another(copy):
    first, second = _shards(copy, "train")[0], _shards(copy, "test")[1]
    shutil.copyfile(first, second)
    assert any(file == second.name and f"(of {first.name})" in what for file, _, what in _problems(copy))


def test_an_extra_shard(copy):
    first = _shards(copy, "train")[0]
    extra = first.with_name(first.name.replace("train", "train2"))
    shutil.copyfile(first, extra)
    assert [file for file, _, _ in _problems(copy)] == [extra.name]


def test_a_replaced_description(old):
    info = json.loads((old / "dataset_info.json").read_text())
    changes = [
        {"version": "2.0.0"},
        {"name": "kinetics700"},
        {"fileFormat": "riegeli"},
        {"splits": info["splits"][:1]},
        {"splits": [*info["splits"], {**info["splits"][0], "name": "more"}]},
        {"splits": [{**info["splits"][0], "shardLengths": ["1", "2", "3"]}, info["splits"][1]]},
    ]
    for change in changes:
        (old / "dataset_info.json").write_text(json.dumps({**info, **change}))
        assert {problem.file for problem in verify_folder(old).problems} == {"dataset_info.json"}, change
    (old / "dataset_info.json").write_text("{")
    assert [problem.file for problem in verify_folder(old).problems] == ["dataset_info.json"]


@pytest.mark.parametrize("name", ["features.json", "label.labels.txt"])
def test_a_replaced_schema(old, name):
    text = (old / name).read_text()
    for replaced in ("", text.replace("zumba", "rumba").replace('"600"', '"601"')):
        (old / name).write_text(replaced)
        assert [problem.file for problem in verify_folder(old).problems] == [name]


def test_changed_settings(old):
    config = json.loads((old / "config.json").read_text())
    config["settings"]["quality"] = 50
    (old / "config.json").write_text(json.dumps(config))
    assert [file for file, _, _ in _problems(old)] == ["config.json"]


def test_a_manifest_of_other_rows(old):
    table = pq.read_table(old / "manifest.parquet")
    labels = ["zumba" if label == "abseiling" else label for label in table["label"].to_pylist()]
    pq.write_table(table.set_column(table.column_names.index("label"), "label", [labels]), old / "manifest.parquet")
    problems = _problems(old)
    assert problems
    assert all("is not that of 'zumba'" in what for _, _, what in problems)
    pq.write_table(table.slice(0, 12), old / "manifest.parquet")
    assert any("config.json says" in what for _, _, what in _problems(old))


def test_any_flipped_byte_of_a_tfrecord_is_found(prepared, tmp_path):
    shard = next(iter(open_prepared(prepared["tfrecord"]).shards("train")))
    data = pathlib.Path(shard.path).read_bytes()
    copy = tmp_path / shard.name
    ends, end = [], 0
    for record in shard.records:
        end += record.bytes + 16
        ends.append(end)
    rng = random.Random(0)
    # Lengths, both checksums and data: the first bytes of each record, and anywhere.
    places = [start + offset for start in (0, *ends[:-1]) for offset in range(0, 14, 2)] + rng.sample(
        range(len(data)), 60
    )
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        copy.write_bytes(damaged)
        problems = verify_shard(_at(shard, copy), "kinetics600").problems
        assert problems, f"byte {place}"
        record = next(index for index, end in enumerate(ends) if place < end)
        assert problems[0].record == record
        assert problems[0].id == shard.records[record].id


def test_any_flipped_byte_that_array_record_reads_is_found(prepared, tmp_path):
    """The format pads its files with bytes that no reader looks at: flips there change nothing that is read."""
    shard = next(iter(open_prepared(prepared["array_record"]).shards("train")))
    data = pathlib.Path(shard.path).read_bytes()
    intact = list(read_records(shard.path, "array_record"))
    copy = tmp_path / shard.name
    rng = random.Random(0)
    found = 0
    for place in rng.sample(range(len(data)), 200):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.randrange(8)
        copy.write_bytes(damaged)
        if verify_shard(_at(shard, copy), "kinetics600").problems:
            found += 1
        else:
            assert list(read_records(copy, "array_record")) == intact
    assert found


def test_reading_goes_on_behind_a_damaged_record(prepared, tmp_path):
    shard = next(iter(open_prepared(prepared["tfrecord"]).shards("train")))
    data = bytearray(pathlib.Path(shard.path).read_bytes())
    data[100] ^= 1
    copy = tmp_path / shard.name
    copy.write_bytes(data)
    result = verify_shard(_at(shard, copy), "kinetics600")
    assert [problem.record for problem in result.problems] == [0]
    assert result.records == len(shard.records)


def test_a_record_that_no_manifest_knows(prepared, tmp_path):
    shard = next(iter(open_prepared(prepared["tfrecord"]).shards("train")))
    copy = tmp_path / shard.name
    data = pathlib.Path(shard.path).read_bytes()
    copy.write_bytes(data + data[: struct.unpack("<Q", data[:8])[0] + 16])
    assert "the manifest knows no such record" in verify_shard(_at(shard, copy), "kinetics600").problems[0].what


def _at(shard, path: pathlib.Path):
    return dataclasses.replace(shard, path=str(path))


def test_finding_a_dataset(prepared, tmp_path):
    root = prepared["tfrecord"].parents[2]
    assert str(find_prepared("kinetics600/tiny", str(root))) == str(prepared["tfrecord"])
    assert str(find_prepared("kinetics600/tiny:1.0.0", str(root))) == str(prepared["tfrecord"])
    assert str(find_prepared(str(prepared["tfrecord"]))) == str(prepared["tfrecord"])
    with pytest.raises(VerifyError, match="Configs there: tiny"):
        find_prepared("kinetics600", str(root))
    with pytest.raises(VerifyError, match="names no dataset"):
        find_prepared("imagenet", str(root))
    with pytest.raises(VerifyError, match=r"config\.json is missing"):
        open_prepared(tmp_path)


def _kinetics(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "kinetics_tfds.cli.main", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_command(prepared, tmp_path):
    root = prepared["tfrecord"].parents[2]
    done = _kinetics("kinetics600/tiny", f"--data_dir={root}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "all is well" in done.stdout
    folder = tmp_path / "1.0.0"
    shutil.copytree(prepared["tfrecord"], folder)
    shard = _shards(folder, "train")[0]
    data = bytearray(shard.read_bytes())
    data[50] ^= 4
    shard.write_bytes(data)
    done = _kinetics(str(folder), "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert (found["problems"][0]["file"], found["problems"][0]["record"]) == (shard.name, 0)
    done = _kinetics("kinetics600/other", f"--data_dir={root}")
    assert done.returncode == 1
    assert "Next: " in done.stderr
