"""``python -m tests.benchmarks [--peers]``: measure everything, print the table, write table and plot into a folder.

First come the figures that have a budget, then everything measured, then what each figure that missed is made of. It takes
most of an hour; ``--only`` measures some parts anew.
"""

from __future__ import annotations

import argparse
import os
import platform
import ssl
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.measure import read_rows
from tests.benchmarks.names import LOGIN_PATHS
from tests.benchmarks.report import plot, profiles, summary, table
from tests.storm.sites import ENGINES

ROOT = Path(__file__).resolve().parents[2]
#: What we ourselves need, in the versions that are installed here, so that all sites run on the same.
SHARED = ("django", "requests", "urllib3", "certifi", "pyjwt", "cryptography")
#: Arguments of each part: how thorough it is, by default and with --quick.
PARTS = {
    "chain": (["400"], ["60"]),
    "reading": (["200"], ["10"]),
    "api_calls": (["60"], ["6"]),
    "id_token": (["400"], ["60"]),
    "login": (["25", "8"], ["4", "4"]),
    "storm": (["3"], ["2"]),
    "startup": (["15"], ["4"]),
    "async_calls": (["15"], ["3"]),
    "kills": (["10", *ENGINES], ["2", "sqlite"]),
    "growth": (["100000", "postgresql", "mariadb"], ["30000", "postgresql"]),
    "memory": (["10000"], ["60"]),
    "soak": (["300", "8"], ["10", "10"]),
}
#: The parts that compare with peers.
PEERED = {"login", "api_calls", "startup"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--peers",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="install the other packages into a virtual environment and compare with them; "
        "FOLDER keeps that environment for the next time",
    )
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="where table and plot go (default: a temporary folder); "
        "parts that were measured into it before are shown as well",
    )
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS), help="measure these parts only")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works, not to judge by")
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="benchmarks-"))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="benchmark-peers-") as temporary:
        peers = []
        if arguments.peers is not None and PEERED.intersection(arguments.only):
            peers = [str(install_peers(Path(arguments.peers or temporary)))]
        for part in arguments.only:
            sys.stderr.write(f"{part} …\n")
            found = run(part, [*PARTS[part][arguments.quick], *(peers if part in PEERED else [])])
            (out / f"{part}.json").write_text(found)
    kept = [out / f"{part}.json" for part in PARTS]
    rows = [row for path in kept if path.exists() for row in read_rows(path.read_text())]
    text = f"{conditions()}\n\n{summary(rows)}\n\nEverything measured:\n\n{table(rows)}\n\n{profiles(rows)}"
    (out / "benchmarks.md").write_text(text)
    (out / "benchmarks.svg").write_text(
        plot(rows, "django-auth0-flow: what it costs, as a share of what it may cost (less is better)")
    )
    sys.stdout.write(text)
    sys.stderr.write(f"\nwritten: {out}/benchmarks.md, {out}/benchmarks.svg\n")


def run(part: str, arguments: list[str]) -> str:
    """Measure one part in a process of its own and return what it prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{part}", *arguments],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def install_peers(folder: Path) -> Path:
    """Make a virtual environment with the peers and with what this one has of our own needs; return its interpreter."""
    python = folder / "bin" / "python"
    wanted = [paths.distribution for paths in LOGIN_PATHS.values() if paths.distribution]
    pins = [f"{name}=={version(name)}" for name in SHARED]
    if not python.exists():
        sys.stderr.write("installing the peers …\n")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *pins, *wanted], check=True)
    return python


def conditions() -> str:
    """Say what the figures depend on."""
    load = os.getloadavg()[0]
    return (
        f"Python {platform.python_version()}, Django {version('django')}, {ssl.OPENSSL_VERSION}, "
        f"{os.cpu_count()} CPUs, load {load:.1f}. Median and quartiles of CPU time; rounds take turns."
    )


if __name__ == "__main__":
    main()
