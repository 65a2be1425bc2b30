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
from django_auth0_flow.protocol.errors import Auth0Error, OAuthError, TransportError
from django_auth0_flow.views.embedded import EmbeddedView

#: After these the tenant takes nothing more for this login.
_OVER = FINAL_CODES | {"client_rejected"}


class SecondFactorView(EmbeddedView):
    """What the pages of a second factor share: the login that waits."""

    def waiting(self, request: HttpRequest) -> WaitingLogin | None:
        """Return the login that waits for its second factor."""
        found = waiting_logins.find(request, request.GET.get("login", ""), "mfa")
        return found if found is not None and found.configuration == self.configuration else None

    def trouble(
        self, request: HttpRequest, waiting: WaitingLogin, error: Auth0Error, form: forms.Form, **context: Any
    ) -> HttpResponse:
        """Answer an error on the way to a second factor."""
        if isinstance(error, AlreadySubmitted):
            return self.already_submitted(request, start_url=self.start_again(waiting))
        if isinstance(error, TransportError):
            return self.failure(request, error, retry_url=request.get_full_path())
        code = mfa_code(error)
        if code in _OVER:
            waiting_logins.remove(request, waiting)
        if code in ("mfa_expired", "login_expired") or not isinstance(error, OAuthError):
            failure = error if code == error.code else Auth0Error("The second factor is over.", code=code)
            return self.failure(request, failure, next_url=waiting.next_url, retry_url=self.start_again(waiting))
        ways_on = {"start_url": self.start_again(waiting), "factors_url": self.factors_url(waiting)}
        return self.refuse(request, error, code, form, **{"is_over": code in _OVER, **ways_on, **context})

    def start_again(self, waiting: WaitingLogin) -> str:
        """Return the address where the whole login begins again, ``next`` kept."""
        path, next_url = str(waiting.data["start_url"]), waiting.next_url
        if not path:
            return rendering.login_path(self.configuration, next_url)
        return path if "?" in path or not next_url else f"{path}?{urlencode({'next': next_url})}"

    def factors_url(self, waiting: WaitingLogin) -> str:
        """Return the address of the choice of factors."""
        return rendering.page_path("mfa", self.configuration, waiting.next_url, login=waiting.id, choose="1")


class MfaView(SecondFactorView):
    """``auth0:mfa``: choose a second factor. A user who has none is led to set one up."""

    template_name = "mfa.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request)
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

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request)
        factors: list[Any] = []
        try:
            waiting, factors = mfa_logins.mfa_factors(request, waiting)
            chosen = request.POST.get("factor", "")
            if not (chosen.isascii() and chosen.isdigit() and len(chosen) < 4 and int(chosen) < len(factors)):
                return self.go(self.factors_url(waiting))
            challenge = mfa_logins.begin_challenge(request, waiting, factors[int(chosen)])
        except OAuthError as error:
            if error.error == "association_required":
                return self.go_to("mfa_enrol", waiting)
            return self.trouble(request, waiting, error, forms.Form(), factors=factors)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, forms.Form(), factors=factors)
        return self.go_to("mfa_code", waiting, challenge=challenge)


class MfaEnrolView(SecondFactorView):
    """``auth0:mfa_enrol``: set up the first second factor."""

    template_name = "mfa_enrol.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request)
        kinds = mfa_logins.enrollable_kinds(waiting)
        return self.show(request, EnrolForm(kinds=kinds), kinds=kinds, next=waiting.next_url)

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request)
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

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request)
        try:
            challenge = mfa_logins.find_challenge(waiting, self.challenge_id)
        except Auth0Error:
            return self.go(self.factors_url(waiting))
        if not challenge["asks_for_code"]:
            # A reload asks again, since there is no script; another site's link or a prefetch does not.
            is_reload = request.method == "GET" and not rendering.is_prefetch(request)
            if not is_reload or request.headers.get("Sec-Fetch-Site") == "cross-site":
                return self.wait(request, waiting, challenge)
            return self.poll(request, waiting, challenge)
        return self.show(request, self.form(challenge), **self.context(waiting, challenge))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        waiting = self.waiting(request)
        if waiting is None:
            return self.gone(request)
        try:
            challenge = mfa_logins.find_challenge(waiting, self.challenge_id)
        except Auth0Error:
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
        return {
            "kind": challenge["kind"],
            "name": challenge.get("name", ""),
            "asks_for_code": challenge["asks_for_code"],
            "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
            "barcode_uri": uri if uri.startswith("otpauth://") else "",
            "is_enrolment": not challenge["factor"] and bool(secret or uri or challenge.get("recovery_codes")),
            "factors_url": self.factors_url(waiting),
            "next": waiting.next_url,
        }


class RecoveryCodesView(EmbeddedView):
    """``auth0:mfa_recovery_codes``: codes to write down, shown until the visitor says so, ten minutes at most."""

    template_name = "mfa_recovery_codes.html"

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        shown = waiting_logins.find(request, request.GET.get("login", ""), "recovery")
        if shown is None or not request.user.is_authenticated:
            return self.gone(request)
        return self.show(request, codes=shown.data["codes"])

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        shown = waiting_logins.find(request, request.GET.get("login", ""), "recovery")
        if shown is None or not request.user.is_authenticated:
            return self.gone(request)
        waiting_logins.remove(request, shown)
        return self.go(site_urls.landing_url(site_urls.safe_next(request, shown.next_url)))
