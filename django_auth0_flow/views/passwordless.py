"""``auth0:passwordless``: where to send a code or link, and the code."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse

from django_auth0_flow import error_responses
from django_auth0_flow.conf import get_settings
from django_auth0_flow.embedded import passwordless as passwordless_logins
from django_auth0_flow.embedded.error_codes import FINAL_CODES, passwordless_code
from django_auth0_flow.embedded.sending import is_recent
from django_auth0_flow.embedded.submit import AlreadySubmitted
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.forms import CodeForm, PasswordlessForm
from django_auth0_flow.pages import rendering
from django_auth0_flow.protocol.errors import Auth0Error, MfaRequired, OAuthError, TransportError
from django_auth0_flow.protocol.passwordless_channels import CHANNELS
from django_auth0_flow.views.embedded import EmbeddedView, with_waiting_login


class PasswordlessView(EmbeddedView):
    """``auth0:passwordless``: where to send the code or link."""

    template_name = "passwordless.html"

    def is_enabled(self) -> bool:
        """``PASSWORDLESS`` names a kind."""
        return bool(get_settings(self.configuration).passwordless)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the configuration offers."""
        return get_settings(self.configuration).passwordless

    def show(
        self, request: HttpRequest, form: forms.Form | None = None, *, status: int = 200, **context: Any
    ) -> HttpResponse:
        """Show the page, with links to other ways to log in."""
        return super().show(request, form, status=status, **{**self.ways_to_log_in, **context})

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self.show(request, PasswordlessForm(kinds=self.kinds), kinds=self.kinds)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PasswordlessForm(request.POST, kinds=self.kinds)
        if not form.is_valid():
            return self.show_invalid(request, form, kinds=self.kinds)
        data = form.cleaned_data
        return self.send_message(request, data["kind"], data["address"], form)

    def send_message(
        self, request: HttpRequest, kind: str, address: str, form: forms.Form, *, again: bool = False
    ) -> HttpResponse:
        """Have the message sent and lead to the page for its code."""
        try:
            waiting = passwordless_logins.begin_passwordless(
                request,
                configuration=self.configuration,
                kind=kind,
                address=address,
                next_url=self.next_url,
                again=again,
            )
        except TransportError as error:
            return self.failure(request, error, retry_url=self.start_url)
        except Auth0Error as error:
            return self.refuse(request, error, passwordless_code(error), form, kinds=self.kinds)
        return self.go_to("passwordless_code", waiting, **({"again": "1"} if again else {}))

    @property
    def start_url(self) -> str:
        """Where a passwordless login begins."""
        return rendering.page_path("passwordless", self.configuration, self.next_url)


class PasswordlessCodeView(PasswordlessView):
    """``auth0:passwordless_code``: the code, or the words that a link is on its way."""

    template_name = "passwordless_code.html"
    waits_for = ("code", "link")

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        return self.show(request, CodeForm(), **self.context(waiting))

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        if "again" in request.POST:
            data = waiting.data
            return self.send_message(request, data["kind"], data["address"], CodeForm(), again=True)
        form = CodeForm(request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form, **self.context(waiting))
        try:
            url = passwordless_logins.finish_passwordless(request, waiting, form.cleaned_data["code"])
        except MfaRequired as error:
            return error_responses.mfa_required(request, error, next_url=waiting.next_url, start_url=self.start_url)
        except AlreadySubmitted:
            return self.already_submitted(request, self.start_url)
        except TransportError as error:
            return self.failure(request, error, retry_url=request.get_full_path())
        except Auth0Error as error:
            return self.refused(request, waiting, error, form)
        return self.go(url)

    def refused(self, request: HttpRequest, waiting: WaitingLogin, error: Auth0Error, form: CodeForm) -> HttpResponse:
        """Answer a code that did not log in."""
        if not isinstance(error, OAuthError):
            return self.failure(request, error, next_url=waiting.next_url, retry_url=self.start_url)
        code = passwordless_code(error)
        if code in FINAL_CODES:
            waiting = passwordless_logins.end_passwordless(request, waiting)
        return self.refuse(request, error, code, form, **self.context(waiting))

    def context(self, waiting: WaitingLogin) -> dict[str, Any]:
        """Return what the template needs of a waiting login."""
        data = waiting.data
        return {
            "kind": data["kind"],
            "is_link": CHANNELS[data["kind"]].is_link,
            "address": data["address"],
            "start_url": self.start_url,
            "next": waiting.next_url,
            "is_over": bool(data.get("over")),
            "is_sent_again": "again" in self.request.GET and is_recent(waiting),
        }
