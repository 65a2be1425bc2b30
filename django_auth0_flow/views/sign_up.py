"""``auth0:signup`` and ``auth0:password_reset``: an account of one's own, and the way back into it."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import sign_up
from django_auth0_flow.embedded.error_codes import reset_code, sign_up_code
from django_auth0_flow.forms import PasswordResetForm, SignUpForm
from django_auth0_flow.protocol.errors import Auth0Error, OAuthError, PasswordRefused, TransportError
from django_auth0_flow.views.password import PasswordView


class SignUpView(PasswordView):
    """``auth0:signup``: make an account, and log in with the password that was typed."""

    template_name = "signup.html"
    #: What the tenant had against the sign-up, where the account may be there already.
    refusal: OAuthError | None = None

    def is_enabled(self) -> bool:
        """``SIGN_UP_FIELDS`` is set; it needs a connection's name in ``PASSWORD_REALM``."""
        return bool(get_settings(self.configuration).sign_up_fields)

    def form(self, data: Any = None) -> SignUpForm:
        """Return the form with the fields that the configuration asks for."""
        return SignUpForm(data, fields=get_settings(self.configuration).sign_up_fields)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(request, self.form())

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Make the account and log in.

        A refusal that may mean that the account is there already is followed by a login as well: it is there after a double
        submit, or a sign-up whose answer was lost. With the wrong password the page tells nothing but the refusal. A
        username is left alone: somebody else may have it, and the same password.
        """
        form = self.form(request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form)
        password = form.cleaned_data["password"]
        try:
            sign_up.sign_up(request, configuration=self.configuration, password=password, profile=form.profile)
        except TransportError as error:
            return self.failure(request, error, retry_url=self.links["signup_url"])
        except OAuthError as error:
            code = sign_up_code(error)
            if code != "sign_up_refused" or form.login_name == form.profile.get("username"):
                if not isinstance(error, PasswordRefused):
                    return self.refuse(request, error, code, form)
                form.focus_on("password")
                return self.refuse(request, error, code, form, policy=error.policy)
            self.refusal = error
        return self.log_in(request, form, form.login_name, password)

    def login_refused(self, request: HttpRequest, error: OAuthError, code: str, form: Any) -> HttpResponse:
        """Answer a login that did not follow: there is an account to log in to, or there never was a sign-up."""
        if self.refusal is not None and code == "wrong_password":
            return self.refuse(request, self.refusal, sign_up_code(self.refusal), form)
        return self.refuse(request, error, code, form, is_signed_up=self.refusal is None)


class PasswordResetView(PasswordView):
    """``auth0:password_reset``: have a message sent that leads to a new password."""

    template_name = "password_reset.html"
    waits_for = ("reset",)

    def is_enabled(self) -> bool:
        """``PASSWORD_REALM`` names a connection."""
        return bool(get_settings(self.configuration).database_connection)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        return self.show(request, PasswordResetForm(), sent_to=waiting.data["email"] if waiting is not None else "")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PasswordResetForm(request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form)
        try:
            waiting = sign_up.begin_reset(
                request, configuration=self.configuration, email=form.cleaned_data["email"], next_url=self.next_url
            )
        except TransportError as error:
            return self.failure(request, error, retry_url=self.links["password_reset_url"])
        except Auth0Error as error:
            return self.refuse(request, error, reset_code(error), form)
        return self.go_to("password_reset", waiting)
