"""The pages of the second factor: choose one, answer its challenge, set up the first one, write recovery codes down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse

from django_auth0_flow.embedded import mfa as mfa_logins
from django_auth0_flow.embedded import waiting as waiting_logins
from django_auth0_flow.embedded.error_codes import FINAL_CODES, mfa_code
from django_auth0_flow.embedded.submit import AlreadySubmitted
from django_auth0_flow.embedded.waiting import WaitingLogin
from django_auth0_flow.forms import CodeForm, EnrolForm
from django_auth0_flow.pages import rendering
from django_auth0_flow.pages import urls as site_urls
from django_auth0_flow.pages.messages import words_for
from django_auth0_flow.pages.qr_code import draw_qr_code
from django_auth0_flow.protocol.embedded_grants import Authenticator
from django_auth0_flow.protocol.errors import Auth0Error, OAuthError, TransportError
from django_auth0_flow.views.embedded import EmbeddedView, with_waiting_login

#: After these the tenant takes nothing more for this login.
_OVER = FINAL_CODES | {"client_rejected"}


class SecondFactorView(EmbeddedView):
    """What the pages of a second factor share: the login that waits for it."""

    waits_for = ("mfa",)

    def trouble(
        self, request: HttpRequest, waiting: WaitingLogin, error: Auth0Error, form: forms.Form, **context: Any
    ) -> HttpResponse:
        """Answer an error on the way to a second factor."""
        if isinstance(error, AlreadySubmitted):
            return self.already_submitted(request, self.start_again(waiting))
        if isinstance(error, TransportError):
            return self.failure(request, error, retry_url=request.get_full_path())
        code = mfa_code(error)
        if code in _OVER:
            waiting_logins.remove(request, waiting)
        if code == "mfa_expired" or not isinstance(error, OAuthError):
            failure = error if code == error.code else Auth0Error("The second factor is over.", code=code)
            return self.failure(request, failure, next_url=waiting.next_url, retry_url=self.start_again(waiting))
        ways_on = {"start_url": self.start_again(waiting), "factors_url": self.factors_url(waiting)}
        return self.refuse(request, error, code, form, **{"is_over": code in _OVER, **ways_on, **context})

    def start_again(self, waiting: WaitingLogin) -> str:
        """Return the address where the whole login begins again, ``next`` kept."""
        path, next_url = waiting.data["start_url"], waiting.next_url
        if not path:
            return rendering.login_path(self.configuration, next_url)
        return path if "?" in path or not next_url else f"{path}?{urlencode({'next': next_url})}"

    def factors_url(self, waiting: WaitingLogin) -> str:
        """Return the address of the choice of factors."""
        return rendering.page_path("mfa", self.configuration, waiting.next_url, login=waiting.id, choose="1")


class MfaView(SecondFactorView):
    """``auth0:mfa``: choose a second factor. A user who has none is led to set one up."""

    template_name = "mfa.html"

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        try:
            waiting, factors = mfa_logins.mfa_factors(request, waiting)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, forms.Form())
        if not factors:
            return self.go_to("mfa_enrol", waiting)
        apps = [factor for factor in factors if factor.kind == "otp"]
        others = [factor for factor in factors if factor.kind not in ("otp", "recovery-code")]
        if apps and not others and "choose" not in request.GET:
            # Nothing to choose, and nothing is sent: straight to the code.
            return self.go_to("mfa_code", waiting, challenge=mfa_logins.begin_challenge(request, waiting, apps[0]))
        return self.show(request, factors=factors, next=waiting.next_url)

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        factors: list[Authenticator] = []
        try:
            waiting, factors = mfa_logins.mfa_factors(request, waiting)
            chosen = {str(number): factor for number, factor in enumerate(factors)}.get(request.POST.get("factor", ""))
            if chosen is None:
                return self.go(self.factors_url(waiting))
            challenge = mfa_logins.begin_challenge(request, waiting, chosen)
        except Auth0Error as error:
            if error.code == "association_required":
                return self.go_to("mfa_enrol", waiting)
            return self.trouble(request, waiting, error, forms.Form(), factors=factors)
        return self.go_to("mfa_code", waiting, challenge=challenge)


class MfaEnrolView(SecondFactorView):
    """``auth0:mfa_enrol``: set up the first second factor."""

    template_name = "mfa_enrol.html"

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        kinds = mfa_logins.enrollable_kinds(waiting)
        return self.show(request, EnrolForm(kinds=kinds), kinds=kinds, next=waiting.next_url)

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        kinds = mfa_logins.enrollable_kinds(waiting)
        form = EnrolForm(request.POST, kinds=kinds)
        if not form.is_valid():
            return self.show_invalid(request, form, kinds=kinds)
        data = form.cleaned_data
        try:
            challenge = mfa_logins.begin_enrolment(request, waiting, data["kind"], phone_number=data["phone_number"])
        except Auth0Error as error:
            return self.trouble(request, waiting, error, form, kinds=kinds)
        return self.go_to("mfa_code", waiting, challenge=challenge)


class MfaCodeView(SecondFactorView):
    """``auth0:mfa_code``: answer a challenge with a code, or wait for the answer to a push notification."""

    template_name = "mfa_code.html"

    @property
    def challenge_id(self) -> str:
        """Which challenge of the login this is about."""
        return self.request.GET.get("challenge", "")

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        challenge = waiting.data["challenges"].get(self.challenge_id)
        if challenge is None:
            return self.go(self.factors_url(waiting))
        if not challenge["asks_for_code"]:
            # A reload asks again, since there is no script; another site's link or a prefetch does not.
            is_reload = request.method == "GET" and not rendering.is_prefetch(request)
            if not is_reload or request.headers.get("Sec-Fetch-Site") == "cross-site":
                return self.wait(request, waiting, challenge)
            return self.poll(request, waiting, challenge)
        return self.show(request, self.form(challenge), **self.context(waiting, challenge))

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        challenge = waiting.data["challenges"].get(self.challenge_id)
        if challenge is None:
            return self.go(self.factors_url(waiting))
        if not challenge["asks_for_code"]:
            return self.poll(request, waiting, challenge)
        form = self.form(challenge, request.POST)
        if not form.is_valid():
            return self.show_invalid(request, form, **self.context(waiting, challenge))
        try:
            url = mfa_logins.finish_mfa(request, waiting, self.challenge_id, form.cleaned_data["code"])
        except Auth0Error as error:
            return self.trouble(request, waiting, error, form, **self.context(waiting, challenge))
        return self.go(url)

    def poll(self, request: HttpRequest, waiting: WaitingLogin, challenge: Mapping[str, Any]) -> HttpResponse:
        """Ask whether the notification was approved."""
        try:
            url = mfa_logins.poll_push(request, waiting, self.challenge_id)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, forms.Form(), **self.context(waiting, challenge))
        return self.go(url) if url is not None else self.wait(request, waiting, challenge)

    def wait(self, request: HttpRequest, waiting: WaitingLogin, challenge: Mapping[str, Any]) -> HttpResponse:
        """Show that the notification waits for its answer, and look again in a moment."""
        if not rendering.is_navigation(request):
            return self.json(request, "push_pending", status=202)
        if request.method == "POST":  # or pressing the button would seem to do nothing
            self.notice = words_for("push_unanswered")
        response = self.show(request, **self.context(waiting, challenge))
        seconds = challenge.get("interval", mfa_logins.PUSH_SECONDS) + 1
        response["Refresh"] = f"{seconds}; url={request.get_full_path()}"
        return response

    def form(self, challenge: Mapping[str, Any], data: Any = None) -> CodeForm:
        """Return the form for this kind of code."""
        return CodeForm(data, is_recovery=challenge["kind"] == "recovery-code")

    def context(self, waiting: WaitingLogin, challenge: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the template needs of a challenge; the secret of an authenticator app while it is being set up."""
        secret = challenge.get("secret", "")
        uri = challenge.get("barcode_uri", "")
        uri = uri if uri.startswith("otpauth://") else ""
        return {
            "kind": challenge["kind"],
            "name": challenge.get("name", ""),
            "asks_for_code": challenge["asks_for_code"],
            "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
            "barcode_uri": uri,
            "qr_code": draw_qr_code(uri),
            "is_enrolment": not challenge["factor"] and bool(secret or uri or challenge.get("recovery_codes")),
            "factors_url": self.factors_url(waiting),
            "next": waiting.next_url,
        }


class RecoveryCodesView(EmbeddedView):
    """``auth0:mfa_recovery_codes``: codes to write down, shown until the visitor says so, ten minutes at most."""

    template_name = "mfa_recovery_codes.html"
    waits_for = ("recovery",)

    def waiting(self, request: HttpRequest) -> WaitingLogin | None:
        """Return what holds the codes, to the visitor who is still logged in."""
        return super().waiting(request) if request.user.is_authenticated else None

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        return self.show(request, codes=waiting.data["codes"])

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        waiting_logins.remove(request, waiting)
        return self.go(site_urls.landing_url(site_urls.safe_next(request, waiting.next_url)))
