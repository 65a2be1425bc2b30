"""Start a server on loopback, wait until it answers, stop it again."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests import programs

POLL_SECONDS = 0.02
START_SECONDS = 120
STOP_SECONDS = 60


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Server:
    """A throw-away server with its own folder; a context manager.

    Subclasses name their ``account``: the system user of their Debian package, used only when the tests run as root,
    which these servers refuse to do.
    """

    account = ""
    port: int

    def __enter__(self) -> Self:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{type(self).__name__.lower()}-"))
        if user := self._user():
            shutil.chown(self.folder, user, user)
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if process := getattr(self, "process", None):
            stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        raise NotImplementedError

    def _user(self) -> str | None:
        """The system user to become; Debian's packages name its group alike."""
        if not self.account or os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam(self.account).pw_name
        except KeyError:
            programs.missing(f"the system user {self.account}", "its Debian package creates it")

    def _run(self, *command: str | Path) -> None:
        """Run a helper program to its end as the server's user, raising with its output when it fails."""
        done = self._finish(*command)
        if done.returncode:
            raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}:\n{done.stdout}")

    def _succeeds(self, *command: str | Path) -> bool:
        return self._finish(*command).returncode == 0

    def _finish(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, command)],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=START_SECONDS * 2,
            user=self._user(),
            group=self._user(),
            extra_groups=[] if self._user() else None,
        )

    def _spawn(
        self, command: Sequence[str | Path], *, until: Callable[[], bool], environment: Mapping[str, str] | None = None
    ) -> None:
        """Start the server itself and wait until ``until`` says it is ready. ``environment`` replaces this process's."""
        log = self.folder / "server.log"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*map(str, command)],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                user=self._user(),
                group=self._user(),
                extra_groups=[] if self._user() else None,
            )
        for _ in range(int(START_SECONDS / POLL_SECONDS)):
            if until():
                return
            try:
                self.process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            break
        raise RuntimeError(f"{Path(command[0]).name} did not start:\n{log.read_text(errors='replace')}")


def stop(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End a process that we started: ask first, then insist."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
