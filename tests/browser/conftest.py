"""A real browser on the page: Debian's Chromium, driven by Playwright. `make test-browser` installs both."""

from __future__ import annotations

import shutil

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="install the extra `browser`: make test-browser")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser():
    """A headless browser."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: make test-browser installs it with apt")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def tab(browser):
    """A tab whose errors fail the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(60_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None if "127.0.0.1" in request.url or request.url.startswith("blob:") else complaints.append(request.url)
        ),
    )
    yield page
    context.close()
    assert complaints == []
