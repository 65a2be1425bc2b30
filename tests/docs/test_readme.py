"""The examples are run: each Python block after ``<!-- run: name -->``, on any page, is a pytest file.

They are about the project in ``tests/projects/readme`` and run together in one process of their own. The tour, in
English and Japanese, is followed in a new project to the letter, as someone does who knows nothing else.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import pytest

from tests.docs.pages import ROOT, Block, blocks

#: Examples of what only newer releases of Django have.
_SINCE = {"run: tasks": (6, 0)}


def examples() -> list[Block]:
    runnable = [found for found in blocks() if found.marker.startswith("run: ")]
    return [found for found in runnable if _SINCE.get(found.marker, ()) <= django.VERSION]


def test_every_name_is_used_once() -> None:
    names = [found.marker for found in examples()]
    assert len(names) == len(set(names)) >= 6


def test_the_examples_run(tmp_path: Path) -> None:
    for found in examples():
        name = found.marker.removeprefix("run: ").replace("-", "_")
        (tmp_path / f"test_{name}.py").write_text(found.code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\ndjango_find_project = false\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", ".", "-q", "-p", "no:cacheprovider", "--ds=tests.projects.readme.settings"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# A browser logs in at the site of the tour and out again. The tenant is the program that the tour starts.
_VISIT = """
import re
from urllib.parse import urljoin
import django
import requests
django.setup()
from django.test import Client

def back_here(browser, answer):
    # Follow the tenant's redirects up to the one that leads to the site.
    while host not in (address := urljoin(answer.url, answer.headers["Location"])).partition("?")[0]:
        answer = browser.get(address, allow_redirects=False)
    return client.get(address.removeprefix(f"http://{host}"))

for host in ("localhost:8000", "127.0.0.1:8000"):
    client = Client(headers={"host": host})
    assert client.get("/").status_code == 200
    login = client.get("/hello/")
    authorize = client.get(login["Location"])
    browser = requests.Session()
    page = browser.get(authorize["Location"])
    name = re.search(r'name="user" value="([^"]+)"', page.text)[1]
    answer = browser.post(page.url, data={"user": name}, allow_redirects=False)
    back = back_here(browser, answer)
    print(host, login.status_code, back["Location"], client.get("/hello/").content.decode())
    leave = client.post("/auth0/logout/")
    home = back_here(browser, browser.get(leave["Location"], allow_redirects=False))
    print(home["Location"], client.get("/hello/").status_code)
"""


@contextmanager
def started(command: str, folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Start the local tenant as the tour says, at a free port, and yield what it prints."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command.replace("9400", "0"))]
    with subprocess.Popen(
        [words[0], "-u", *words[1:]], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        said = ""
        while "Stop it with" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        try:
            yield said
        finally:
            process.terminate()


@pytest.mark.parametrize("page", ["README.md", "ja.md"])
def test_the_tour_leads_to_a_first_login(tmp_path: Path, page: str) -> None:
    tour = [found for found in blocks() if found.page == page and found.marker.startswith("tour: ")]
    files = {found.marker.removeprefix("tour: "): found.code for found in tour if "/" in found.marker}
    assert list(files) == ["mysite/settings.py", "mysite/views.py", "mysite/urls.py"]
    first, then = (found.code for found in tour if found.marker == "tour: shell")
    (start_tenant,) = (found.code.splitlines()[-1] for found in tour if found.marker == "tour: tenant")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}",
        "PYTHONWARNINGS": "error",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)

    def run(*command: str, **more: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr[-3000:]
        return done.stdout

    # The environment is the one of this test: the package comes from here.
    venv, install, startproject = first.splitlines()
    assert venv.startswith("python3 -m venv .venv")
    assert install.startswith("pip install ")
    assert shutil.which("django-admin", path=environment["PATH"])
    run(*shlex.split(startproject))
    for name, code in files.items():
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{code}")
    with started(start_tenant, tmp_path, environment) as said:
        (printed,) = re.findall(r"^AUTH0 = {\n.*?^}", said, re.DOTALL | re.MULTILINE)
        settings = tmp_path / "mysite" / "settings.py"
        text, replaced = re.subn(
            r"^AUTH0 = {\n.*?^}",
            lambda _: printed,
            settings.read_text(encoding="utf-8"),
            flags=re.DOTALL | re.MULTILINE,
        )
        assert replaced == 1
        settings.write_text(text, encoding="utf-8")
        *steps, runserver = then.splitlines()
        assert [step.split()[2] for step in steps] == ["migrate", "check", "auth0_doctor"]
        outcome = [run(sys.executable, *shlex.split(step)[1:]) for step in steps]
        assert "no issues" in outcome[1]
        assert outcome[2].count("Nothing wrong.") == 2
        assert runserver == "python manage.py runserver"
        visit = run(sys.executable, "-c", _VISIT, DJANGO_SETTINGS_MODULE="mysite.settings")
    assert visit.splitlines() == [
        "localhost:8000 302 /hello/ Hello Ada Lovelace",
        "/ 302",
        "127.0.0.1:8000 302 /hello/ Hello Ada Lovelace",
        "/ 302",
    ]
