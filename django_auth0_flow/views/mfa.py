"""The pages of the second factor: choose one, answer its challenge, set up the first one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from django_auth0_flow.pages.messages import words_for
from django_auth0_flow.pages.qr_code import draw_qr_code
from django_auth0_flow.protocol.embedded_grants import OOB_CHANNELS, Authenticator
from django_auth0_flow.protocol.errors import Auth0Error, OAuthError, TransportError
from django_auth0_flow.views.embedded import EmbeddedView, with_waiting_login
from django_auth0_flow.views.recovery_codes import in_groups

#: After these the tenant takes nothing more for this login.
_OVER = FINAL_CODES | {"client_rejected"}


#: The kinds of factor that a telephone number is asked for.
_BY_PHONE = ("sms", "voice")


def enrolment_choices(kinds: Sequence[str]) -> list[str]:
    """Return the kinds to choose from: a telephone is one of them, and is asked for its number once."""
    return [kind for kind in kinds if kind != "voice" or "sms" not in kinds]


class SecondFactorView(EmbeddedView):
    """What the pages of a second factor share: the login that waits for it."""

    waits_for = ("mfa",)
    #: The name of a page that goes straight on where there is nothing to choose.
    choice = ""

    def trouble(
        self, request: HttpRequest, waiting: WaitingLogin, error: Auth0Error, form: forms.Form, **context: Any
    ) -> HttpResponse:
        """Answer an error on the way to a second factor."""
        if isinstance(error, AlreadySubmitted):
            return self.already_submitted(request, self.start_again(waiting))
        if isinstance(error, TransportError):
            # The next try asks before it sends: a message may have gone out although its answer was lost.
            asks = self.choice and request.method == "GET"
            again = self.factors_url(waiting, self.choice) if asks else request.get_full_path()
            return self.failure(request, error, retry_url=again)
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

    def url_for(self, name: str, waiting: WaitingLogin, **query: str) -> str:
        """Return the address of one of the pages of this login."""
        return rendering.page_path(name, self.configuration, waiting.next_url, login=waiting.id, **query)

    def factors_url(self, waiting: WaitingLogin, page: str = "mfa") -> str:
        """Return the address of the choice of factors, or of what to set up."""
        return self.url_for(page, waiting, choose="1")

    def may_act(self, request: HttpRequest) -> bool:
        """Tell whether a person came here by themselves: another site's link or a prefetch must have no effect."""
        is_own = request.method == "GET" and request.headers.get("Sec-Fetch-Site") != "cross-site"
        return is_own and not rendering.is_prefetch(request)

    def may_go_straight_on(self, request: HttpRequest, choices: Sequence[object]) -> bool:
        """Tell whether there is nothing to choose, and nobody asked to choose."""
        return len(choices) == 1 and "choose" not in request.GET and self.may_act(request)


class MfaView(SecondFactorView):
    """``auth0:mfa``: choose a second factor. A user who has none is led to set one up."""

    template_name = "mfa.html"
    choice = "mfa"

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        try:
            waiting, factors = mfa_logins.mfa_factors(request, waiting)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, forms.Form())
        if not factors:
            return self.go_to("mfa_enrol", waiting)
        ways = [factor for factor in factors if factor.kind != "recovery-code"] or factors
        if self.may_go_straight_on(request, ways):
            # At most one message for this login: a second one takes a button.
            return self.challenge(request, waiting, ways[0], factors, may_resend=False)
        return self.show(request, factors=factors, next=waiting.next_url)

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        try:
            waiting, factors = mfa_logins.mfa_factors(request, waiting)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, forms.Form())
        chosen = {str(number): factor for number, factor in enumerate(factors)}.get(request.POST.get("factor", ""))
        if chosen is None:
            return self.go(self.factors_url(waiting))
        return self.challenge(request, waiting, chosen, factors)

    def challenge(
        self,
        request: HttpRequest,
        waiting: WaitingLogin,
        chosen: Authenticator,
        factors: Sequence[Authenticator],
        *,
        may_resend: bool = True,
    ) -> HttpResponse:
        """Challenge a factor and lead to the page for its answer."""
        try:
            challenge = mfa_logins.begin_challenge(request, waiting, chosen, may_resend=may_resend)
        except Auth0Error as error:
            if error.code == "association_required":
                return self.go_to("mfa_enrol", waiting)
            return self.trouble(request, waiting, error, forms.Form(), factors=factors)
        return self.go_to("mfa_code", waiting, challenge=challenge)


