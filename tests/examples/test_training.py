"""The training examples: they learn, go on bit for bit after a stop, and use every device and process."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
jax.config.update("jax_num_cpu_devices", 2)  # before the first test makes a device

import train_jax  # noqa: E402
import train_keras  # noqa: E402
import training_data  # noqa: E402


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A folder with a small sample, built: 8 clips to train on, 8 held out."""
    folder = tmp_path_factory.mktemp("training")
    training_data.open_builder(_arguments(folder))
    return folder


def _arguments(workdir, **changes):
    parser = argparse.ArgumentParser()
    training_data.add_arguments(parser)
    defaults = parser.parse_args([])
    values = {
        "clips_per_class": 2,
        "batch_size": 8,
        "epochs": 12,
        "checkpoint_every": 4,
        "learning_rate": 0.03,
        "width": 4,
        "tpu": None,
    }
    return argparse.Namespace(**{**vars(defaults), **values, "workdir": workdir, **changes})


def _losses(text):
    return [float(loss) for loss in re.findall(r"loss ([\d.]+)", text)]


def test_jax_learns_and_goes_on_bit_for_bit(sample, capsys):
    train_jax.train(_arguments(sample))
    first, last = _losses(capsys.readouterr().out)
    assert last < first - 0.2
    folder = sample / "jax_0"
    assert sorted(path.name for path in folder.iterdir()) == ["step_0000008", "step_0000012"]
    whole = dict(np.load(folder / "step_0000012" / "state.npz"))
    shutil.rmtree(folder / "step_0000012")
    (folder / "half").mkdir()  # what a kill in the middle of saving leaves
    train_jax.train(_arguments(sample))
    assert "going on after step 8" in capsys.readouterr().out
    again = dict(np.load(folder / "step_0000012" / "state.npz"))
    assert set(whole) == set(again)
    for key, value in whole.items():
        np.testing.assert_array_equal(again[key], value)


def test_keras_learns_and_goes_on_bit_for_bit(sample, capsys):
    trainer = train_keras.Trainer(_arguments(sample))
    trainer.run()
    first, last = _losses(capsys.readouterr().out)
    assert last < first - 0.2
    whole = [variable.numpy() for variable in trainer.model.trainable_variables]
    for path in (sample / "keras").glob("*-12.*"):
        path.unlink()
    state = (sample / "keras" / "checkpoint").read_text()
    (sample / "keras" / "checkpoint").write_text(state.replace("ckpt-12", "ckpt-8"))
    again = train_keras.Trainer(_arguments(sample))
    again.run()
    assert "going on after step 8" in capsys.readouterr().out
    for a, b in zip(whole, again.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_both_evaluate_every_held_out_video_with_all_its_views(sample):
    arguments = _arguments(sample, epochs=1, batch_size=3)
    builder = training_data.open_builder(arguments)
    batches = list(training_data.evaluation_batches(builder, arguments, (0, 1)))
    assert [batch["video"].shape[:2] for batch in batches] == [(3, 12)] * 3
    assert sum(int(batch["mask"].numpy().sum()) for batch in batches) == 8


def _python(script, *words, **more):
    command = [sys.executable, str(EXAMPLES / script), *words]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, **more
    )


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("script", ["train_jax.py", "train_keras.py"])
def test_over_90_percent_on_held_out_clips_in_spite_of_a_kill(script, tmp_path_factory):
    workdir = tmp_path_factory.getbasetemp() / "learning"  # both scripts share the sample
    words = [f"--workdir={workdir}", "--checkpoint_every=60"]
    process = _python(script, *words)
    for line in process.stdout:
        if line.startswith("step 150"):
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process = _python(script, *words)
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output[-3000:]
    assert "going on after step 120" in output
    assert float(re.search(r"top-1 ([\d.]+)%", output)[1]) > 90, output[-500:]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_jax_processes_train_one_model(sample, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shutil.copytree(sample / "sample_2", tmp_path / "sample_2")
    words = [f"--workdir={tmp_path}", "--clips_per_class=2", "--batch_size=4", "--epochs=6", "--width=4"]
    processes = [
        _python("train_jax.py", *words, f"--coordinator=127.0.0.1:{port}", f"--process={i}", "--processes=2")
        for i in range(2)
    ]
    outputs = [process.communicate(timeout=500)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    states = [dict(np.load(tmp_path / f"jax_{i}" / "step_0000006" / "state.npz")) for i in range(2)]
    for key, value in states[0].items():
        np.testing.assert_array_equal(states[1][key], value)
    told = [re.search(r"top-1 .* of (\d+) held-out", output) for output in outputs]
    assert [match[0] for match in told] == [told[0][0]] * 2
    assert told[0][1] == "8", "the parts of both processes"
