"""The command line of ``manage.py demo``."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import threading
from collections.abc import Sequence

from .people import PATIENT, TOKEN_LIFETIME
from .stage import CannotStart, Stage
from .ways import invitation_link
from .ways_walk import WaysWalk
from .wire import tell


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py demo",
        description="Run the example clinic with an Auth0 tenant of its own on this computer. No account is needed.",
    )
    parser.add_argument("--port", type=int, help="the site's port (default: 8000; with --walk any free one)")
    parser.add_argument("--tenant-port", type=int, default=0, help="the tenant's port (default: any free one)")
    parser.add_argument(
        "--walk", action="store_true", help="log in, call, refresh and log out without a person, telling each step"
    )
    # Shows that a failing step is noticed: a fault of the tenant, from this step on.
    parser.add_argument("--fault", metavar="NAME[@STEP]", default="", help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run the demo; return the exit code."""
    options = build_parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.walk:
            with Stage(port=options.port or 0, tenant_port=options.tenant_port, log_level="ERROR") as stage:
                fault, _, step = options.fault.partition("@")
                return WaysWalk(stage, Screen(), fault=fault, fault_step=int(step or 1)).run()
        port = 8000 if options.port is None else options.port
        with Stage(port=port, tenant_port=options.tenant_port, log_level="INFO", on_answer=LiveWire()) as stage:
            welcome(stage)
            threading.Event().wait()
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def welcome(stage: Stage) -> None:
    screen = Screen()
    screen.say(f"\n  {screen.bold('Harbour Clinic')}, the example project of django-auth0-flow\n")
    screen.say(f"  Open    {screen.bold(stage.url + '/')}")
    screen.say(f"  Tenant  {stage.tenant.issuer}  (simulated, on this computer; not Auth0)\n")
    for user in stage.tenant.users.values():
        screen.say(f"  {user.email:<18} {user.password}")
    screen.say(f"\n  Invitation to an organization, for {PATIENT}:\n  {invitation_link(stage.tenant)}")
    screen.say(
        f"\n  Access tokens live {TOKEN_LIFETIME // 60} minutes here. Below is what goes over the wire. Ctrl-C ends all.\n"
    )


class Screen:
    """Standard output, in colour where a person looks at it."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty()
        self.width = min(shutil.get_terminal_size().columns, 140) if self._colour else 140

    def say(self, text: str = "") -> None:
        print(text, flush=True)

    def bold(self, text: str) -> str:
        return self._in("1", text)

    def soft(self, text: str) -> str:
        return self._in("2", text)

    def good(self, text: str) -> str:
        return self._in("32", text)

    def bad(self, text: str) -> str:
        return self._in("31;1", text)

    def _in(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._colour else text


class LiveWire:
    """Tells requests as soon as the site has answered one; those for static files are left out."""

    def __init__(self) -> None:
        self._screen = Screen()
        self._lock = threading.Lock()

    def __call__(self, stage: Stage) -> None:
        with self._lock:
            news = [hop for hop in stage.take_news() if not hop.path.startswith("/static/")]
            for line in tell(news, self._screen.width):
                self._screen.say(self._screen.soft(line))
