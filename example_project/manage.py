#!/usr/bin/env python3
"""Django's command line, and ``manage.py demo``: the clinic with a tenant of its own, nothing to set up."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_config.settings")
    if sys.argv[1:2] == ["demo"]:
        # Not a management command: it has to choose the settings' environment before Django reads it.
        from demo.cli import main as demo

        sys.exit(demo(sys.argv[2:]))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
