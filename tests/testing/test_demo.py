"""The demo's driver in another project, set up as the package's docstring says."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from django_auth0_flow.testing import demo
from tests.test_example_project import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
SECRET_KEY = "x" * 60
INSTALLED_APPS = [
    "django_auth0_flow", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_auth0_flow.middleware.Auth0Middleware",
]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
    "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
}]
AUTHENTICATION_BACKENDS = ["django_auth0_flow.backends.Auth0Backend"]
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "auth0:login", "/", "/"
AUTH0 = {"DOMAIN": "mysite.eu.auth0.com", "CLIENT_ID": "mine", "CLIENT_SECRET": "mine", "AUDIENCE": "https://mine.example"}
AUTH0["SCOPE"] = "openid profile email offline_access"
ROOT_URLCONF, STATIC_URL = "mysite.urls", "static/"
DEFAULT_AUTO_FIELD, USE_TZ = "django.db.models.BigAutoField", True
"""
URLS = """
from django.http import HttpResponse
from django.urls import include, path
from django_auth0_flow.decorators import auth0_login_required

@auth0_login_required
def appointments(request):
    return HttpResponse(str(len(request.auth0.access_token())))

urlpatterns = [
    path("", lambda request: HttpResponse("Welcome")),
    path("appointments/", appointments),
    path("accounts/", include("django_auth0_flow.urls")),
]
"""


def code_blocks(text: str) -> list[str]:
    """Return the indented blocks that follow ``::``."""
    found = []
    for part in text.split("::\n\n")[1:]:
        lines = part.splitlines()
        end = next(at for at, line in enumerate(lines) if line and not line.startswith("    "))
        found.append(textwrap.dedent("\n".join(lines[:end])))
    return found


@pytest.fixture
def project(tmp_path: Path) -> Path:
    settings, branch = code_blocks(demo.__doc__ or "")
    package = tmp_path / "mysite"
    package.mkdir()
    for name, text in {"__init__": "", "settings": SETTINGS, "urls": URLS, "demo_settings": settings}.items():
        (package / f"{name}.py").write_text(text)
    (tmp_path / "manage.py").write_text(f"import os, sys\n{branch}")
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, project / "manage.py", "demo", "--walk", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "exit_code", "said"),
    [
        ("", 0, "All 9 steps went well: 2 refreshes, 0 families revoked."),
        ("rate-limit@6", 1, "Step 6 of 9 failed."),
    ],
)
def test_another_project_walks_through_a_login(project: Path, fault: str, exit_code: int, said: str) -> None:
    done = run(project, "--fault", fault)
    assert said in done.stdout, done.stdout + done.stderr
    assert done.returncode == exit_code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('"NAME": os.environ["DATABASE"]', '"NAME": "precious.sqlite3"'),
        ('"ISSUER": os.environ["AUTH0_ISSUER"]', '"ISSUER": "https://mysite.eu.auth0.com/"'),
        ('"CLOCK": "django_auth0_flow.testing.demo.clock.now"', '"CLOCK": "time.time"'),
        ("DEBUG = True", "DEBUG = False"),
    ],
    ids=["database", "issuer", "clock", "debug"],
)
def test_settings_that_are_not_the_demos_are_refused(project: Path, line: str, instead: str) -> None:
    settings = project / "mysite" / "demo_settings.py"
    text = settings.read_text()
    assert line in text
    settings.write_text(text.replace(line, instead))
    done = run(project)
    assert done.returncode == 1
    setting = "DEBUG" if "DEBUG" in line else f"['{line.split(chr(34))[1]}']"
    assert f"{setting} in mysite.demo_settings is not the demo's" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "precious.sqlite3").exists()
