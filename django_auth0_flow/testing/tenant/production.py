"""The tenant is no production server: it does not start in a process, or for a project, that says ``DEBUG = False``."""

from __future__ import annotations

import os
import sys
from importlib import import_module


class InProduction(RuntimeError):
    """The tenant refuses to start; the text says why."""


_TEXT = (
    "{module} says DEBUG = False. The local tenant logs anybody in as anybody, so it does not start beside a site in "
    "production. Set DEBUG = True while you develop. Tests may use it, whatever DEBUG is."
)


def refuse_production() -> None:
    """Raise InProduction if Django runs in this process, with ``DEBUG`` off and no test runner."""
    found = sys.modules.get("django.conf")
    if found is None or not found.settings.configured or found.settings.DEBUG:
        return
    # Documented by Django and pytest: only a test run has an outbox, only its processes have that variable.
    if not hasattr(sys.modules.get("django.core.mail"), "outbox") and "PYTEST_CURRENT_TEST" not in os.environ:
        raise InProduction(_TEXT.format(module=found.settings.SETTINGS_MODULE or "settings.configure()"))


def refuse_production_of_this_shell() -> None:
    """The same for the project that ``DJANGO_SETTINGS_MODULE`` names; one that can't be read is no reason."""
    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        return
    sys.path.insert(0, "")
    try:
        _ = import_module("django.conf").settings.DEBUG
    except Exception:  # noqa: BLE001  # the project's own module, which may fail in any way
        return
    finally:
        sys.path.remove("")
    refuse_production()
