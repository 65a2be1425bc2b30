"""Print the supported Python interpreters of this machine, oldest first, one path per line."""

import os
import shutil
import subprocess
from pathlib import Path

OLDEST = (3, 11)
CANDIDATES = ["python3", *(f"python3.{minor}" for minor in range(11, 20))]


def pyenv_interpreters() -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [str(path) for path in root.glob("versions/3.*/bin/python3") if path.is_file()]


def version_of(interpreter: str) -> tuple[int, ...] | None:
    """Return the version, or None for one that does not run, such as a pyenv shim without a version behind it."""
    code = "import sys, venv, ensurepip; print(*sys.version_info[:3])"
    done = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False)
    return None if done.returncode else tuple(int(part) for part in done.stdout.split())


def main() -> None:
    found: dict[tuple[int, ...], str] = {}
    for interpreter in [*pyenv_interpreters(), *filter(None, map(shutil.which, CANDIDATES))]:
        version = version_of(interpreter)
        if version and version >= OLDEST:
            found.setdefault(version, interpreter)
    for version in sorted(found):
        print(found[version])


if __name__ == "__main__":
    main()
