"""The README's examples are run: each Python block that stands after ``<!-- run: name -->`` is a pytest file.

They are about the project in ``tests/projects/readme`` and run together in one process of their own. ``TEST_README`` names
another file to take them from. The tour is followed in a new project, as somebody does who knows nothing but the README.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
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


# A person logs in at the site of the tour; the tenant stands in for the one that the settings name.
_TOUR = """
import json, os
from django_auth0_flow.testing.tenant import Tenant

with Tenant() as tenant:
    application = tenant.application
    application.callbacks = ["http://localhost:8000/auth0/callback/"]
    names = {"CLIENT_ID": application.client_id, "CLIENT_SECRET": application.client_secret, "ISSUER": tenant.issuer}
    os.environ["AUTH0_HERE"] = json.dumps(names)
    import django
    django.setup()
    from django.core.management import call_command
    from django.test import Client
    call_command("migrate", verbosity=0)
    call_command("check", fail_level="WARNING")
    client = Client(headers={"host": "localhost:8000"})
    login = client.get("/hello/")
    authorize = client.get(login["Location"])
    back = client.get(tenant.login(authorize["Location"]).removeprefix("http://localhost:8000"))
    print(login.status_code, authorize.status_code, back["Location"], client.get("/hello/").content.decode())
    tenant.stop()
    print(client.get("/hello/").status_code)
"""


def test_the_tour_works_in_a_new_project(tmp_path: Path) -> None:
    tour = README.read_text().partition("## Five-minute tour")[2].partition("\n```python\n")[2].partition("\n```")[0]
    _, *parts = re.split(r"^# (settings|urls|views)\.py\n", tour, flags=re.MULTILINE)
    said = dict(zip(parts[::2], parts[1::2], strict=True))
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "DJANGO_SETTINGS_MODULE": "site_of_mine.settings",
        "AUTH0_CLIENT_ID": "an-id",
        "AUTH0_CLIENT_SECRET": "a-secret",
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "-W", "error", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    run("-c", "from django.core.management import call_command; call_command('startproject', 'site_of_mine', '.')")
    project = tmp_path / "site_of_mine"
    here = "import json\ndel AUTH0['DOMAIN']\nAUTH0 |= json.loads(os.environ['AUTH0_HERE'])\n"
    with (project / "settings.py").open("a") as settings:
        settings.write(f"\n{said['settings']}\n{here}")
    (project / "views.py").write_text(said["views"])
    with (project / "urls.py").open("a") as urls:
        urls.write(f"\n{said['urls']}\nfrom site_of_mine import views\nurlpatterns += [path('hello/', views.hello)]\n")
    first, second = run("-c", _TOUR).splitlines()[-2:]
    assert first == "302 302 /hello/ Hello Ada Lovelace"
    assert second == "200"
