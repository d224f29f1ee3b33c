"""The `kinetics browse` command as a user runs it: a process that listens on loopback alone and ends with Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys

import psutil
import pytest
import requests

from kinetics_tfds.browse.serve import LOOPBACK, listen
from kinetics_tfds.errors import BrowseError

COMMAND = [sys.executable, "-m", "kinetics_tfds.cli.main", "browse"]


def test_the_command_serves_until_interrupted(prepared, tmp_path) -> None:
    command = [*COMMAND, str(prepared["tfrecord"]), "--no_open", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline()).group()
            assert "Marks go to" in process.stdout.readline()
            assert requests.get(f"{address}api/collection", timeout=60).json()["rows"] == 20
            listening = [each for each in psutil.Process(process.pid).net_connections() if each.status == "LISTEN"]
            assert [each.laddr.ip for each in listening] == ["127.0.0.1"]
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "kinetics browse: ended.\n")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["no/such:thing"], ["kinetics600/none", "--data_dir=."]])
def test_what_cannot_be_shown_is_said_in_words(arguments: list[str], tmp_path) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=240)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Next:" in done.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(BrowseError, match="--port"):
        listen(LOOPBACK, taken.getsockname()[1])


def test_an_address_that_is_not_this_machine_s() -> None:
    with pytest.raises(BrowseError, match="--host"):
        listen("192.0.2.1", 0)


def test_two_pages_get_two_ports() -> None:
    with listen(LOOPBACK, None) as one, listen(LOOPBACK, None) as other:
        assert one.getsockname()[1] != other.getsockname()[1]
