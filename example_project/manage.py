#!/usr/bin/env python3
"""Django's command line, and ``manage.py demo``: the clinic with a tenant of its own, nothing to set up."""

from __future__ import annotations

import os
import sys


def main() -> None:
    if sys.argv[1:2] == ["demo"]:
        # Not a management command: the tenant starts before Django reads the settings that point at it.
        from demo.tenant import ClinicDemo

        from django_auth0_flow.testing.demo import run_demo

        os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"
        sys.exit(run_demo(ClinicDemo(), sys.argv[2:]))
    from django.core.management import execute_from_command_line

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_config.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
