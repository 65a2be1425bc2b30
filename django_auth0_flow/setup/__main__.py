"""``python -m django_auth0_flow.setup``: ``manage.py auth0_setup`` for a project that does not name the app yet."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

APP = "django_auth0_flow"


def settings_module_of(manage_py: Path) -> str:
    """Return the settings module that a project's ``manage.py`` names; "" if it names none."""
    try:
        found = re.search(r"""DJANGO_SETTINGS_MODULE["'],\s*["']([\w.]+)["']""", manage_py.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else ""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module_of(Path("manage.py")))
    if not os.environ["DJANGO_SETTINGS_MODULE"]:
        sys.exit("No manage.py here that names the settings. Go to its folder, or set DJANGO_SETTINGS_MODULE.")
    try:
        apps = list(settings.INSTALLED_APPS)
    except (ImproperlyConfigured, ImportError, KeyError, NameError, SyntaxError) as error:
        module = os.environ["DJANGO_SETTINGS_MODULE"]
        sys.exit(f"{module} can't be imported: {type(error).__name__}: {error}. Correct it first.")
    if not any(name == APP or name.startswith(f"{APP}.") for name in apps):
        settings.INSTALLED_APPS = [*apps, APP]
    execute_from_command_line([sys.argv[0], "auth0_setup", *sys.argv[1:]])


if __name__ == "__main__":
    main()
