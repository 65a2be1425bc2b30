"""Check a wheel: that it holds the whole package, and works in an empty environment."""

import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

PACKAGE = "django_auth0_flow"
KINDS = {
    "templates": r"templates/.+\.html",
    "static files": r"static/.+",
    "migrations": r"migrations/\d+_\w+\.py",
    "message catalogues": r"locale/\w+/LC_MESSAGES/django\.mo",
    "type marker": r"py\.typed",
    "documentation": r"docs/\w+\.md",
    "pictures of the documentation": r"docs/images/\w+\.png",
}


def tracked_files() -> set[str]:
    """The package's files as git would commit them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", PACKAGE]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {name for name in listed if Path(name).is_file()}


def check_contents(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    if absent := sorted(tracked_files() - inside):
        sys.exit(f"the wheel lacks {', '.join(absent)}")
    distribution = "-".join(wheel.name.split("-")[:2])
    if surplus := sorted({name.split("/")[0] for name in inside} - {PACKAGE, f"{distribution}.dist-info"}):
        sys.exit(f"the wheel also holds {', '.join(surplus)}")
    for kind, pattern in KINDS.items():
        number = sum(bool(re.fullmatch(f"{PACKAGE}/{pattern}", name)) for name in inside)
        print(f"{kind}: {number}")
        if not number:
            sys.exit(f"the wheel holds no {kind}")


def check_use(wheel: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / "bin" / "python")

        def run(*arguments: str) -> None:
            subprocess.run([python, *arguments], check=True, cwd=folder)

        run("-m", "pip", "install", "-qq", str(wheel.resolve()))
        run("-W", "error", str(Path(__file__).with_name("use_wheel.py").resolve()))
        # The package registers a pytest plugin: it must not disturb those who did not install the tenant extra.
        run("-m", "pip", "install", "-qq", "pytest")
        Path(folder, "test_nothing.py").write_text("def test_nothing(): ...\n")
        run("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_nothing.py")


def main() -> None:
    wheel = Path(sys.argv[1])
    check_contents(wheel)
    check_use(wheel)


if __name__ == "__main__":
    main()
