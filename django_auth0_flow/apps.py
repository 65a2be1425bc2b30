"""The Django app, and what it loads before a server forks."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module

from django.apps import AppConfig
from django.core.checks import register
from django.utils.translation import gettext_lazy as _

#: What every site needs for a login, an API call, a refresh, a request with an access token, and a logout.
_NEEDED = (
    "access.bearer",
    "login.complete",
    "tokens.api_session",
    "views.account",
    "views.backchannel",
    "views.callback",
    "views.connect",
    "views.login",
    "views.logout",
    "views.protection",
)
_NEEDED_FOR_EMBEDDED_LOGINS = ("views.mfa", "views.password", "views.passwordless", "views.sign_up")


class Auth0FlowConfig(AppConfig):
    name = "django_auth0_flow"
    label = "auth0_flow"
    verbose_name = _("Auth0 logins")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the receiver of logins made by Django's own views; add ``LoginSession.api``.

        Before this process forks for the first time, it preloads.
        """
        from django.contrib.auth.signals import user_logged_in

        from django_auth0_flow import checks
        from django_auth0_flow.login import store
        from django_auth0_flow.models import LoginSession
        from django_auth0_flow.tokens.source import api_session_for

        # Not in the model: ``tokens`` imports the models.
        LoginSession.add_to_class("api", property(api_session_for))
        register(checks.check_settings, "auth0_flow")
        register(checks.check_project, "auth0_flow")
        user_logged_in.connect(store.store_carried_login, dispatch_uid="auth0_flow_store_carried_login")
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(before=cache(preload))


def preload() -> None:
    """Load all that the configurations need, and make their clients; no network. For a ``wsgi.py`` or ``asgi.py``.

    Most modules are loaded when they are used first, so that a process which logs no one in goes without. Workers that are
    forked share what was loaded before: Python calls this at a fork. Call it where a server forks by other means, as uWSGI
    does, or to let a worker that loads the site by itself do all of it at its start.
    """
    from django_auth0_flow.conf import get_client, readable_settings
    from django_auth0_flow.storage.sealing import django_secrets, seal, unseal

    needed = {*_NEEDED}
    # Here and at the end something is encrypted and signed: cryptography loads some modules at the first use.
    for conf in readable_settings():
        client = get_client(conf.name)
        if conf.has_embedded_logins:
            needed |= {*_NEEDED_FOR_EMBEDDED_LOGINS}
        if conf.machine_audiences:
            needed.add("machine")
        if key := client.token_endpoint.new_dpop_key():
            client.prover.headers(key, "GET", conf.issuer)
    for name in sorted(needed):
        import_module(f"{__package__}.{name}")
    unseal(seal(b"", purpose="preload", keys=django_secrets()), purpose="preload", keys=django_secrets())
