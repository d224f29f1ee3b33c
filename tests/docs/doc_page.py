"""Runs the blocks of one page in a scratch folder, as a reader in a checkout would, one after the other."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys

from doc_blocks import Block

SECONDS = 240  # for one block
SESSION = pathlib.Path(__file__).parent / "doc_session.py"


class BlockError(AssertionError):
    """A block did not do what the page says."""


class PageRun(contextlib.AbstractContextManager):
    """The scratch folder and processes of one page.

    Attributes:
        page: the page's path from the repository's root, for messages.
        folder: the scratch folder, in which every block starts. `CLIPS` and `DATA` are folders in it, variables of
            bash and of python; the checkout's own folders (configs, examples, …) are there too.
    """

    def __init__(self, page: str, folder: pathlib.Path, repo: pathlib.Path) -> None:
        self.page = page
        self.folder = folder
        self._repo = repo
        self._groups: list[int] = []
        self._session: subprocess.Popen | None = None
        self._log = folder.parent / f"{folder.name}.log"
        (folder / "home").mkdir(parents=True)
        for name in ("configs", "examples", "benchmarks", "kinetics_tfds", "beam_pipelines", "docs", "setup.py"):
            if (repo / name).exists():
                (folder / name).symlink_to(repo / name)

    def __exit__(self, *unused) -> None:
        if self._session is not None:
            self._session.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._session.wait(20)
            self._replies.close()
        # What a setup left running (a server on loopback) ends with the page.
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def run(self, block: Block) -> None:
        """Runs one block; raises BlockError with the output's end when it does not do what the page says."""
        for _ in block.all("empty-data"):
            shutil.rmtree(self.folder / "DATA")
            (self.folder / "DATA").mkdir()
        for commands in block.all("setup"):
            self._check(block, 0, *self._bash(commands), what="the setup")
        wanted = int(block.one("exit") or 0)
        run = self._bash if block.language == "bash" else self._python
        try:
            code, output = run(block.code_to_run(), block.line)
        except subprocess.TimeoutExpired as error:
            raise BlockError(f"{self.page}:{block.line}: not done in {SECONDS} s.\n{block.code}") from error
        self._check(block, wanted, code, output)
        for text in block.all("expect"):
            if text not in output:
                raise BlockError(f"{self.page}:{block.line}: no {text!r} in the output:\n{output[-3000:]}")

    def _check(self, block: Block, wanted: int, code: int, output: str, what: str = "the block") -> None:
        same = code == wanted if block.language == "bash" else bool(code) == bool(wanted)
        if not same:
            raise BlockError(
                f"{self.page}:{block.line}: {what} ended with {code}, not {wanted}.\n"
                f"--- block\n{block.code}--- output\n{output[-4000:]}"
            )

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "REPO": str(self._repo),
            "DATA": str(self.folder / "DATA"),
            "CLIPS": str(self.folder / "CLIPS"),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def _bash(self, code: str, line: int = 0) -> tuple[int, str]:
        with self._log.open("w+") as log:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", code],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._groups.append(process.pid)
            code_ = process.wait(SECONDS)
        return code_, self._log.read_text(errors="replace")

    def _python(self, code: str, line: int) -> tuple[int, str]:
        if self._session is None:
            self._start_session()
        session_log = self._log.with_suffix(".python.log")
        before = session_log.stat().st_size
        self._session.stdin.write(json.dumps({"page": self.page, "line": line, "code": code}) + "\n")
        self._session.stdin.flush()
        ready, _, _ = select.select([self._replies], [], [], SECONDS)
        if not ready:
            raise subprocess.TimeoutExpired("python", SECONDS)
        reply = self._replies.readline()
        output = session_log.read_bytes()[before:].decode(errors="replace")
        # No reply: the interpreter itself died.
        return (int(json.loads(reply)["failed"]) if reply else 70), output

    def _start_session(self) -> None:
        read, write = os.pipe()
        with self._log.with_suffix(".python.log").open("w") as log:
            self._session = subprocess.Popen(
                [sys.executable, "-u", str(SESSION), str(write)],
                cwd=self.folder,
                env=self._environment(),
                text=True,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(write,),
                start_new_session=True,
            )
        os.close(write)
        self._replies = os.fdopen(read)
        self._groups.append(self._session.pid)
