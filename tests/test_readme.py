"""The README's examples are run: each Python block that stands after ``<!-- run: name -->`` is a pytest file.

They are about the project in ``tests/projects/readme`` and run together in one process of their own. ``TEST_README`` names
another file to take them from.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = Path(os.environ.get("TEST_README", ROOT / "README.md"))
_MARKED = re.compile(r"<!-- run: (?P<name>[\w-]+) -->\n+```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE)
_CONFTEST = """
import sys

from tests.projects.readme.celery_stub import as_module

sys.modules.setdefault("celery", as_module())
"""


def examples() -> dict[str, str]:
    """Return the marked blocks by name."""
    return {found["name"]: found["code"] for found in _MARKED.finditer(README.read_text())}


def test_every_marker_has_a_block_and_every_name_is_used_once() -> None:
    markers = re.findall(r"<!-- run: ([\w-]+) -->", README.read_text())
    assert markers == list(examples())


def test_the_examples_run(tmp_path: Path) -> None:
    found = examples()
    for name, code in found.items():
        (tmp_path / f"test_{name.replace('-', '_')}.py").write_text(code)
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\ndjango_find_project = false\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", ".", "-q", "-p", "no:cacheprovider", "--ds=tests.projects.readme.settings"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == (0 if found else 5), done.stdout + done.stderr  # 5: there was nothing to run
