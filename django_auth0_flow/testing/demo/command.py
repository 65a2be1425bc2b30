"""The command line of ``manage.py demo``."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence

from .screen import Screen
from .stage import CannotStart, Demo, Stage
from .walk import Walk


def build_parser(demo: Demo) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="manage.py demo",
        description=f"Run {demo.title} with an Auth0 tenant of its own on this computer. No account is needed.",
    )
    parser.add_argument("--port", type=int, help="the site's port (default: 8000; with --walk any free one)")
    parser.add_argument("--tenant-port", type=int, default=0, help="the tenant's port (default: any free one)")
    parser.add_argument(
        "--walk", action="store_true", help="log in, call, refresh and log out without a person, telling each step"
    )
    # Shows that a failing step is noticed: a fault of the tenant, from this step on.
    parser.add_argument("--fault", metavar="NAME[@STEP]", default="", help=argparse.SUPPRESS)
    return parser


def run_demo(demo: Demo, arguments: Sequence[str]) -> int:
    """Run the demo until Ctrl-C, or its walk to the end; return the exit code. See the package for what it needs."""
    options = build_parser(demo).parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.walk:
            fault, _, step = options.fault.partition("@")
            with Stage(demo, port=options.port or 0, tenant_port=options.tenant_port) as stage:
                return (demo.walk or Walk)(stage, fault=fault, fault_step=int(step or 1)).run()
        screen = Screen()
        port = 8000 if options.port is None else options.port
        with Stage(demo, port=port, tenant_port=options.tenant_port, screen=screen) as stage:
            welcome(stage, screen)
            threading.Event().wait()
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
    return 0


def welcome(stage: Stage, screen: Screen) -> None:
    tenant = stage.tenant
    people = "\n".join(f"  {user.email:<18} {user.password}" for user in tenant.users.values())
    screen.say(f"""
  {screen.styled(stage.demo.title, "bold")}

  Open    {screen.styled(f"{stage.url}/", "bold")}
  Tenant  {tenant.issuer}  (simulated, on this computer; not Auth0)

{people}
{stage.demo.notes(tenant)}
  Access tokens live {tenant.api.lifetime // 60} minutes here. Below is what goes over the wire. Ctrl-C ends all.
""")