class MfaEnrolView(SecondFactorView):
    """``auth0:mfa_enrol``: set up the first second factor."""

    template_name = "mfa_enrol.html"
    choice = "mfa_enrol"

    @with_waiting_login
    def get(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        kinds = mfa_logins.enrollable_kinds(waiting)
        form, choices = EnrolForm(kinds=kinds), enrolment_choices(kinds)
        wanted = request.GET.get("kind", "")
        if self.may_go_straight_on(request, choices):
            if choices[0] not in _BY_PHONE:
                return self.enrol(request, waiting, form, choices[0], may_resend=False)
            wanted = choices[0]
        if wanted in _BY_PHONE and wanted in kinds:
            return self.show(request, form, **self.context(waiting, wanted))
        return self.show(request, form, **self.context(waiting))

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        kinds = mfa_logins.enrollable_kinds(waiting)
        form = EnrolForm(request.POST, kinds=kinds)
        kind = request.POST.get("kind", "")
        if kind in _BY_PHONE and "phone_number" not in request.POST:
            return self.go_to("mfa_enrol", waiting, kind=kind)
        if not form.is_valid():
            return self.show_invalid(request, form, **self.context(waiting, kind))
        return self.enrol(request, waiting, form, kind, phone_number=form.cleaned_data["phone_number"])

    def enrol(
        self, request: HttpRequest, waiting: WaitingLogin, form: EnrolForm, kind: str, **options: Any
    ) -> HttpResponse:
        """Begin to enrol and lead to the page that confirms it."""
        try:
            challenge = mfa_logins.begin_enrolment(request, waiting, kind, **options)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, form, **self.context(waiting, kind))
        return self.go_to("mfa_code", waiting, challenge=challenge)

    def context(self, waiting: WaitingLogin, kind: str = "") -> dict[str, Any]:
        """Return what the template needs; for a ``kind`` by telephone that is the page that asks for the number."""
        kinds = mfa_logins.enrollable_kinds(waiting)
        choices = enrolment_choices(kinds)
        found: dict[str, Any] = {
            "kinds": kinds,
            "choices": choices,
            "recommended": choices[0],
            "next": waiting.next_url,
        }
        if kind in _BY_PHONE and kind in kinds:
            self.template_name = "mfa_phone.html"
            found["ways"] = [kind, *(other for other in kinds if other in _BY_PHONE and other != kind)]
            found["is_only_way"] = len(choices) == 1
            found["factors_url"] = self.factors_url(waiting, "mfa_enrol")
        return found


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
            # A reload asks again, since there is no script.
            answer = self.poll if self.may_act(request) else self.wait
            return answer(request, waiting, challenge)
        return self.show(request, self.form(challenge), **self.context(waiting, challenge))

    @with_waiting_login
    def post(self, request: HttpRequest, waiting: WaitingLogin) -> HttpResponse:
        challenge = waiting.data["challenges"].get(self.challenge_id)
        if challenge is None:
            return self.go(self.factors_url(waiting))
        if "again" in request.POST:
            return self.send_again(request, waiting, challenge)
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

    def send_again(self, request: HttpRequest, waiting: WaitingLogin, challenge: Mapping[str, Any]) -> HttpResponse:
        """Have the message sent once more."""
        try:
            new = mfa_logins.resend(request, waiting, self.challenge_id)
        except Auth0Error as error:
            return self.trouble(request, waiting, error, self.form(challenge), **self.context(waiting, challenge))
        return self.go_to("mfa_code", waiting, challenge=new, again="1")

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
        # Without the focus at first where there is much to do before: browsers scroll to it.
        focus = data is not None or not challenge.get("secret")
        return CodeForm(data, is_recovery=challenge["kind"] == "recovery-code", focus=focus)

    def context(self, waiting: WaitingLogin, challenge: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the template needs of a challenge; the secret of an authenticator app while it is being set up."""
        secret = challenge.get("secret", "")
        uri = challenge.get("barcode_uri", "")
        uri = uri if uri.startswith("otpauth://") else ""
        kind, enrols = challenge["kind"], bool(challenge.get("enrols"))
        ways: Sequence[object] = waiting.data.get("factors", ())
        number_url = ""
        if enrols:
            ways = enrolment_choices(mfa_logins.enrollable_kinds(waiting))
            if kind in _BY_PHONE:
                number_url = self.url_for("mfa_enrol", waiting, kind=kind)
        return {
            "kind": kind,
            "name": challenge.get("name", ""),
            "asks_for_code": challenge["asks_for_code"],
            "secret": " ".join(in_groups(secret)),
            "barcode_uri": uri,
            "qr_code": draw_qr_code(uri),
            "is_enrolment": enrols,
            "is_only_way": len(ways) == 1,
            "number_url": number_url,
            "is_message": kind in OOB_CHANNELS and not uri,
            "is_sent_again": "again" in self.request.GET and mfa_logins.is_recent(waiting, challenge),
            "factors_url": self.factors_url(waiting, "mfa_enrol" if enrols else "mfa"),
            "next": waiting.next_url,
        }
