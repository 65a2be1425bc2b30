"""Debian's Chromium, Firefox and WebKit, each in a throw-away profile and driven by WebDriver.

All paths are said, so that Selenium looks for no driver and downloads nothing.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tests import programs
from tests.servers.process import Server, accepts_connections

if TYPE_CHECKING:
    from selenium.webdriver import Remote
    from selenium.webdriver.common.options import BaseOptions

SECONDS = 120


class Engine(Server):
    """A browser without a window that one can see; ``driver`` is Selenium's. It takes any certificate."""

    #: What the tests with this engine need.
    why = ""
    #: It keeps Secure cookies of http on loopback.
    trusts_loopback = True
    driver: Remote

    def __enter__(self) -> Self:
        programs.require_module("selenium", self.why)
        super().__enter__()
        try:
            self.driver = self._connect()
            self.driver.set_page_load_timeout(SECONDS)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with ExitStack() as stack:
            stack.callback(super().__exit__, kind, error, traceback)
            if hasattr(self, "driver"):
                self.driver.quit()

    def _connect(self) -> Remote:
        raise NotImplementedError

    def _remote(self, options: BaseOptions) -> Remote:
        """Start a browser at the driver that listens on ``port``."""
        from selenium import webdriver
        from selenium.webdriver.remote.client_config import ClientConfig
        from selenium.webdriver.remote.remote_connection import RemoteConnection

        config = ClientConfig(f"http://127.0.0.1:{self.port}", timeout=2 * SECONDS)
        return webdriver.Remote(RemoteConnection(client_config=config), options=options)

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder)}


class Chromium(Engine):
    why = (
        "the tests with Chromium need the Debian packages chromium and chromium-driver, and the Python package selenium"
    )

    def _start(self) -> None:
        self._program = programs.require("chromium", self.why)
        driver = programs.require("chromedriver", self.why)
        command = [driver, f"--port={self.port}"]
        self._spawn(command, until=lambda: accepts_connections(self.port), environment=self._environment)

    def _connect(self) -> Remote:
        from selenium import webdriver

        from tests.servers.chromium import FLAGS

        options = webdriver.ChromeOptions()
        options.binary_location = self._program
        options.accept_insecure_certs = True
        for flag in ("--headless", *FLAGS):
            options.add_argument(flag)
        return self._remote(options)


class Firefox(Engine):
    why = "the tests with Firefox need the Debian package firefox-esr and the Python package selenium"

    def _start(self) -> None:
        program = programs.require("firefox-esr", self.why)
        profile = self.folder / "profile"
        profile.mkdir()
        (profile / "user.js").write_text('user_pref("marionette.port", 0);\n')  # a free one, which it writes to a file
        self._port_file = profile / "MarionetteActivePort"
        command = [program, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
        self._spawn(command, until=self._listens, environment=self._environment)

    def _listens(self) -> bool:
        return self._port_file.exists() and self._port_file.read_text() != ""

    def _connect(self) -> Remote:
        from selenium import webdriver

        from tests.servers.marionette import MarionetteConnection

        options = webdriver.FirefoxOptions()
        options.accept_insecure_certs = True
        return webdriver.Remote(MarionetteConnection(int(self._port_file.read_text())), options=options)


class Display(Server):
    """A screen in memory: WebKit's browser has no way to run without one."""

    def _start(self) -> None:
        program = programs.require("Xvfb", WebKit.why)
        # It takes the first number that is free, and says it on a line of its own.
        self._spawn([program, "-displayfd", "1", "-nolisten", "tcp"], until=lambda: self.name != "")

    @property
    def name(self) -> str:
        number = re.search(r"^\d+$", (self.folder / "server.log").read_text(), re.MULTILINE)
        return f":{number[0]}" if number else ""


class WebKit(Engine):
    """Safari's engine, as GNOME's browsers have it."""

    why = "the tests with WebKit need the Debian packages webkit2gtk-driver and xvfb, and the Python package selenium"
    trusts_loopback = False

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._display = stack.enter_context(Display())
            super().__enter__()
            self._beside = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if hasattr(self, "_beside"):
            self._beside.close()

    def _start(self) -> None:
        driver = programs.require("WebKitWebDriver", self.why)
        environment = {**self._environment, "DISPLAY": self._display.name, "GDK_BACKEND": "x11"}
        command = [driver, f"--port={self.port}"]
        self._spawn(command, until=lambda: accepts_connections(self.port), environment=environment)

    def _connect(self) -> Remote:
        from selenium import webdriver

        # Debian's libwebkit2gtk-4.1-0 has it; the driver's package asks for it.
        [program, *_] = sorted(Path("/usr/lib").glob("*/webkit2gtk-*/MiniBrowser"))
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(program)
        options.accept_insecure_certs = True
        options.add_argument("--automation")
        # WebDriver loses a page that Back brings after this header of Django's; a person's WebKit does not.
        options.add_argument("--features=-CrossOriginOpenerPolicy")
        options.add_argument("--enable-itp")
        return self._remote(options)


ENGINES: dict[str, type[Engine]] = {"chromium": Chromium, "firefox": Firefox, "webkit": WebKit}
