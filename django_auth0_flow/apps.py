"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _


class Auth0FlowConfig(AppConfig):
    name = "django_auth0_flow"
    label = "auth0_flow"
    verbose_name = _("Auth0 logins")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks and the receiver of logins made by Django's own views; add ``LoginSession.api``."""
        from django.contrib.auth.signals import user_logged_in

        from django_auth0_flow import checks
        from django_auth0_flow.login import store
        from django_auth0_flow.models import LoginSession
        from django_auth0_flow.tokens.source import api_session_for

        # Not in the model: ``tokens`` imports the models.
        LoginSession.add_to_class("api", property(api_session_for))
        register(checks.check_settings, "auth0_flow")
        register(checks.check_project, "auth0_flow")
        register(checks.check_addresses, "auth0_flow")
        register(checks.check_views, "auth0_flow")
        register(checks.check_local_database, "auth0_flow")
        register(checks.check_database, "auth0_flow", Tags.database)
        register(checks.check_deployment, "auth0_flow", deploy=True)
        user_logged_in.connect(store.store_carried_login, dispatch_uid="auth0_flow_store_carried_login")
