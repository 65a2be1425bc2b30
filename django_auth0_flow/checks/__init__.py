"""System checks: every mistake that can be seen without asking the tenant. ``auth0_doctor`` shows them too, and asks it.

``project`` looks at the settings, ``addresses`` at where the site is, ``views`` at what the project's views need of the
settings, ``database`` at tables and groups.
"""

from __future__ import annotations

from django_auth0_flow.checks.addresses import check_addresses, check_deployment
from django_auth0_flow.checks.database import check_database, check_local_database, database_messages
from django_auth0_flow.checks.project import check_project, check_settings
from django_auth0_flow.checks.views import check_views

__all__ = [
    "check_addresses",
    "check_database",
    "check_deployment",
    "check_local_database",
    "check_project",
    "check_settings",
    "check_views",
    "database_messages",
]
