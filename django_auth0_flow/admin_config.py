"""Django's admin with logins through Auth0: name it in ``INSTALLED_APPS`` in place of ``django.contrib.admin``."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class Auth0AdminConfig(AdminConfig):
    """``"django_auth0_flow.admin_config.Auth0AdminConfig"``: ``admin.site`` is an ``Auth0AdminSite``."""

    default_site = "django_auth0_flow.admin_site.Auth0AdminSite"
