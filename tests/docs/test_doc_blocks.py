"""The reader of pages, and the runner of their blocks."""

from __future__ import annotations

import pathlib
import sys
import time

import pytest
from doc_blocks import Block, read_blocks
from doc_page import BlockError, PageRun

PAGE = """# Title

```bash
echo one
```
<!-- test: exit 3 -->
<!-- test: replace 9 => 3 -->

```bash
exit 9
```

- in a list

  <!-- test: setup echo a > file
       echo b >> file -->
  ```python
  x = 1
  if x:
      x = 2
  ```

```json
{}
```
"""


def test_blocks_and_directives_are_read(tmp_path):
    (tmp_path / "page.md").write_text(PAGE)
    one, two, three = read_blocks(tmp_path / "page.md")
    assert one == Block("bash", 4, "echo one\n", ())
    assert (two.one("exit"), two.code_to_run()) == ("3", "exit 3\n")
    assert three.code == "x = 1\nif x:\n    x = 2\n"
    assert three.all("setup") == ["echo a > file\n       echo b >> file"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- test: skip -->\n```bash\n```\n", "reason"),
        ("<!-- test: jump -->\n```bash\n```\n", "unknown directive 'jump'"),
        ("<!-- test: exit 1 -->\ntext\n```bash\n```\n", "right before"),
        ("<!-- test: exit 1 -->\n```json\n```\n", "no test runs"),
        ("<!-- test: exit 1 -->\n", "no block behind"),
    ],
)
def test_useless_directives_are_errors(tmp_path, text, message):
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_blocks(tmp_path / "page.md")


@pytest.fixture
def page_run(tmp_path, repo):
    with PageRun("page.md", tmp_path / "page", repo) as run:
        (run.folder / "DATA").mkdir()
        (run.folder / "DATA" / "old").touch()
        yield run


def test_bash_blocks_run_in_the_scratch_folder(page_run):
    page_run.run(Block("bash", 1, 'echo hello > "$DATA/file"\nls configs\n', ()))
    page_run.run(Block("bash", 1, "grep hello DATA/file\ntest ! -e DATA/old\n", (("setup", "rm DATA/old"),)))
    page_run.run(Block("bash", 1, "test ! -e DATA/file\necho gone\n", (("empty-data", ""), ("expect", "gone"))))


def test_python_blocks_go_on_where_the_last_ended(page_run):
    page_run.run(Block("python", 1, "x = 20\nprint(DATA)\n", (("expect", "DATA"),)))
    page_run.run(Block("python", 1, "x += 22\nprint(x)\n", (("expect", "42"),)))
    page_run.run(Block("python", 1, "raise KeyError(x)\n", (("exit", "1"), ("expect", "KeyError: 42"))))


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (Block("bash", 7, "false\ntrue\n", ()), r"page\.md:7: the block ended with 1, not 0"),
        (Block("bash", 7, "true\n", (("exit", "1"),)), "ended with 0, not 1"),
        (Block("bash", 7, "true\n", (("setup", "exit 4"),)), "the setup ended with 4"),
        (Block("bash", 7, "echo out\n", (("expect", "in"),)), "no 'in' in the output:\nout"),
        (Block("python", 7, "1 / 0\n", ()), r'page\.md>", line 7'),
        (Block("python", 7, "import os; os._exit(3)\n", ()), "ended with 70"),
    ],
)
def test_a_block_that_lies_is_named(page_run, block, message):
    with pytest.raises(BlockError, match=message):
        page_run.run(block)


def test_what_a_setup_leaves_running_ends_with_the_page(tmp_path, repo):
    with PageRun("page.md", tmp_path / "page", repo) as run:
        (run.folder / "DATA").mkdir()
        run.run(
            Block(
                "bash",
                1,
                "test -e /proc/$(cat pid)\n",
                (("setup", f"{sys.executable} -m http.server 0 & echo $! > pid"),),
            )
        )
        pid = (run.folder / "pid").read_text().strip()
    deadline = time.monotonic() + 10
    status = pathlib.Path(f"/proc/{pid}/status")
    while status.exists() and "State:\tZ" not in status.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not status.exists() or "State:\tZ" in status.read_text()
