"""Every bash and python block of README.md and docs/ does what its page says.

doc_blocks.py lists the directives that a page may use, CONTRIBUTING.md says when to.
"""

from __future__ import annotations

import collections
import fcntl
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from doc_blocks import read_blocks
from doc_page import PageRun

from kinetics_tfds.sample import make_sample

REPO = pathlib.Path(__file__).resolve().parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]

# All blocks that no test runs: (page, reason) -> how many. A new one has to be added here, and seen in review.
NOT_RUN = {
    ("README.md", "`make test` runs this very test, and tests/examples/test_demo.py what `make demo` runs"): 1,
    ("docs/torch.md", "needs PyTorch: `make test-torch` runs this page"): 3,
    ("docs/gpu.md", "needs PyTorch: `make test-torch` runs this page"): 1,
}


def _name(page: pathlib.Path) -> str:
    return page.relative_to(REPO).as_posix()


@pytest.fixture(scope="session")
def ready(tmp_path_factory):
    """A folder with CLIPS and DATA (kinetics600 of those clips), made once for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    # Under xdist each worker has a folder of its own in one that they share.
    folder = (base.parent if base.name.startswith("popen-") else base) / "docs-ready"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            make_sample(folder / "CLIPS", "kinetics600")
            subprocess.run(
                [
                    pathlib.Path(sys.executable).with_name("tfds"),
                    "build",
                    "kinetics600",
                    "--imports=kinetics_tfds",
                    f"--manual_dir={folder / 'CLIPS'}",
                    f"--data_dir={folder / 'DATA'}",
                ],
                cwd=folder,
                check=True,
                timeout=240,
            )
            (folder / "done").touch()
    return folder


@pytest.mark.parametrize("page", PAGES, ids=_name)
@pytest.mark.timeout(600)
def test_page_runs(page, ready, tmp_path):
    with PageRun(_name(page), tmp_path / "page", REPO) as run:
        for name in ("CLIPS", "DATA"):
            shutil.copytree(ready / name, run.folder / name)
        for block in read_blocks(page):
            if block.one("skip") is None:
                run.run(block)


def test_only_known_blocks_are_not_run():
    skipped = collections.Counter(
        (_name(page), reason) for page in PAGES for block in read_blocks(page) for reason in block.all("skip")
    )
    assert dict(skipped) == NOT_RUN


@pytest.mark.parametrize("page", [*PAGES, REPO / "CONTRIBUTING.md", REPO / "CHANGELOG.md"], ids=_name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{_name(page)} links to {target}"
        if anchor:
            assert anchor in _anchors(linked), f"{_name(page)} links to {target}"


def _anchors(page: pathlib.Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
