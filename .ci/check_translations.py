"""Check that every message catalogue is complete and that its compiled file says the same."""

import gettext
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def catalogue(path: Path) -> dict[object, str]:
    with path.open("rb") as file:
        messages: dict[object, str] = dict(vars(gettext.GNUTranslations(file))["_catalog"])
    messages.pop("", None)  # the header has dates
    return messages


def problems_of(source: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "fresh.mo"
        command = ["msgfmt", "--check", "--statistics", "--output-file", str(fresh), str(source)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        )
        if done.returncode:
            return [done.stderr.strip()]
        problems = re.findall(r"\d+ (?:fuzzy|untranslated)[^,.]*", done.stderr)
        compiled = source.with_suffix(".mo")
        if not compiled.is_file():
            problems.append("is not compiled")
        elif catalogue(compiled) != catalogue(fresh):
            problems.append("the compiled file is out of date: run compilemessages")
        return problems


def main() -> int:
    homes = Path("django_auth0_flow"), Path("example_project")
    sources = sorted(path for home in homes for path in home.rglob("locale/*/LC_MESSAGES/*.po"))
    if not sources:
        print("no message catalogues were found")
        return 1
    failed = False
    for source in sources:
        problems = problems_of(source)
        failed |= bool(problems)
        print(f"{source}: {'; '.join(problems) or 'complete and compiled'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
