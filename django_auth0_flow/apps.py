"""The Django app, and what it loads before a server forks."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Tags, register
from django.utils.translation import gettext_lazy as _

logger = logging.getLogger(__name__)

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

#: Functions of ``checks``: name, tags, and whether only ``check --deploy`` runs it.
_CHECKS: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("check_settings", (), False),
    ("check_project", (), False),
    ("check_addresses", (), False),
    ("check_views", (), False),
    ("check_local_database", (), False),
    ("check_database", (Tags.database,), False),
    ("check_deployment", (), True),
)


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

        from django_auth0_flow.login import store
        from django_auth0_flow.models import LoginSession
        from django_auth0_flow.tokens.source import api_session_for

        # Not in the model: ``tokens`` imports the models.
        LoginSession.add_to_class("api", property(api_session_for))
        for name, tags, is_for_deployment in _CHECKS:
            register(_lazy_check(name), "auth0_flow", *tags, deploy=is_for_deployment)
        user_logged_in.connect(store.store_carried_login, dispatch_uid="auth0_flow_store_carried_login")
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(before=_preload_before_fork)


@cache
def _preload_before_fork() -> None:
    try:
        preload()
    except Exception as error:  # noqa: BLE001  # Python would print a traceback at each fork; the first login meets the same
        logger.warning("preload_failed error=%s", type(error).__name__)


def _lazy_check(name: str) -> Callable[..., Iterable[CheckMessage]]:
    """Return the check of that name. It is loaded when it runs: a worker that serves requests runs none."""

    def check(app_configs: Any = None, **kwargs: Any) -> Iterable[CheckMessage]:
        found: Iterable[CheckMessage] = getattr(import_module(f"{__package__}.checks"), name)(app_configs, **kwargs)
        return found

    check.__name__ = name
    return check


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
