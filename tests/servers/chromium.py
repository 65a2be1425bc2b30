"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests import programs

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WHY = "the tests in a real browser need the Debian package chromium and the Python package playwright"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@contextmanager
def launch() -> Iterator[Browser]:
    """Yield a browser without a window; it asks nobody but the pages it is sent to.

    Playwright keeps an event loop running in this thread meanwhile, so Django's ORM needs
    ``DJANGO_ALLOW_ASYNC_UNSAFE`` or another thread.
    """
    program = programs.require("chromium", WHY)
    programs.require_module("playwright", WHY)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
