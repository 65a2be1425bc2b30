"""``auth0:password``: username and password."""

from __future__ import annotations

from typing import Any

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

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(request, PasswordForm())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PasswordForm(request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form)
        try:
            url = password_logins.finish_password(
                request,
                configuration=self.configuration,
                username=form.cleaned_data["username"],
                password=form.cleaned_data["password"],
                next_url=self.next_url,
            )
        except MfaRequired as error:
            error.configuration = self.configuration
            return error_responses.mfa_required(request, error, next_url=self.next_url, start_url=self.start_url)
        except TransportError as error:
            return self.failure(request, error, retry_url=self.start_url)
        except OAuthError as error:
            return self.refuse(request, error, password_code(error), form)
        except Auth0Error as error:
            return self.failure(request, error, next_url=self.next_url, retry_url=self.start_url)
        return self.go(url)
