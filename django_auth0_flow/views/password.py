"""``auth0:password``: username and password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from django_auth0_flow import error_responses
from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import password as password_logins
from django_auth0_flow.embedded.error_codes import password_code
from django_auth0_flow.forms import PasswordForm
from django_auth0_flow.pages import rendering
from django_auth0_flow.protocol.errors import Auth0Error, MfaRequired, OAuthError, TransportError
from django_auth0_flow.views.embedded import EmbeddedView


class PasswordView(EmbeddedView):
    """``auth0:password``: name and password, for a site that does not send its visitors to Auth0's page."""

    template_name = "password.html"

    def is_enabled(self) -> bool:
        """``PASSWORD_REALM`` is set."""
        return bool(get_settings(self.configuration).password_realm)

    @property
    def start_url(self) -> str:
        """Where a login with a password begins."""
        return rendering.page_path("password", self.configuration, self.next_url)

    @property
    def links(self) -> dict[str, str]:
        """The addresses of the pages about passwords, and of other ways to log in; "" for those that are switched off."""
        conf = get_settings(self.configuration)
        pages = {"signup": bool(conf.sign_up_fields), "password_reset": bool(conf.database_connection)}
        found = {
            f"{name}_url": rendering.page_path(name, self.configuration, self.next_url) if is_on else ""
            for name, is_on in pages.items()
        }
        return {**self.ways_to_log_in, **found}

    def show(
        self, request: HttpRequest, form: forms.Form | None = None, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """Show the page, with links to the others about passwords."""
        return super().show(request, form, status=status, **{**self.links, **context})

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(request, PasswordForm())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PasswordForm(request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form)
        return self.log_in(request, form, form.cleaned_data["username"], form.cleaned_data["password"])

    def log_in(self, request: HttpRequest, form: Any, username: str, password: str) -> HttpResponse:
        """Log in with a password and lead on; ``form`` is shown again if the tenant refuses."""
        try:
            url = password_logins.finish_password(
                request,
                configuration=self.configuration,
                username=username,
                password=password,
                next_url=self.next_url,
            )
        except MfaRequired as error:
            error.configuration = self.configuration
            return error_responses.mfa_required(request, error, next_url=self.next_url, start_url=self.start_url)
        except TransportError as error:
            return self.failure(request, error, retry_url=self.start_url)
        except OAuthError as error:
            return self.login_refused(request, error, password_code(error), form)
        except Auth0Error as error:
            return self.failure(request, error, next_url=self.next_url, retry_url=self.start_url)
        return self.go(url)

    def login_refused(self, request: HttpRequest, error: OAuthError, code: str, form: PasswordForm) -> HttpResponse:
        """Answer a password that did not log in: the name stays, the password is typed again."""
        form.focus_on("password")
        return self.refuse(request, error, code, form)
